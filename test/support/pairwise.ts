// SPDX-License-Identifier: Apache-2.0
// Combinations of options in which every value of one meets every value of every other at least once, in far fewer than
// the product: each combination is filled up with what covers most of the pairs that are still missing.

/** Values by option. */
export type Corners = Readonly<Record<string, readonly unknown[]>>;

/** One combination. */
export type Combination = Record<string, unknown>;

export function pairwise(corners: Corners): Combination[] {
  const names = Object.keys(corners);
  const missing = new Set<string>();
  const pair = (a: number, i: number, b: number, j: number): string =>
    a < b ? `${a}.${i} ${b}.${j}` : `${b}.${j} ${a}.${i}`;
  names.forEach((one, a) =>
    names.forEach((other, b) => {
      if (a >= b) return;
      corners[one]!.forEach((_, i) => corners[other]!.forEach((_value, j) => missing.add(pair(a, i, b, j))));
    }),
  );
  const combinations: Combination[] = [];
  for (const first of missing) {
    const chosen = new Map(first.split(' ').map((place) => place.split('.').map(Number) as [number, number]));
    names.forEach((name, a) => {
      if (chosen.has(a)) return;
      const gain = (i: number): number => [...chosen].filter(([b, j]) => missing.has(pair(a, i, b, j))).length;
      // on a tie another value each time, so that no option stays at its first
      const start = combinations.length % corners[name]!.length;
      let best = start;
      for (let i = 0; i < corners[name]!.length; i++) if (gain(i) > gain(best)) best = i;
      chosen.set(a, best);
    });
    for (const [a, i] of chosen) for (const [b, j] of chosen) if (a < b) missing.delete(pair(a, i, b, j));
    combinations.push(Object.fromEntries(names.map((name, a) => [name, corners[name]![chosen.get(a)!]])));
  }
  return combinations;
}
