// SPDX-License-Identifier: Apache-2.0
// `virtfn start` as README.md shows it: the figures there are those that it prints, no line is wider than a terminal of 80
// columns, and the capture comes out as it went in.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { tableText, wrapped } from '../../src/cli/kit/table.ts';
import { CliProgram, type ProgramRun } from '../support/cli_program.ts';
import { readRepoFile, repoPath } from '../support/repo.ts';

let program: CliProgram;
let run: ProgramRun;

beforeAll(() => {
  program = new CliProgram();
  run = program.run('start');
}, 120_000);
afterAll(() => program.remove());

/** Bytes of the packets of a little-endian pcap file of microseconds: 24 bytes of header, 16 before each packet. */
function packets(file: string): string[] {
  const bytes = readFileSync(file);
  const found: string[] = [];
  for (let at = 24; at < bytes.length;) {
    const length = bytes.readUInt32LE(at + 8);
    found.push(bytes.subarray(at + 16, at + 16 + length).toString('hex'));
    at += 16 + length;
  }
  return found;
}

describe('virtfn start', () => {
  it('prints what README.md shows', () => {
    const [, block] = /prints, among others:\n\n```text\n(.*?)```/s.exec(readRepoFile('README.md'))!;
    const paragraphs = block!.trim().split('\n\n');

    expect(run.code).toBe(0);
    expect(paragraphs).toHaveLength(3);
    for (const paragraph of paragraphs) expect(run.stdout).toContain(paragraph);
  });

  it('fits 80 columns', () => {
    expect(run.stdout.split('\n').filter((line) => [...line].length > 80)).toEqual([]);
  });

  it.each(['legacy', 'modern'])('receives the capture byte for byte by the %s driver', (via) => {
    expect(packets(join(program.folder, `out/replay_${via}.pcap`))).toEqual(
      packets(repoPath('test/fixtures/ping_http.pcap')),
    );
  });
});

const word = fc.stringMatching(/^[a-z0-9]{1,12}$/);
const words = fc.array(word, { minLength: 1, maxLength: 8 }).map((list) => list.join(' '));
const rows = fc.uniqueArray(word, { minLength: 2, maxLength: 14 }).chain((values) =>
  fc.array(
    fc.tuple(words, fc.array(word, { minLength: values.length, maxLength: values.length })).map(([text, cells]) => ({
      'the text': text,
      ...Object.fromEntries(values.map((name, i) => [`a ${name}`, cells[i]!])),
    })),
    { minLength: 1, maxLength: 5 },
  ),
);

describe('a table', () => {
  it('is no wider than asked for, and has every cell', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 45, max: 200 }), (table, width) => {
        const text = tableText(table, 1, width);

        expect(text.split('\n').filter((line) => line.length > width)).toEqual([]);
        for (const row of table) {
          for (const [name, cell] of Object.entries(row)) {
            for (const part of `${name} ${cell}`.split(' ')) expect(text).toContain(part);
          }
        }
      }),
    );
  });
});

describe('a wrapped text', () => {
  it('has the same words, in lines that fit', () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 12, max: 60 }), (text, width) => {
        const lines = wrapped(text, width).split('\n');
        expect(lines.join(' ')).toBe(text);
        expect(lines.every((line) => line.length <= width)).toBe(true);
      }),
    );
  });
});
