// SPDX-License-Identifier: Apache-2.0
// Files of JSON that people write: what is wrong is said with its place, by one reader for all of them. Texts that are good
// are compared with what JSON.parse() makes of them.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { standardOutput } from '../../src/cli/kit/output.ts';
import { runProgram } from '../../src/cli/program.ts';
import { parseJson } from '../../src/util/json.ts';
import { nearestName } from '../../src/util/names.ts';

describe('a text of JSON', () => {
  it('that is good means what JSON.parse() says', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 2, '\t'), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), null, indent);
        fc.pre(!text.includes('__proto__'));
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('that JSON.parse() refuses is refused, wherever it is spoilt', () => {
    const good = '{"a": [1, -2.5e3, "x\\n\\u00e9", true, null], "b": {"c": false}}';
    const letters = [...'{}[]",:\\0eE-+. \n/x'];
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.constantFrom(...letters, ''), (at, letter) => {
        const text = good.slice(0, at) + letter + good.slice(at + 1);
        let isGood = true;
        try {
          JSON.parse(text);
        } catch {
          isGood = false;
        }
        if (isGood) expect(() => parseJson(text)).not.toThrow();
        else expect(() => parseJson(text)).toThrow(/^line \d+, column \d+: /);
      }),
      { numRuns: 500 },
    );
  });

  it('may be as long as an input of the fuzzer', () => {
    const text = JSON.stringify({ input: 'ab'.repeat(1 << 20) });

    expect(parseJson(text)).toEqual(JSON.parse(text));
  });
});

/** Contents that are wrong whatever the file is for, and what has to be said. */
const WRONG: readonly (readonly [what: string, content: string | Uint8Array, message: string])[] = [
  ['nothing', '', 'it is empty; a JSON object is needed'],
  ['spaces', ' \n', 'it is empty; a JSON object is needed'],
  ['a byte order mark', '\ufeff{}', 'it begins with a byte order mark; save it as UTF-8 without one'],
  ['UTF-16', Buffer.from('\ufeff{}', 'utf16le'), 'this is UTF-16; save it as UTF-8'],
  ['UTF-16 without its mark', Buffer.from('{"a":1}', 'utf16le'), 'this is UTF-16; save it as UTF-8'],
  ['Latin-1', Buffer.from('{\n"a": "\xe9"}', 'latin1'), 'line 2: this is not UTF-8; save the file as UTF-8'],
  ['a list', '[]', 'object'],
  ['null', 'null', 'object'],
  ['a member twice', '{\n"vfs": 1,\n"vfs": 2}', '/vfs: given twice, in line 2 and in line 3; give it once'],
  ['a member of a member twice', '{"a": {"b": 1, "b": 1}}', '/a/b: given twice, in line 1 and in line 1'],
  ['__proto__', '{"__proto__": {"vfs": 2}}', '/__proto__: no member may have this name'],
  ['constructor', '{"constructor": 1}', 'constructor'],
  ['a number beyond all', '{"vfs": 1e999}', '/vfs: 1e999: larger than a number can be'],
  ['NaN', '{"vfs": NaN}', 'line 1, column 9: NaN is no value of JSON'],
  ['a comma too many', '{"vfs": 1,\n}', 'line 2, column 1: JSON has no comma before }'],
  [
    'a comment',
    '{\n  // VFs\n"vfs": 1}',
    'line 2, column 3: a name in double quotes is needed, there is /; JSON has no com',
  ],
  ['single quotes', "{'vfs': 1}", "line 1, column 2: a name in double quotes is needed, there is '"],
  ['a second value', '{} {}', 'line 1, column 4: the end of the file is needed, there is {'],
  ['a line feed in a text', '{"a": "b\nc"}', 'line 1, column 9: a double quote at the end of the text is needed'],
  ['too many brackets', '['.repeat(100_000), 'line 1, column 65: more than 64 brackets inside each other'],
];

describe('a file', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  /** The program in this process: exit code and what it printed. */
  const run = async (...args: readonly string[]): Promise<{ code: number; text: string }> => {
    const lines: unknown[] = [];
    const keep = (line: unknown): boolean => lines.push(line) > 0;
    const spies = [
      vi.spyOn(standardOutput, 'write').mockImplementation(keep),
      vi.spyOn(process.stderr, 'write').mockImplementation(keep),
    ];
    const code = await runProgram(args);
    for (const spy of spies) spy.mockRestore();
    return { code, text: lines.join('') };
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'virtfn-json-'));
    mkdirSync(at('folder.json'));
    writeFileSync(at('plan.json'), '{}');
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const READERS: readonly (readonly [kind: string, args: (file: string) => string[]])[] = [
    ['card', (file) => ['provision', 'list', '--card', file]],
    ['plan', (file) => ['provision', 'validate', file, '--card', at('none')]],
    ['profile', (file) => ['bench', 'pcie', '--profile', file]],
    ['settings', (file) => ['serve', '--config', file]],
    ['reproducer', (file) => ['fuzz', '--replay', file]],
  ];

  it.each(READERS)('that is a %s is refused with one message for each mistake', async (_kind, args) => {
    for (const [what, content, message] of WRONG) {
      writeFileSync(at('bad.json'), content);

      const { code, text } = await run(...args(at('bad.json')));

      expect({ what, code }).toEqual({ what, code: 2 });
      expect(text).toContain(at('bad.json'));
      expect(text).toContain(message);
      expect(text).not.toMatch(/internal|\[object|undefined:/);
    }
  });

  it.each(READERS)('that is a %s is refused where it is a folder', async (_kind, args) => {
    const { code, text } = await run(...args(at('folder.json')));

    expect(code).toBe(2);
    expect(text).toContain(`${at('folder.json')}: this is a folder; name a file`);
  });

  it.each(READERS.filter(([kind]) => kind !== 'card'))(
    'that is a %s and is not there is named',
    async (_kind, args) => {
      const { code, text } = await run(...args(at('missing.json')));

      expect(code).toBe(2);
      expect(text).toContain(`${at('missing.json')}: no such file or folder`);
    },
  );

  it('stays as it is where a card is wrong', async () => {
    writeFileSync(at('card.json'), '{"schema": "virtfn.card/1", "card": {}, "numVfs": 1, "numVfs": 2}');
    const before = readFileSync(at('card.json'), 'utf8');

    expect((await run('provision', 'modify', '--num-vfs', '3', '--card', at('card.json'))).code).toBe(2);
    expect((await run('provision', 'apply', at('plan.json'), '--card', at('card.json'))).code).toBe(2);
    expect(readFileSync(at('card.json'), 'utf8')).toBe(before);
  });
});

describe('a mistyped name', () => {
  it.each([
    ['totalVFs', 'totalVfs'],
    ['total-vfs', 'totalVfs'],
    ['queuPairs', 'queuePairs'],
    ['mtu_bytes', null],
    ['x', null],
  ])('%s is taken for %s', (name, meant) => {
    expect(nearestName(name, ['totalVfs', 'queuePairs', 'mtu'])).toBe(meant);
  });
});
