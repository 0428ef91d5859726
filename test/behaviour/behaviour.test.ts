// SPDX-License-Identifier: Apache-2.0
// What the card does, as hashes of fixed runs: equal before and after every change that is to change no behaviour. Where
// one is meant to, `npx vitest run test/behaviour -u` writes the new ones, and the diff shows which runs it reached;
// VIRTFN_BEHAVIOUR_LOG=<folder> keeps what each hash is over, so that two versions can be compared line by line.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { PROFILES } from '../../src/device/profiles.ts';
import { CARD_TARGETS } from '../../src/fuzz/card_target.ts';
import { repoPath } from '../support/repo.ts';
import { Recorder } from './support/recorder.ts';
import { allRuns } from './support/runs.ts';

/** A program a line, in hexadecimal. */
const corpora = new Map(
  CARD_TARGETS.map((target) => {
    const text = readFileSync(repoPath(`test/fixtures/behaviour/${target}.txt`), 'utf8');
    return [
      target,
      text
        .trim()
        .split('\n')
        .map((line) => Uint8Array.from(Buffer.from(line, 'hex'))),
    ];
  }),
);
const profiles = PROFILES.map(({ name }) => name);
const runs = allRuns(profiles, corpora);
const folder = process.env['VIRTFN_BEHAVIOUR_LOG'];

it.each([...runs.keys()])('%s', (name) => {
  const recorder = new Recorder();
  runs.get(name)!(recorder);
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/${name.replaceAll(' ', '_')}.txt`, `${recorder.lines.join('\n')}\n`);
  }
  expect(recorder.digest()).toMatchSnapshot();
});
