/** Publishes a message, and says whether somebody gets it. */
import { byId } from '../shared/dom.ts';
import { ask } from './api.ts';
import { attempt, type View } from './parts.ts';

export class Publish implements View {
  constructor() {
    byId('publish-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void attempt(byId('publish-said'), publish);
    });
  }
  show(): void {}
  refresh(): Promise<void> {
    return Promise.resolve();
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
