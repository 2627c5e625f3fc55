/** The text formats of Prometheus (0.0.4) and OpenMetrics (1.0), which differ only slightly. */

export type MetricsFormat = 'prometheus' | 'openMetrics';

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Distribution {
  readonly labels?: Readonly<Record<string, string>>;
  /** The count of each bucket alone; one more than there are bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** The name of a counter is without `_total`. */
export type Family = { readonly name: string; readonly help: string } & (
  | { readonly type: 'counter' | 'gauge'; readonly samples: readonly Sample[] }
  | {
      readonly type: 'histogram';
      readonly bounds: readonly number[];
      readonly distributions: readonly Distribution[];
    }
);

/**
 * Writes the text, and keeps what is the same in each: a histogram has hundreds of lines, of which only the numbers at their
 * ends change. What is kept is as much as the names and labels that there are, which are few.
 */
export class MetricsText {
  readonly #heads = new Map<string, string>();
  /** The lines of a histogram without their numbers, by its name and labels. */
  readonly #buckets = new Map<string, readonly string[]>();

  write(families: readonly Family[], format: MetricsFormat): string {
    const isOpen = format === 'openMetrics';
    let text = '';
    for (const family of families) {
      const isCounter = family.type === 'counter';
      text += this.#headOf(family, isCounter && !isOpen ? `${family.name}_total` : family.name);
      text += family.type === 'histogram' ? this.#histogram(family) : samplesText(family, isCounter);
    }
    return isOpen ? `${text}# EOF\n` : text;
  }

  #headOf({ help, type }: Family, name: string): string {
    const known = this.#heads.get(name);
    if (known !== undefined) return known;
    const head = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    this.#heads.set(name, head);
    return head;
  }

  #histogram({ name, bounds, distributions }: Extract<Family, { type: 'histogram' }>): string {
    let text = '';
    for (const { labels = {}, counts, sum } of distributions) {
      const shown = shownLabels(labels);
      const lines = this.#bucketsOf(name, labels, shown, bounds);
      let below = 0;
      for (let bucket = 0; bucket < counts.length; bucket++) {
        below += counts[bucket] ?? 0;
        text += `${lines[bucket]}${below}\n`;
      }
      text += `${name}_sum${shown} ${sum}\n${name}_count${shown} ${below}\n`;
    }
    return text;
  }

  #bucketsOf(
    name: string,
    labels: Readonly<Record<string, string>>,
    shown: string,
    bounds: readonly number[],
  ): readonly string[] {
    const key = `${name}${shown}`;
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    const lines = [...bounds, '+Inf'].map(
      (bound) => `${name}_bucket${shownLabels({ ...labels, le: `${bound}` })} `,
    );
    this.#buckets.set(key, lines);
    return lines;
  }
}

function samplesText(
  { name, samples }: Extract<Family, { samples: readonly Sample[] }>,
  isCounter: boolean,
): string {
  const shown = isCounter ? `${name}_total` : name;
  let text = '';
  for (const { labels, value } of samples)
    text += `${shown}${labels === undefined ? '' : shownLabels(labels)} ${value}\n`;
  return text;
}

function shownLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
