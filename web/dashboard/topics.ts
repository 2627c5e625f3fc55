/** Topics: all of them as a tree, the recipients of one, and retained messages. */
import { byId, make, setText, shownName } from '../shared/dom.ts';
import { ask, type Page, pathOf } from './api.ts';
import type { Subscription } from './client-page.ts';
import { shownBytes, shownCount, shownDuration } from './format.ts';
import { attempt, clientLink, say, type View } from './parts.ts';
import { TopicTree } from './topic-tree.ts';

interface Match extends Subscription {
  readonly clientid: string | null;
}
interface Retained {
  readonly topic: string;
  readonly payload_size: number;
}
interface Message {
  readonly payload: string;
  readonly payload_encoding: 'plain' | 'base64';
  readonly qos: number;
  readonly properties: {
    readonly content_type?: string;
    readonly response_topic?: string;
    readonly message_expiry_interval?: number;
    readonly user_properties?: Readonly<Record<string, string | readonly string[]>>;
  };
}

export class Topics implements View {
  #topic = '';
  #hasLooked = false;
  #matchTopic = '';
  #retainedFilter = '';
  readonly #matches: Paged = { list: byId('matches'), more: byId('matches-more'), cursor: undefined };
  readonly #retained: Paged = {
    list: byId('retained-rows'),
    more: byId('retained-more'),
    cursor: undefined,
  };

  readonly #tree: TopicTree;

  constructor(onFailed: (error: unknown) => void) {
    this.#tree = new TopicTree(onFailed);
    const { look, lookRetained } = { look: () => this.#look(), lookRetained: () => this.#lookRetained() };
    onSubmit('match-form', () => attempt(byId('match-said'), look));
    onSubmit('retained-form', () => attempt(byId('retained-said'), lookRetained));
    this.#matches.more.addEventListener('click', () => {
      void attempt(byId('match-said'), () => this.#look(this.#matches.cursor));
    });
    this.#retained.more.addEventListener('click', () => {
      void attempt(byId('retained-said'), () => this.#lookRetained(this.#retained.cursor));
    });
    byId('retained-delete').addEventListener('click', () => {
      if (!confirm(`Delete the retained message of ${shownName(this.#topic)}?`)) return;
      void attempt(byId('retained-said'), () => this.#delete());
    });
  }

  show(): void {}

  async refresh(): Promise<void> {
    await this.#tree.refresh();
    if (this.#hasLooked) return;
    this.#hasLooked = true;
    say(byId('retained-said'), await this.#lookRetained());
  }

  async #look(cursor?: string): Promise<string> {
    if (cursor === undefined) this.#matchTopic = byId<HTMLInputElement>('match-topic').value;
    const query = pageQuery({ match_topic: this.#matchTopic }, cursor);
    const { data, meta } = await ask<Page<Match>>(`subscriptions?${query}`);
    const shown = showPage(this.#matches, data.map(matchRow), meta.cursor, cursor !== undefined);
    const count = meta.count ?? data.length;
    byId('matches-region').hidden = count === 0;
    if (count === 0) return 'No subscribers.';
    const one = count === 1 ? 'One subscription' : `${shownCount(count)} subscriptions`;
    return meta.hasnext ? `${one}; the first ${shown}:` : `${one}:`;
  }

  async #lookRetained(cursor?: string): Promise<string> {
    if (cursor === undefined) this.#retainedFilter = byId<HTMLInputElement>('retained-filter').value;
    const query = pageQuery({ topic: this.#retainedFilter }, cursor);
    const { data, meta } = await ask<Page<Retained>>(`retained?${query}`);
    byId('retained-one').hidden = true;
    const rows = data.map((each) => this.#row(each));
    const shown = showPage(this.#retained, rows, meta.cursor, cursor !== undefined);
    if (meta.hasnext) return `The first ${shownCount(shown)}:`;
    if (shown === 0) return 'Nothing is retained there.';
    return `${shownCount(shown)} ${shown === 1 ? 'message' : 'messages'}:`;
  }

  #row({ topic, payload_size: bytes }: Retained): HTMLLIElement {
    const open = make('button', { type: 'button', class: 'link mono' }, shownName(topic));
    open.addEventListener('click', () => void attempt(byId('retained-said'), () => this.#open(topic)));
    return make('li', {}, open, make('span', { class: 'small quiet number' }, shownBytes(bytes)));
  }

  async #open(topic: string): Promise<string> {
    const message = await ask<Message>(pathOf('retained/{topic}', topic));
    this.#topic = topic;
    byId('retained-one').hidden = false;
    setText(byId('retained-topic'), shownName(topic));
    setText(byId('retained-facts'), factsOf(message));
    setText(byId('retained-payload'), message.payload);
    return message.payload_encoding === 'base64' ? 'The payload is not text, so it is shown in base64.' : '';
  }

  async #delete(): Promise<string> {
    await ask(pathOf('retained/{topic}', this.#topic), 'DELETE');
    await this.#lookRetained();
    return 'Deleted.';
  }
}

/** A list shown page by page. */
interface Paged {
  readonly list: HTMLElement;
  /** A button. */
  readonly more: HTMLElement;
  /** For the next page. */
  cursor: string | undefined;
}

/** `isFurther`: append to the rows already shown. Returns the current number of rows. */
function showPage(
  paged: Paged,
  rows: readonly HTMLElement[],
  cursor: string | undefined,
  isFurther: boolean,
): number {
  if (isFurther) paged.list.append(...rows);
  else paged.list.replaceChildren(...rows);
  paged.cursor = cursor;
  paged.more.hidden = cursor === undefined;
  return paged.list.childElementCount;
}

function pageQuery(query: Readonly<Record<string, string>>, cursor: string | undefined): URLSearchParams {
  return new URLSearchParams({ ...query, ...(cursor === undefined ? {} : { cursor }) });
}

function matchRow({ clientid, topic, qos }: Match): HTMLLIElement {
  return make(
    'li',
    {},
    clientid === null ? 'the program that embeds the broker' : clientLink(clientid),
    make('span', { class: 'mono quiet' }, shownName(topic)),
    make('span', { class: 'tag' }, `QoS ${qos}`),
  );
}

/** For example: QoS 1 · application/json · expires in 2 min. */
function factsOf({ qos, properties }: Message): string {
  const { content_type: type, response_topic: response, message_expiry_interval: expiry } = properties;
  const user = Object.entries(properties.user_properties ?? {}).flatMap(([name, values]) =>
    [values].flat().map((value) => `${shownName(name)}: ${shownName(value)}`),
  );
  const facts = [
    `QoS ${qos}`,
    type === undefined ? undefined : shownName(type),
    response === undefined ? undefined : `response topic ${shownName(response)}`,
    expiry === undefined ? undefined : `expires in ${shownDuration(expiry)}`,
    ...user,
  ];
  return facts.filter((one) => one !== undefined).join(' · ');
}

function onSubmit(id: string, work: () => Promise<void>): void {
  byId(id).addEventListener('submit', (event) => {
    event.preventDefault();
    void work();
  });
}
