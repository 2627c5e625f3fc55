/** Pieces of Markdown. */
import type { Header } from '../results.ts';

/** Columns of figures are aligned to the right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeCell).join(' | ')} |`;
  const isFigures = (column: number): boolean =>
    rows.every((row) => /^([-\d]|none$|$)/.test(row[column] ?? ''));
  const rule = head.map((_, column) => (column > 0 && isFigures(column) ? '---:' : '---'));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** What was measured, where and how. */
export function provenance({ command, startedAt, machine }: Header): string {
  const { cpu, cores, memoryGib, kernel, node, commit } = machine;
  return [
    `    ${command}`,
    '',
    `on ${startedAt.slice(0, 10)}, commit ${commit}, ${cpu}, ${cores} cores, ${memoryGib} GiB, Linux ${kernel}, Node.js ${node}.`,
  ].join('\n');
}

export function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
