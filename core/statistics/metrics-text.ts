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

export function metricsText(families: readonly Family[], format: MetricsFormat): string {
  const isOpen = format === 'openMetrics';
  const lines = families.flatMap((family) => {
    const isCounter = family.type === 'counter';
    const name = isCounter && !isOpen ? `${family.name}_total` : family.name;
    const head = [`# HELP ${name} ${family.help}`, `# TYPE ${name} ${family.type}`];
    return [
      ...head,
      ...(family.type === 'histogram' ? histogramLines(family) : sampleLines(family, isCounter)),
    ];
  });
  return `${lines.join('\n')}\n${isOpen ? '# EOF\n' : ''}`;
}

function sampleLines(
  { name, samples }: Extract<Family, { samples: readonly Sample[] }>,
  isCounter: boolean,
): string[] {
  const shown = isCounter ? `${name}_total` : name;
  return samples.map(({ labels = {}, value }) => `${shown}${shownLabels(labels)} ${value}`);
}

function histogramLines({ name, bounds, distributions }: Extract<Family, { type: 'histogram' }>): string[] {
  return distributions.flatMap(({ labels = {}, counts, sum }) => {
    let below = 0;
    const buckets = counts.map((count, index) => {
      below += count;
      const le = index < bounds.length ? `${bounds[index]}` : '+Inf';
      return `${name}_bucket${shownLabels({ ...labels, le })} ${below}`;
    });
    return [
      ...buckets,
      `${name}_sum${shownLabels(labels)} ${sum}`,
      `${name}_count${shownLabels(labels)} ${below}`,
    ];
  });
}

function shownLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
