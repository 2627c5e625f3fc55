/** What `rallymq store` prints for people. */
import type { StoreDamage, StoreReport } from '../data-plane/addon.ts';
import type { BackupOutcome } from './backup.ts';
import type { TransferOutcome } from './export.ts';
import type { StoreFiles } from './store-files.ts';

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function shownBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1_024 && unit < units.length - 1; unit++) value /= 1_024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

export function textOfInfo(directory: string, files: StoreFiles): string {
  const lines = [
    `${directory}: ${plural(files.segments, 'segment')} and ${files.spareSegments} spare, ${shownBytes(files.bytes)}`,
    ...files.setAside.map((name) => `  set aside as damaged: ${name}`),
  ];
  return `${lines.join('\n')}\n`;
}

export function textOfCheck(directory: string, report: StoreReport, repairs: boolean): string {
  const { segments, bytes, records, recordBytes, tornBytes, damage } = report;
  const lines = [
    `${directory}: ${plural(segments, 'segment')} of ${shownBytes(bytes)}, ${plural(records, 'record')} of ${shownBytes(recordBytes)}`,
    ...(tornBytes > 0
      ? [
          `  ${shownBytes(tornBytes)} were being written when the broker stopped; none of it had been acknowledged`,
        ]
      : []),
    ...damage.map((each) => `  ${textOfDamage(each)}`),
    damage.length === 0
      ? 'Nothing is damaged.'
      : `${plural(damage.length, 'place')} damaged; the broker starts with the rest${repairs ? ', and what could not be read was set aside' : ''}.`,
  ];
  return `${lines.join('\n')}\n`;
}

function textOfDamage({ what, segment, offset, bytes, setAside }: StoreDamage): string {
  const kept = setAside === '' || what === 'foreign' ? '' : `, set aside in ${setAside}`;
  switch (what) {
    case 'bytes':
      return `segment ${segment}: ${shownBytes(bytes)} at ${offset} cannot be read${kept}`;
    case 'segmentHeader':
      return `segment ${segment}: its header cannot be read; what is behind it was read${kept}`;
    case 'segmentMissing':
      return `segment ${segment} is missing, and all that was in it`;
    case 'groupsMissing':
      return `segment ${segment}: records are missing at ${offset}`;
    case 'unreadable':
      return `segment ${segment}: the disk reports an error for ${shownBytes(bytes)} at ${offset}`;
    case 'foreign':
      return `${setAside} belongs to another store and is left alone`;
  }
}

export function textOfBackup(folder: string, { files, links, bytes }: BackupOutcome): string {
  const linked = links > 0 ? `, ${links} of them hard links` : '';
  return `${folder} has ${plural(files, 'segment')} of ${shownBytes(bytes)}${linked}.\n`;
}

export function textOfTransfer(
  what: string,
  { messages, retained, sessions, damaged }: TransferOutcome,
): string {
  const missing =
    damaged > 0 ? `${plural(damaged, 'place')} of the store damaged: what was there is missing.\n` : '';
  return `${what} has ${plural(sessions, 'session')} and ${plural(messages, 'message')}, ${retained} of them retained.\n${missing}`;
}

export function textOfCompact(directory: string, bytesBefore: number, bytes: number): string {
  return `${directory} takes ${shownBytes(bytes)} now, down from ${shownBytes(bytesBefore)}.\n`;
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
