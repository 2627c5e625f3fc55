/** The meters of a house: each appliance consumes a realistic amount, and obeys its switch. */
import type { Message, Rally, Value } from '../../client/rally.ts';
import { type Appliance, type HourTotals, hourMs, type Recent, root } from '../current-cost/topics.ts';

/** Watts at a time (in seconds) while it is on: a cycle with some noise. */
interface Model extends Appliance {
  readonly idleWatts: number;
  readonly watts: (seconds: number, noise: number) => number;
}

const models: readonly Model[] = [
  {
    id: 'heat-pump',
    name: 'Heat pump',
    idleWatts: 4,
    watts: (at, noise) => 620 + 240 * Math.sin(at / 95) + 25 * noise,
  },
  {
    id: 'kettle',
    name: 'Kettle',
    idleWatts: 0,
    watts: (at, noise) => (at % 140 < 35 ? 2_150 + 15 * noise : 0),
  },
  {
    id: 'washing-machine',
    name: 'Washing machine',
    idleWatts: 1,
    watts: (at, noise) => washing(at % 300) + 12 * noise,
  },
  { id: 'fridge', name: 'Fridge', idleWatts: 0, watts: (at, noise) => (at % 90 < 48 ? 92 + 3 * noise : 4) },
  { id: 'television', name: 'Television', idleWatts: 1, watts: (_, noise) => 105 + 14 * noise },
  { id: 'lights', name: 'Lights', idleWatts: 0, watts: (_, noise) => 64 + noise },
];

function washing(second: number): number {
  if (second < 90) return 1_900; // heats
  return second < 240 ? 180 + 90 * Math.sin(second / 4) : 480; // turns, then spins
}

const stepMs = 1_000;
const recentStepMs = 5_000;
const recentSteps = 60;

class House {
  readonly #rally: Rally;
  readonly #isOn = new Map(models.map(({ id }) => [id, true]));
  readonly #recent = new Map(models.map(({ id }) => [id, [] as number[]]));
  /** Of this hour so far, by appliance. */
  #wattHours: Record<string, number> = {};
  #hourStart = hourOf(Date.now());
  #steps = 0;

  constructor(rally: Rally) {
    this.#rally = rally;
    // As if it had been running for a while.
    const now = Date.now();
    for (let step = recentSteps; step > 0; step -= 1) this.#keepRecent(now - step * recentStepMs);
    const share = (now - this.#hourStart) / hourMs;
    for (const model of models) this.#wattHours[model.id] = meanWatts(model, this.#hourStart) * share;
  }

  /** All retained messages, for a broker that does not have them. */
  tellAll(): void {
    this.#publish(
      'appliances',
      models.map(({ id, name }) => ({ id, name })),
    );
    for (const { id } of models) this.#tellSwitch(id);
    for (let ago = 23; ago > 0; ago -= 1) this.#tellHour(this.#hourStart - ago * hourMs);
    this.#tellNow();
  }

  step(): void {
    const now = Date.now();
    if (hourOf(now) !== this.#hourStart) this.#endHour(now);
    for (const model of models) {
      const watts = this.#wattsOf(model, now);
      this.#wattHours[model.id] = (this.#wattHours[model.id] ?? 0) + (watts * stepMs) / hourMs;
      this.#rally.publish(`${root}/${model.id}/watts`, `${watts}`, { retain: true }).catch(() => {});
    }
    this.#steps += 1;
    if (this.#steps % (recentStepMs / stepMs) !== 0) return;
    this.#keepRecent(now);
    this.#tellNow();
  }

  command(message: Message): void {
    const id = message.topic.split('/')[2] ?? '';
    const wanted = message.text();
    if (!this.#isOn.has(id) || (wanted !== 'on' && wanted !== 'off')) return;
    this.#isOn.set(id, wanted === 'on');
    this.#tellSwitch(id);
  }

  #wattsOf(model: Model, at: number): number {
    const watts = this.#isOn.get(model.id) ? model.watts(at / 1_000, Math.random() * 2 - 1) : model.idleWatts;
    return Math.max(0, Math.round(watts));
  }

  #keepRecent(at: number): void {
    for (const model of models) {
      const kept = this.#recent.get(model.id) ?? [];
      kept.push(this.#wattsOf(model, at));
      if (kept.length > recentSteps) kept.shift();
    }
  }

  #endHour(now: number): void {
    this.#publishHour(this.#hourStart, this.#wattHours);
    this.#hourStart = hourOf(now);
    this.#wattHours = {};
  }

  #tellNow(): void {
    this.#publishHour(this.#hourStart, this.#wattHours);
    const recent: Recent = { end: Date.now(), stepMs: recentStepMs, watts: Object.fromEntries(this.#recent) };
    this.#publish('recent', recent);
  }

  #tellHour(start: number): void {
    this.#publishHour(start, Object.fromEntries(models.map((model) => [model.id, meanWatts(model, start)])));
  }

  #publishHour(start: number, wattHours: Readonly<Record<string, number>>): void {
    const rounded = Object.fromEntries(
      Object.entries(wattHours).map(([id, value]) => [id, Math.round(value)]),
    );
    const totals: HourTotals = { start, wattHours: rounded };
    this.#publish(`hours/${new Date(start).getUTCHours()}`, totals);
  }

  #tellSwitch(id: string): void {
    this.#publish(`${id}/switch`, this.#isOn.get(id) ? 'on' : 'off');
  }

  #publish(topic: string, value: Value): void {
    // Messages that are unsent when the demo ends do not matter.
    this.#rally.publish(`${root}/${topic}`, value, { qos: 1, retain: true }).catch(() => {});
  }
}

/** Runs until the returned function is called. */
export function runHouse(rally: Rally): () => void {
  const house = new House(rally);
  if (rally.status === 'connected') house.tellAll();
  const unlisten = rally.on('connected', ({ sessionPresent }) => {
    if (!sessionPresent) house.tellAll();
  });
  const commands = rally.subscribe(`${root}/+/switch/set`, (message) => house.command(message), { qos: 1 });
  // While the broker is unreachable, current readings have no recipient.
  const timer = setInterval(() => {
    if (rally.status === 'connected') house.step();
  }, stepMs);
  return () => {
    unlisten();
    clearInterval(timer);
    commands.unsubscribe();
  };
}

function hourOf(ms: number): number {
  return Math.floor(ms / hourMs) * hourMs;
}

/** Approximate consumption by hour of the day: less at night. */
function meanWatts(model: Model, start: number): number {
  const hour = new Date(start).getHours();
  const isAwake = hour >= 6 && hour < 23;
  const always = model.id === 'fridge' || model.id === 'heat-pump';
  const share = always
    ? 0.9
    : isAwake
      ? 0.25 + 0.5 * Math.abs(Math.sin(start / hourMs + model.id.length))
      : 0.02;
  return meanOf(model) * share;
}

function meanOf(model: Model): number {
  let sum = 0;
  for (let second = 0; second < 3_600; second += 5) sum += model.watts(second, 0);
  return sum / 720;
}
