/**
 * Acknowledgements in the order of the messages [MQTT-4.6.0-2] [MQTT-4.6.0-3], for a user of the engine that processes
 * them in any order. A slow message delays the acknowledgements of later ones,
 * and so, by the Receive Maximum, the broker.
 */
import type { EngineUser } from './client-engine.ts';

type Deliver = EngineUser['deliver'];

interface Entry {
  readonly acknowledge: () => void;
  isDone: boolean;
}

export function inOrder(deliver: Deliver): Deliver {
  const entries: Entry[] = [];
  return (message, acknowledge) => {
    const entry: Entry = { acknowledge, isDone: false };
    if (message.qos > 0) entries.push(entry);
    deliver(message, () => {
      entry.isDone = true;
      while (entries[0]?.isDone) entries.shift()?.acknowledge();
    });
  };
}
