/**
 * Signing in, where the broker asks for credentials: a form above the content of any page. They are kept for this tab, and
 * all pages of it use them.
 */
import { make, setText } from './dom.ts';

interface KeptCredentials {
  readonly username: string;
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

/** `place` is emptied; `why` is what the broker has said. */
export function offerSignIn(place: HTMLElement, why: string): void {
  const wasRefused = keptCredentials().username !== undefined;
  sessionStorage.removeItem(key);
  const field = (id: string, label: string, type: string, autocomplete: AutoFill) => {
    const input = make('input', { id, type, autocomplete, required: true, autocapitalize: 'none' });
    return { input, element: make('div', { class: 'field grow' }, make('label', { for: id }, label), input) };
  };
  const username = field('sign-in-user', 'User name', 'text', 'username');
  const password = field('sign-in-password', 'Password', 'password', 'current-password');
  const heading = make('p', { class: 'all' }, '');
  setText(
    heading,
    wasRefused ? `Not signed in: ${why}.` : 'This broker requires a user name and a password.',
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
    const kept: KeptCredentials = { username: username.input.value, password: password.input.value };
    sessionStorage.setItem(key, JSON.stringify(kept));
    location.reload(); // the page begins anew, as somebody
  });
  place.classList.add('asks');
  place.replaceChildren(form);
  place.hidden = false;
}
