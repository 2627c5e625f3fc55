/** The configuration in force, reloading it, and the log level. */
import { byId, numberFormat, setText } from '../shared/dom.ts';
import { ApiError, ask } from './api.ts';
import { attempt, say, showFacts, type View } from './parts.ts';

interface Configuration {
  readonly version: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly limits: Readonly<Record<string, number>>;
  readonly needsRestart: readonly string[];
}

interface Reloaded {
  readonly certificates: string;
  readonly changed: readonly string[];
}

const certificates: Readonly<Record<string, string>> = {
  reloaded: ' New certificates are in use.',
  unchanged: ' The certificates have not changed.',
  refused: ' The new certificates are invalid, so the old ones stay in use. The log says why.',
};

export class Settings implements View {
  readonly #level = byId<HTMLSelectElement>('log-level');

  constructor() {
    this.#level.addEventListener('change', () => {
      this.#isChosen = true;
    });
    byId('log-level-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void attempt(byId('reload-said'), async () => {
        const { level } = await ask<{ level: string }>('log-level', 'PUT', { level: this.#level.value });
        await this.refresh();
        return `The log level is ${level} until the configuration is reloaded, or the broker restarts.`;
      });
    });
    byId('reload').addEventListener('click', () => {
      void attempt(byId('reload-said'), async () => {
        const outcome = await ask<Reloaded>('config/reload', 'POST');
        await this.refresh();
        const changed = outcome.changed.length === 0 ? '' : ` Changed: ${outcome.changed.join(', ')}.`;
        return `The files are in force.${changed}${certificates[outcome.certificates] ?? ''}`;
      });
    });
  }

  /** The visitor has chosen a level, or seen the one in force: keep it. */
  #isChosen = false;

  show(): void {
    this.#isChosen = false;
  }

  async refresh(): Promise<void> {
    try {
      const { version, options, limits, needsRestart } = await ask<Configuration>('config');
      const notice = byId('needs-restart');
      notice.hidden = needsRestart.length === 0;
      setText(notice, `Changed, and in force after a restart: ${needsRestart.join(', ')}.`);
      if (!this.#isChosen) this.#level.value = `${options['logLevel']}`;
      this.#isChosen = true;
      showFacts(byId('options'), { version, ...shownValues(options) });
      showFacts(byId('limits'), shownLimits(limits));
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 403) throw error;
      say(byId('reload-said'), error.message, true); // this key lacks the right
    }
  }
}

/** With grouped thousands, unlike options such as ports. */
function shownLimits(limits: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(limits).map(([name, value]) => [name, numberFormat.format(value)]),
  );
}

function shownValues(values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}
