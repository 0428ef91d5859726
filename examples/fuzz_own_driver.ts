// SPDX-License-Identifier: Apache-2.0
// A driver of one's own, fuzzed against the card. The input decides what the driver is asked to do and when the card gets
// time; the engine changes inputs, keeps those that bring the card to new places, and makes what it finds small. The
// driver here sends frames and forgets to look whether its ring is full; with the look it holds.
import { FuzzCard, Fuzzer, minimise, type FuzzTarget, type Violation } from '../src/fuzz/index.ts';

const BASE = 0x1_0000_0000; // device address of the driver's memory
const SIZE = 16;
const [DESC, AVAIL, USED, BUFFER] = [0x000, 0x100, 0x200, 0x1000];
const WORDS = ['send', 'doorbell', 'reclaim', 'wait'];

/** Transmits on queue 1 of VF 1; `isCareful`: it never uses a descriptor that the card still has. */
class TinyDriver {
  free = SIZE;
  sent = 0;
  reclaimed = 0;
  private readonly card: FuzzCard;
  private readonly isCareful: boolean;

  constructor(card: FuzzCard, isCareful: boolean) {
    this.card = card;
    this.isCareful = isCareful;
  }

  start(): void {
    const write = (offset: number, size: number, value: number): void => this.card.write(1, 2, offset, size, value);
    for (const status of [0, 1, 3]) write(0x14, 1, status);
    write(0x08, 4, 1);
    write(0x0c, 4, 1); // VERSION_1
    write(0x14, 1, 11);
    write(0x16, 2, 1);
    for (const [at, offset] of [
      [0x20, DESC],
      [0x28, AVAIL],
      [0x30, USED],
    ] as const) {
      write(at, 4, (BASE + offset) >>> 0);
      write(at + 4, 4, Math.floor(BASE / 2 ** 32));
    }
    write(0x1c, 2, 1);
    write(0x14, 1, 15);
  }

  send(): void {
    if (this.isCareful && this.free === 0) return;
    const slot = this.sent % SIZE;
    this.put32(DESC + 16 * slot, BUFFER + 128 * slot);
    this.put32(DESC + 16 * slot + 4, 1);
    this.put32(DESC + 16 * slot + 8, 72);
    this.put32(AVAIL + 4 + 2 * (slot & ~1), (slot | 1) * 0x10000 + (slot & ~1));
    this.put32(AVAIL, ((this.sent + 1) & 0xffff) * 0x10000);
    this.sent++;
    this.free--;
  }

  reclaim(): void {
    const used = this.card.u16[this.card.at(1, USED + 2) >> 1]!;
    this.free += (used - this.reclaimed) & 0xffff;
    this.reclaimed = used;
  }

  private put32(offset: number, value: number): void {
    const at = this.card.at(1, offset);
    this.card.pins.willWrite(at, 4);
    this.card.u32[at >> 2] = value;
  }
}

function target(isCareful: boolean): FuzzTarget {
  const card = new FuzzCard('timed');
  card.configWrite(0, 0x150, 2, 1); // one VF
  card.configWrite(0, 0x148, 2, 9);
  card.configWrite(1, 0x04, 2, 4);
  card.keep();
  const run = (input: Uint8Array): Violation | null => {
    const driver = new TinyDriver(card, isCareful);
    try {
      driver.start();
      for (const byte of input) {
        if (byte % 4 === 0) driver.send();
        else if (byte % 4 === 1) card.write(1, 2, 0x3004, 2, 1);
        else if (byte % 4 === 2) driver.reclaim();
        else card.pins.advance(card.pins.now() + 8 * byte, false);
        if (driver.free < 0) return { oracle: 'driver', message: 'a descriptor was used that the card still has' };
      }
      return null;
    } finally {
      card.reset();
    }
  };
  return {
    name: 'tiny',
    run,
    check: run,
    collectNew: () => card.pins.collect(),
    traceHash: () => '',
    seeds: () => [Uint8Array.of(0, 1, 255, 2)],
    mutate: (input, other, random) => {
      const at = random() % input.length;
      if ((random() & 3) === 0) return Uint8Array.of(...input, ...other).subarray(0, 64);
      const repeated = new Uint8Array(1 + (random() & 31)).fill(random() & 1 ? input[at]! : random() & 0xff);
      return Uint8Array.of(...input.subarray(0, at), ...repeated, ...input.subarray(at + 1)).subarray(0, 64);
    },
    *shrink(input) {
      for (let at = 0; at < input.length; at++) yield input.filter((_, index) => index !== at);
    },
    describe: (input) => [...input].map((byte) => WORDS[byte % 4]!),
  };
}

for (const isCareful of [false, true]) {
  const subject = target(isCareful);
  const fuzzer = new Fuzzer(subject, { seed: 1 });
  while (fuzzer.findings.length === 0 && fuzzer.executions < 5000) fuzzer.step();
  const [found] = fuzzer.findings;
  const verdict = found?.message ?? `nothing in ${fuzzer.executions} runs`;
  console.log(`${isCareful ? 'with the look' : 'as it was'}: ${verdict}`);
  if (found !== undefined) {
    const steps = subject.describe(minimise(subject, found.input, found.oracle));
    console.log(`  ${steps.length} steps: ${steps.filter((step) => step === 'send').length} times send`);
  }
}
