/**
 * `npm run bench -- load --only observed`: the cost of being seen. The same loads are played against this broker while it
 * counts the messages of topics, remembers the events of clients and is scraped once a second, and while it does
 * none of that, in turn; the result is the ratio of each pair of rounds. The times of sampled deliveries are measured in both.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchError } from '../bench-error.ts';
import type { CommandLine } from '../command-line.ts';
import { interleave } from '../peers/interleave.ts';
import type { Endpoint, Peer } from '../peers/peer.ts';
import { ours } from '../peers/peer.ts';
import { rallymq, rallymqWith } from '../peers/rallymq.ts';
import { flagsOf, profileOf } from '../peers/run.ts';
import { clear, say, showStep } from '../progress.ts';
import { medianOf } from '../statistics.ts';
import { compileGenerator } from './generator.ts';
import { deliveryCpu, deliveryRate, ratiosOf, ratioTable } from './ratios.ts';
import { scenariosOf } from './scenarios.ts';

const unseen = `${ours}-unseen`;
const unseenLimits = { clientEventsMax: 0, topicRatesBytesMax: 0 };
const names = ['p2p', 'fan-out', 'fan-in'];
const scrapeMs = 1_000;
/**
 * The part of the deliveries a second that has to remain. A machine that does something else too shows in the rate and not
 * in the CPU time, so it is enough if that has not grown by more.
 */
const remainingMin = 0.98;

/** Gives whether enough remains in every scenario. */
export async function runObserved(command: CommandLine): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'rallymq-bench-'));
  const scraper = new Scraper(rallymq(1));
  try {
    const path = join(folder, 'config.json');
    await writeFile(path, JSON.stringify({ limits: unseenLimits }));
    const rounds = command.rounds ?? (command.full ? 15 : 5);
    const played = await interleave({
      generator: await compileGenerator(),
      scenarios: scenariosOf(profileOf(command)).filter(({ name }) => names.includes(name)),
      peers: [rallymqWith(unseen, ['--config', path], 'not observed'), scraper.peer],
      rounds,
      flags: flagsOf(command),
      onStart: ({ name }, peer, round) => {
        showStep(`${name}: ${peer.name}, round ${round + 1} of ${rounds}`);
        if (peer === scraper.peer) scraper.start();
      },
      onPlayed: () => scraper.stop(),
    });
    clear();
    say(ratioTable(played, names, unseen, ours));
    say(`${scraper.scrapes} scrapes, ${scraper.failed} without an answer`);
    const isGood = names.every((name) => {
      const rate = medianOf(ratiosOf(played, name, unseen, ours, deliveryRate)) ?? 0;
      const cpu = medianOf(ratiosOf(played, name, unseen, ours, deliveryCpu)) ?? Number.POSITIVE_INFINITY;
      return rate >= remainingMin || cpu <= 1 / remainingMin;
    });
    return isGood && scraper.scrapes > 0 && scraper.failed === 0;
  } finally {
    scraper.stop();
    await rm(folder, { recursive: true });
  }
}

/** Scrapes a peer while its turn lasts. */
class Scraper {
  readonly peer: Peer;
  scrapes = 0;
  failed = 0;
  #http: Endpoint | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(peer: Peer) {
    this.peer = {
      ...peer,
      start: async () => {
        const running = await peer.start();
        this.#http = running.http;
        return running;
      },
    };
  }

  start(): void {
    this.stop();
    this.#timer = setInterval(() => void this.#scrape(), scrapeMs);
    void this.#scrape();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #scrape(): Promise<void> {
    if (this.#http === undefined) throw new BenchError('The broker has no HTTP.');
    const { host, port } = this.#http;
    this.scrapes++;
    try {
      const answer = await fetch(`http://${host}:${port}/metrics`);
      const text = await answer.text();
      if (answer.status !== 200 || !text.includes('rallymq_messages_sent_total')) this.failed++;
    } catch {
      this.failed++;
    }
  }
}
