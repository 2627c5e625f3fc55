// Finds the name that was probably meant by a mistyped one.

/**
 * The known name most similar to the given one, or undefined if none is similar: a few letters differ
 * (`prot`), or it has the same words (`maxPacketSize`, `max_connections`).
 */
export function nearestName(given: string, known: readonly string[]): string | undefined {
  // A long name was not mistyped, and the comparison takes quadratic time.
  if (given.length > 64) return undefined;
  return nearestByLetters(given, known) ?? nearestByWords(given, known);
}

function nearestByLetters(given: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let editsMin = Math.max(given.length < 5 ? 1 : 2, Math.floor(given.length / 3)) + 1;
  for (const name of known) {
    const edits = editsBetween(given.toLowerCase(), name.toLowerCase());
    // If every letter has to be replaced, the names are not similar.
    if (edits < editsMin && edits < name.length) {
      nearest = name;
      editsMin = edits;
    }
  }
  return nearest;
}

/** The shortest name with all words of the given one, in any order; `max` and `maximum` count as equal. */
function nearestByWords(given: string, known: readonly string[]): string | undefined {
  const wanted = wordsOf(given);
  if (wanted.length < 2) return undefined;
  const found = known.filter((name) => {
    const words = wordsOf(name);
    return wanted.every((wish) => words.some((word) => areOneWord(wish, word)));
  });
  return found.sort((one, other) => one.length - other.length)[0];
}

/** The words of `maxPacketSize`, `max_packet_size` or `max-packet-size`. */
function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}

const abbreviationMin = 3;

function areOneWord(one: string, other: string): boolean {
  if (one === other) return true;
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  return short.length >= abbreviationMin && long.startsWith(short);
}

/** The number of letters to insert, delete, replace or swap with the next, to turn one into the other. */
function editsBetween(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = at(last, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1);
      let edits = Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        edits = Math.min(edits, at(beforeLast, j - 2) + 1);
      }
      row.push(edits);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, to.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
