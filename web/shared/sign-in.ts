/**
 * Signing in, if the broker requires credentials: a form above the content of any page. They are kept for this tab, and
 * all pages of it use them. A token is sent as the password, without a user name.
 */
import { make, setText } from './dom.ts';

interface KeptCredentials {
  /** Absent with a token. */
  readonly username?: string;
  readonly password: string;
}

const key = 'rallymq-credentials';

export function keptCredentials(): Partial<KeptCredentials> {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? '{}');
  } catch {
    return {}; // not ours
  }
}

/** Replaces the content of `place`; `why` is the broker's reason, without a full stop. */
export function offerSignIn(place: HTMLElement, why: string): void {
  const refused = keptCredentials();
  const wasRefused = refused.password !== undefined;
  sessionStorage.removeItem(key);
  const field = (id: string, label: string, type: string, autocomplete: AutoFill, required: boolean) => {
    const input = make('input', { id, type, autocomplete, required, autocapitalize: 'none' });
    return { input, element: make('div', { class: 'field grow' }, make('label', { for: id }, label), input) };
  };
  const username = field('sign-in-user', 'User name', 'text', 'username', false);
  const password = field('sign-in-password', 'Password or token', 'password', 'current-password', true);
  username.input.value = refused.username ?? '';
  const heading = make('p', { class: 'all' }, '');
  setText(
    heading,
    wasRefused ? `Not signed in: ${why}.` : 'This broker requires a user name and a password, or a token.',
  );
  const form = make(
    'form',
    { class: 'row sign-in', 'aria-label': 'Sign in' },
    heading,
    username.element,
    password.element,
    make('button', {}, 'Sign in'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const { value } = username.input;
    const kept: KeptCredentials = {
      ...(value === '' ? {} : { username: value }),
      password: password.input.value,
    };
    sessionStorage.setItem(key, JSON.stringify(kept));
    location.reload(); // the page reloads, signed in
  });
  place.classList.add('asks');
  place.replaceChildren(form);
  place.hidden = false;
}
