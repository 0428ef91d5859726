// SPDX-License-Identifier: Apache-2.0
// Random accesses to every register of a VF, hundreds of times from the same state: a snapshot is taken once and put
// back before each round. The digest says whether a round can be repeated bit for bit.
import { createNic, enumerate } from '../src/index.ts';

const ROUNDS = 500;
const ACCESSES = 50;
const nic = createNic({ mode: 'functional', totalVfs: 1, windowBytes: 4096 });
enumerate(nic);
nic.configWrite(0, 0x140 + 0x10, 2, 1); // SR-IOV: NumVFs
nic.configWrite(0, 0x140 + 0x08, 2, 9); // VF Enable, VF MSE
const before = nic.snapshot();

/** xorshift32: the same numbers for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function round(seed: number): string {
  const next = random(seed);
  nic.restore(before);
  for (let i = 0; i < ACCESSES; i++) {
    const size = 1 << next(3);
    const offset = next(4) === 0 ? next(0x4000) & -size : next(0x40) & -size;
    const value = next(0x10000) * 0x10000 + next(0x10000);
    const place = next(4);
    if (place === 0) nic.configWrite(1, next(0x200) & -size, size, value);
    else if (place === 1) nic.read(1, 2, offset, size);
    else nic.write(1, 2, offset, size, value);
  }
  nic.advance(nic.now() + 1000);
  return nic.digest();
}

const states = new Set<string>();
for (let seed = 1; seed <= ROUNDS; seed++) states.add(round(seed));
console.log(`${ROUNDS} rounds of ${ACCESSES} accesses end in ${states.size} different states`);
console.log(`round 7 again: ${round(7) === round(7) ? 'the same digest' : 'ANOTHER digest'}`);
nic.restore(before);
console.log(`restored: device_status 0x${nic.read(1, 2, 0x14, 1).toString(16)}, ${nic.read(1, 2, 0x12, 2)} queues`);
