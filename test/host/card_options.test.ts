// SPDX-License-Identifier: Apache-2.0
// Options of a card are rows: what a row says is what is checked, what the core is told, and what docs/card_options.md
// has. UPDATE_DOCS=1 writes the document anew.
import { writeFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import * as C from '../../assembly/abi/nic_config.ts';
import { CARD_OPTIONS, resolveConfig } from '../../src/device/config.ts';
import {
  Derived,
  flag,
  oneOf,
  optionTable,
  pages,
  resolveOptions,
  ringSize,
  whole,
  type OptionRows,
} from '../../src/device/option_rows.ts';
import { readRepoFile, repoPath } from '../support/repo.ts';

const FILE = 'docs/card_options.md';
const TEXT = `# Options of a card

Generated from \`src/device/config.ts\`; do not edit. \`UPDATE_DOCS=1 npx vitest run test/host/card_options.test.ts\` writes it anew.

\`createNic({ totalVfs: 4 })\` takes them, and so does \`Machine\`. Beside these, \`profileName\` and \`profile\` choose and change the
[timing profile](timing_model.md). Options that are wrong are all named by one error, each with a value that would do.

${optionTable(CARD_OPTIONS)}
`;

if (process.env['UPDATE_DOCS'] === '1') writeFileSync(repoPath(FILE), TEXT);

describe('docs/card_options.md', () => {
  it('is up to date; UPDATE_DOCS=1 npx vitest run test/host/card_options.test.ts writes it', () => {
    expect(readRepoFile(FILE)).toBe(TEXT);
  });
});

describe('the rows of a card', () => {
  it('fill every word of the configuration, each once', () => {
    const indices = Object.values(C).sort((one, other) => one - other);

    expect([...resolveConfig({}).words.keys()].sort((one, other) => one - other)).toEqual(indices);
  });
});

/** A card of two options, and one more of each kind, each a single row. */
interface Little {
  readonly ports?: number;
  readonly lamps?: number;
}
interface More extends Little {
  readonly colour?: 'green' | 'red';
  readonly isLit?: boolean;
  readonly ring?: number;
  readonly buffer?: number;
}
const LITTLE: OptionRows<Little> = {
  ports: whole(1, 4, { what: 'Ports', byDefault: 2, word: 0 }),
  lamps: whole(0, new Derived('2 for each port', ({ ports }: Required<Little>) => 2 * ports), {
    what: 'Lamps',
    byDefault: new Derived('one for each port', ({ ports }: Required<Little>) => ports),
    word: 1,
  }),
};
const COLOUR: OptionRows<More>['colour'] = oneOf(['green', 'red'], {
  what: 'Colour of the lamps',
  byDefault: 'green',
  wordsOf: (colour) => [[2, colour === 'red' ? 1 : 0]],
});

describe('an option of a card', () => {
  const rows: OptionRows<More> = {
    ...LITTLE,
    colour: COLOUR,
    isLit: flag({ what: 'Light', byDefault: false, word: 3 }),
    ring: ringSize({ what: 'Ring', byDefault: 8, word: 4 }),
    buffer: pages(0, 8192, { what: 'Buffer', byDefault: 0, word: 5 }),
  };

  it('is one row: its default and its word', () => {
    const { values, problems, words } = resolveOptions<More>(rows, {}, { ports: 3, isLit: true });

    expect(problems).toEqual([]);
    expect(values).toEqual({ ports: 3, lamps: 3, colour: 'green', isLit: true, ring: 8, buffer: 0 });
    expect([...words]).toEqual([
      [0, 3],
      [1, 3],
      [2, 0],
      [3, 1],
      [4, 8],
      [5, 0],
    ]);
  });

  it('is one row: its check, with what would do', () => {
    const wrong = { ports: 1, lamps: 3, colour: 'blue', isLit: 1, ring: 12, buffer: 5000 } as unknown as More;

    const { problems, words } = resolveOptions<More>(rows, {}, wrong);

    expect(problems).toEqual([
      { option: 'lamps', message: '3: a whole number from 0 to 2 is needed', remedy: 2 },
      { option: 'colour', message: 'blue: green or red is needed', remedy: 'green' },
      { option: 'isLit', message: '1: true or false is needed', remedy: true },
      { option: 'ring', message: '12: a power of two is needed, say 8', remedy: 8 },
      { option: 'buffer', message: '5000: a multiple of 4096 is needed, say 8192', remedy: 8192 },
    ]);
    expect(words.size).toBe(0);
  });

  it('is one row: its line in the documentation', () => {
    expect(optionTable({ ...LITTLE, colour: COLOUR }).split('\n')).toEqual([
      '| option | what it is | values | default |',
      '|---|---|---|---|',
      '| `ports` | Ports | 1 to 4 | 2 |',
      '| `lamps` | Lamps | 0 to 2 for each port | one for each port |',
      '| `colour` | Colour of the lamps | green, red | green |',
    ]);
  });

  it('is in no rule that is asked while another of its options is wrong', () => {
    const rules = {
      lamps: {
        of: ['ports', 'lamps'] as const,
        problemOf: ({ ports, lamps }: Required<Little>) =>
          lamps % ports === 0 ? null : { option: 'lamps' as const, text: `${ports} would do`, remedy: ports },
      },
    };

    expect(resolveOptions<Little>(LITTLE, rules, { ports: 4, lamps: 6 }).problems).toEqual([
      { option: 'lamps', message: '6: 4 would do', remedy: 4 },
    ]);
    expect(resolveOptions<Little>(LITTLE, rules, { ports: 5, lamps: 6 }).problems).toEqual([
      { option: 'ports', message: '5: a whole number from 1 to 4 is needed', remedy: 4 },
    ]);
  });
});
