// SPDX-License-Identifier: Apache-2.0
// Names that do not exist, which one was meant, and which there are; values as messages show them.

/** Fewer than this are all listed; of more only the nearest is named. */
const LISTED_MAX = 40;
/** Letters of a part of a name that say which name is meant. */
const PART_MIN = 3;

/** What to say about a name that is none of `known`: the one that is nearest, or those that there are. */
export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  if (near !== null) return `no such ${kind}; did you mean ${near}?`;
  return `no such ${kind}${known.length > 0 && known.length < LISTED_MAX ? `; there are ${known.join(', ')}` : ''}`;
}

/**
 * The name that `name` was probably meant to be, null where none is near: a third of its letters may be wrong, or it is a
 * part of one of them alone.
 */
export function nearestName(name: string, known: readonly string[]): string | null {
  const wholes = known.filter((candidate) => plain(name).length >= PART_MIN && plain(candidate).includes(plain(name)));
  if (wholes.length === 1) return wholes[0]!;
  const [nearest] = known
    .map((candidate) => ({ candidate, steps: editDistance(plain(name), plain(candidate)) }))
    .sort((one, other) => one.steps - other.steps);
  return nearest !== undefined && nearest.steps <= Math.floor(plain(name).length / 3) ? nearest.candidate : null;
}

/** A value in a message: text that reads as a number in quotes, a list in brackets. */
export function valueText(value: unknown): string {
  if (typeof value === 'string') return Number.isNaN(Number(value)) ? value : JSON.stringify(value);
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? `[${value.map(valueText).join(', ')}]` : 'an object';
}

/** Without what is written one way here and another there: total-vfs, total_vfs, totalVFs. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

/** Letters to insert, take away or change (Levenshtein). */
function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const change = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}
