/** The console: publishes a message and shows whether it has recipients; shows the messages of a topic filter. */
import { byId } from '../shared/dom.ts';
import { ask } from './api.ts';
import { attempt, type View } from './parts.ts';
import { Subscriber } from './subscriber.ts';

export class Publish implements View {
  readonly #subscriber: Subscriber;

  constructor(onFailed: (error: unknown) => void) {
    this.#subscriber = new Subscriber(onFailed);
    byId('publish-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void attempt(byId('publish-said'), publish);
    });
  }
  /** `detail`: a topic to publish to. */
  show(detail: string): void {
    if (detail !== '') byId<HTMLInputElement>('publish-topic').value = detail;
  }
  refresh(): Promise<void> {
    return Promise.resolve();
  }
  hide(): void {
    this.#subscriber.stop();
  }
}

async function publish(): Promise<string> {
  const { message } = await ask<{ message?: string }>('publish', 'POST', {
    topic: byId<HTMLInputElement>('publish-topic').value,
    payload: byId<HTMLTextAreaElement>('publish-payload').value,
    qos: Number(byId<HTMLSelectElement>('publish-qos').value),
    retain: byId<HTMLInputElement>('publish-retain').checked,
  });
  return `Published. ${message ?? ''}`.trim();
}
