/** Reads Server-Sent Events from a response of fetch(), which can send credentials, unlike EventSource. */

export interface ServerEvent {
  /** Empty: none. */
  readonly id: string;
  readonly name: string;
  readonly data: string;
}

/** Resolves when the stream is over. Rejects like the body. */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: ServerEvent) => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const frames = text.split('\n\n');
    text = frames.pop() ?? '';
    for (const frame of frames) {
      const event = eventOf(frame);
      if (event !== undefined) onEvent(event);
    }
  }
}

/** Undefined: a comment, such as a heartbeat, or a frame without data. */
function eventOf(frame: string): ServerEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of frame.split('\n')) {
    const colon = line.indexOf(': ');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
  }
  const data = fields.get('data');
  if (data === undefined) return undefined;
  return { id: fields.get('id') ?? '', name: fields.get('event') ?? 'message', data };
}
