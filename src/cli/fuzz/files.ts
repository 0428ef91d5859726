// SPDX-License-Identifier: Apache-2.0
// Files of the fuzzer: the corpus as one file for each input, findings as a reproducer that `virtfn fuzz --replay` reads and
// a test that can be put into a suite as it is.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { createFuzzTarget, type Finding, FUZZ_TARGETS } from '../../fuzz/index.ts';
import { UsageError } from '../../util/errors.ts';
import { unknownName } from '../../util/names.ts';
import { isSchema } from '../../util/schema.ts';
import { withFile } from '../../files/errors.ts';
import { readInput, readJsonFile } from '../../files/read.ts';
import { writeFile } from '../../files/output_file.ts';
import { jsonText } from '../kit/output.ts';

/** Schema of a reproducer. */
export const INPUT_SCHEMA = 'virtfn.fuzz-input/1';

const MEMBERS: readonly string[] = ['schema', 'target', 'oracle', 'message', 'input', 'steps'];

/** An input that broke a rule, as a file. */
export interface Reproducer {
  readonly schema: typeof INPUT_SCHEMA;
  readonly target: string;
  readonly oracle: string;
  readonly message: string;
  /** The input, as hexadecimal digits. */
  readonly input: string;
  /** What it does, for people. */
  readonly steps: readonly string[];
}

function nameOf(input: Uint8Array): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}

/** Inputs of a target in the corpus folder; none where there is no such folder. */
export function readCorpus(folder: string, target: string): Uint8Array[] {
  const place = join(folder, target);
  if (!existsSync(place)) return [];
  return withFile(place, () => readdirSync(place))
    .filter((name) => name.endsWith('.bin'))
    .sort()
    .map((name) => new Uint8Array(readInput(join(place, name))));
}

/** Adds inputs to the corpus folder; how many were new. */
export function writeCorpus(folder: string, target: string, inputs: readonly Uint8Array[]): number {
  const place = join(folder, target);
  withFile(place, () => mkdirSync(place, { recursive: true }));
  let count = 0;
  for (const input of inputs) {
    const path = join(place, `${nameOf(input)}.bin`);
    if (existsSync(path)) continue;
    writeFile(path, [input]);
    count++;
  }
  return count;
}

/** Writes reproducer and test of a finding; their paths. */
export function writeFinding(folder: string, finding: Finding): string[] {
  const { target, oracle, message, input } = finding;
  const stem = join(folder, 'findings', `${target}-${oracle}-${nameOf(input)}`);
  const subject = createFuzzTarget(target);
  const steps = subject.describe(input);
  subject.release?.();
  const hex = Buffer.from(input).toString('hex');
  const reproducer: Reproducer = { schema: INPUT_SCHEMA, target, oracle, message, input: hex, steps };
  const paths = [`${stem}.json`, `${stem}.test.ts`];
  writeFile(paths[0]!, [`${jsonText(reproducer)}\n`]);
  writeFile(paths[1]!, [testText(reproducer)]);
  return paths;
}

function testText({ target, oracle, message, input, steps }: Reproducer): string {
  return `// ${oracle}: ${message}
${steps.map((step) => `//   ${step}`).join('\n')}
import { expect, it } from 'vitest';

import { createFuzzTarget } from 'virtfn/fuzz';

it(${JSON.stringify(`${oracle}: ${message}`)}, () => {
  const target = createFuzzTarget('${target}');

  expect(target.check(Buffer.from('${input}', 'hex'))).toBeNull();
});
`;
}

/** Reads a reproducer. Throws UsageError that names every problem of the file. */
export function readReproducer(path: string): Reproducer {
  const value: Partial<Record<keyof Reproducer, unknown>> = readJsonFile(path);
  const problems = Object.keys(value)
    .filter((name) => !MEMBERS.includes(name))
    .map((name) => `/${name}: ${unknownName('member', name, MEMBERS)}`);
  const shown = (member: unknown): string => JSON.stringify(member) ?? 'missing';
  if (!isSchema(value.schema, INPUT_SCHEMA)) problems.push(`schema is ${shown(value.schema)}, ${INPUT_SCHEMA} is read`);
  if (!FUZZ_TARGETS.includes(value.target as string)) {
    problems.push(`target is ${shown(value.target)}, none of ${FUZZ_TARGETS.join(', ')}`);
  }
  if (typeof value.input !== 'string' || !/^([0-9a-f]{2})*$/i.test(value.input)) {
    problems.push('input is no text of hexadecimal digits');
  }
  if (problems.length > 0) throw new UsageError(`${path}: ${problems.join('; ')}`);
  return { ...(value as Reproducer), schema: INPUT_SCHEMA };
}
