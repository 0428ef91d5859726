// SPDX-License-Identifier: Apache-2.0
// soak: what `virtfn serve` hangs on is taken away at random for a while; exit code 1 when a function was lost, a server
// ended, or a loss was not counted or not said.
//   npm run soak -- [--seconds 600] [--seed N]
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { soak } from '../test/soak/soak.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/src/cli/virtfn.mjs', import.meta.url));

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
const seconds = Number(values.seconds ?? 600);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
if (!(seconds > 0) || !Number.isInteger(seed)) {
  console.error('soak: --seconds wants a number above 0, --seed a whole number');
  process.exit(2);
}
console.error(`soak: ${seconds} s, --seed ${seed}`);
const end = performance.now() + seconds * 1000;
const summary = await soak({
  program: PROGRAM,
  seed,
  isOver: () => performance.now() > end,
  onFault: (text) => console.error(text),
});
console.log(JSON.stringify(summary, null, 2));
process.exitCode = summary.failures.length === 0 ? 0 : 1;
