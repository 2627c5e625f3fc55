// Finds the name that someone meant who mistyped it.

/** The known name that is nearest to the given one, or undefined where none is near. */
export function nearestName(given: string, known: readonly string[]): string | undefined {
  // A name that long was not mistyped, and the comparison is quadratic.
  if (given.length > 64) return undefined;
  let nearest: string | undefined;
  let editsMin = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of known) {
    const edits = editsBetween(given.toLowerCase(), name.toLowerCase());
    // Where every letter is replaced, nothing is left that is near.
    if (edits < editsMin && edits < name.length) {
      nearest = name;
      editsMin = edits;
    }
  }
  return nearest;
}

/** How many letters must be put in, taken out, replaced or swapped with the next to make one into the other. */
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
