// SPDX-License-Identifier: Apache-2.0
// A card whose memory is outside: its requests are outputs in the cycle in which they are at the root complex, and a read
// goes on when it is answered. A cycle is 4 ns; a TLP of 24 bytes takes 24 x 65/2048 = 0.76 cycles of the wire, seen after 1;
// each direction is 26 cycles long. A doorbell alone on the link takes effect after 94 cycles (test/timing/mmio.test.ts), its
// queue is visited 6 later; a read is set up in 13.
import { describe, expect, it } from 'vitest';

import { createNic } from '../../src/device/nic.ts';
import { STRANGER, frame, macOf } from '../conformance/ring/support/frames.ts';
import { OutsideFunction, HEADER } from './support/outside_function.ts';
import { startWrites, WRITES_AT } from './support/outside_writes.ts';

const VISITED = 94 + 6;
/** Set up, 24 bytes on the wire, the way up. */
const TO_ROOT_COMPLEX = 13 + 1 + 26;
/** 20 + 4 bytes on the wire, the way down. */
const BACK = 1 + 26;

function started(config: ConstructorParameters<typeof OutsideFunction>[0] = {}): OutsideFunction {
  const pf = new OutsideFunction(config);
  pf.start();
  return pf;
}

const FRAME = frame(STRANGER, macOf(0), 60);

describe('a read of memory outside', () => {
  it('is an output when it arrives at the root complex, with all that a translation needs', () => {
    const pf = started();
    const start = pf.send(FRAME);

    const read = pf.nextRead();

    expect(read).toEqual({
      fn: 0,
      requesterId: 0x0100,
      pasid: null,
      tag: 0,
      address: pf.memory.iova(pf.ring.avail),
      length: 4, // flags and index
      timeCycles: start + VISITED + TO_ROOT_COMPLEX,
    });
  });

  it.each([0, 70, 71, 12_345])('goes on when it is answered, here after %i cycles', (latency) => {
    const pf = started();
    const start = pf.send(FRAME);
    const first = pf.nextRead();
    pf.nic.advance(first.timeCycles + latency);
    pf.answer(first);

    const second = pf.nextRead();

    expect(second.address).toBe(pf.memory.iova(pf.ring.avail) + 4); // the first ring entry
    // 100 + 40, the latency, 27 back, 40 for the next: with 70 cycles the ring entry of docs/timing_model.md's example
    expect(second.timeCycles - start).toBe(VISITED + TO_ROOT_COMPLEX + latency + BACK + TO_ROOT_COMPLEX);
  });

  it('has a tag of its own while it is owed, and may be answered in any order', () => {
    const pf = started({ profile: { 'link.mrrs_bytes': 128 } });
    const long = frame(STRANGER, macOf(0), 500);
    pf.send(long);
    for (let reads = 0; reads < 3; reads++) pf.answer(pf.nextRead()); // index, ring entry, descriptors
    pf.nic.advance(pf.nic.now() + 1000);
    const data = pf.reads.splice(0);

    expect(data.map(({ length }) => length)).toEqual([128, 128, 128, 128]); // 512 bytes in requests of 128
    expect(new Set(data.map(({ tag }) => tag)).size).toBe(4);
    for (const read of data.toReversed()) pf.answer(read);
    pf.settle();
    expect(pf.frames.map(({ bytes }) => bytes)).toEqual([long]);
  });

  it('is answered once, by its tag, with all of its bytes', () => {
    const pf = started();
    pf.send(FRAME);
    const read = pf.nextRead();
    const { nic } = pf;

    for (const tag of [1, 4095]) expect(() => nic.failDmaRead(tag, 'unsupported')).toThrow(code('TAG'));
    for (const tag of [-1, 4096, 0.5]) expect(() => nic.answerDmaRead(tag, pf.memory.u8)).toThrow(code('TAG'));
    expect(() => nic.answerDmaRead(read.tag, new Uint8Array(3))).toThrow(code('LENGTH'));
    expect(() => nic.answerDmaRead(read.tag, new Uint8Array(8), 5)).toThrow(code('LENGTH'));
    expect(() => nic.failDmaRead(read.tag, 'late' as 'lost')).toThrow(code('READ_FAULT'));
    pf.answer(read);
    expect(() => pf.answer(read)).toThrow(code('TAG'));
  });

  it.each([
    ['unsupported', 'completion_unsupported'],
    ['poisoned', 'completion_poisoned'],
  ] as const)('that is answered as %s stops the function', (fault, counter) => {
    const pf = started();
    pf.send(FRAME);
    pf.nic.failDmaRead(pf.nextRead().tag, fault);
    pf.nic.advance(pf.nic.now() + 1000);

    expect(pf.needsReset).toBe(true);
    expect(pf.nic.counters()[counter]).toBe(1);
  });
});

describe('the completion time-out of memory outside', () => {
  // sent when the doorbell's queue was visited and the read set up: cycle 113; 1000 ns are 250 cycles
  const DEADLINE = VISITED + 13 + 250;
  const PROFILE = { 'link.completion_timeout_ns': 1000 };

  it('comes at its deadline, also where nobody answers', () => {
    const pf = started({ profile: PROFILE });
    const start = pf.send(FRAME);

    pf.nic.advance(start + DEADLINE - 1);
    expect(pf.nic.counters()['completion_timeouts']).toBe(0);
    pf.nic.advance(start + DEADLINE);
    expect(pf.nic.counters()['completion_timeouts']).toBe(1);
    expect(pf.needsReset).toBe(true);
  });

  it('comes likewise where the answer is lost', () => {
    const pf = started({ profile: PROFILE });
    const start = pf.send(FRAME);
    pf.nic.failDmaRead(pf.nextRead().tag, 'lost');

    pf.nic.advance(start + DEADLINE - 1);
    expect(pf.nic.counters()['completion_timeouts']).toBe(0);
    pf.nic.advance(start + DEADLINE);
    expect(pf.nic.counters()['completion_timeouts']).toBe(1);
  });

  it('leaves the tag to the answer that comes late', () => {
    const pf = started({ profile: PROFILE });
    pf.send(FRAME);
    const read = pf.nextRead();
    pf.nic.advance(pf.nic.now() + 1000);
    const before = pf.nic.counters();
    pf.answer(read);
    pf.nic.advance(pf.nic.now() + 1000);

    expect(pf.nic.counters()['completions_dropped']! - before['completions_dropped']!).toBe(1);
    expect(pf.nic.counters()['completion_timeouts']).toBe(1);
    expect(() => pf.answer(read)).toThrow(code('TAG'));
  });

  it('leaves no event behind where everything is answered', () => {
    const pf = started();
    pf.send(FRAME);
    pf.settle();

    expect(pf.nic.nextEventTime()).toBe(Infinity);
    expect(pf.frames).toHaveLength(1);
    pf.nic.runToIdle();
    expect(pf.nic.now()).toBeLessThan(100_000); // and not the 2,500,000 of a time-out
  });

  // Device Control 2 of the PF, at 0x54 + 0x28: bit 4 is Completion Timeout Disable (PCIe 6.0 §7.5.3.16)
  it('begins when Completion Timeout Disable is cleared', () => {
    const pf = started({ profile: PROFILE });
    pf.nic.configWrite(0, 0x7c, 2, 0x10);
    pf.send(FRAME);
    pf.nic.advance(pf.nic.now() + 5000);
    expect(pf.reads).toHaveLength(1);
    expect(pf.nic.counters()['completion_timeouts']).toBe(0);
    pf.nic.configWrite(0, 0x7c, 2, 0);
    pf.nic.advance(pf.nic.now() + 250);

    expect(pf.nic.counters()['completion_timeouts']).toBe(1);
  });
});

describe('the credit of a read of memory outside', () => {
  it('is back when the read is answered, with the next UpdateFC', () => {
    const pf = started({ profile: { 'link.mrrs_bytes': 128, 'credit.host_nph': 1, 'credit.update_ns': 0 } });
    pf.send(frame(STRANGER, macOf(0), 300));
    for (let reads = 0; reads < 3; reads++) {
      pf.nic.advance(pf.nic.now() + 500);
      pf.answer(pf.nextRead());
    }
    const first = pf.nextRead();
    pf.nic.advance(first.timeCycles + 1000);
    expect(pf.reads).toEqual([]); // one credit: the second request waits
    pf.answer(first);
    const answered = pf.nic.now();

    // the credit travels 26 cycles; a request of 24 bytes is 1 cycle on the wire, and travels 26
    expect(pf.nextRead().timeCycles).toBe(answered + 26 + 1 + 26);
  });
});

describe('a write to memory outside', () => {
  it('is an output as well, in order with reads and messages', () => {
    const pf = started();
    pf.send(FRAME);
    pf.settle();

    // index, entry, block of four descriptors, header and frame; used element, used index, MSI-X
    expect(pf.order).toEqual(['read 4', 'read 2', 'read 64', `read ${HEADER + 60}`, 'write 8', 'write 2', 'message']);
    const used = pf.memory.iova(pf.ring.used);
    expect(pf.writes.map(({ address, bytes }) => [address, [...bytes]])).toEqual([
      [used + 4, [0, 0, 0, 0, 0, 0, 0, 0]], // id 0, nothing written
      [used + 2, [1, 0]],
    ]);
    expect(pf.writes.map(({ fn, requesterId, pasid }) => [fn, requesterId, pasid])).toEqual([
      [0, 0x0100, null],
      [0, 0x0100, null],
    ]);
    expect(pf.messages).toMatchObject([{ fn: 0, vector: 1, address: 0xfee00000, data: 1 }]);
    expect(pf.frames.map(({ bytes }) => bytes)).toEqual([FRAME]);
  });

  // used element: 8 + 16 + 8 = 32 bytes, 1.02 cycles; index with its padding 28 bytes, together 1.9; the message, below
  // 4 GiB, 8 + 12 + 4 = 24 bytes, is ready 2 cycles later: each is seen at the end of its cycle, 26 later it is there
  it('and the message behind it arrive without the latencies of a host', () => {
    const pf = started();
    pf.send(FRAME);
    pf.settle();
    const [element, index] = pf.writes;
    const [message] = pf.messages;

    expect(index!.timeCycles).toBe(element!.timeCycles);
    expect(message!.timeCycles - element!.timeCycles).toBe(1);
  });

  // 600 bytes are three TLPs of at most 256, 24 bytes of header each: 672 bytes on the wire, 21.3 cycles, and 26 on the way
  it('is there with its last TLP, in one piece up to the end of its page', () => {
    const pf = new OutsideFunction({ profile: { 'link.dllps': 0 } });
    const { nic } = pf;
    nic.configWrite(0, 0x04, 2, 0x6);
    const start = nic.now();
    // the traffic generator writes as any engine of the card does
    startWrites(nic, { bytes: 600, operations: 4, outstanding: 1 });
    nic.advance(nic.now() + 1000);

    expect(pf.writes[0]).toMatchObject({ address: WRITES_AT, timeCycles: start + 22 + 26 });
    expect(pf.writes[0]!.bytes).toHaveLength(600);
    nic.runToIdle();
    pf.writes.splice(0);
    startWrites(nic, { bytes: 600, operations: 1, outstanding: 1, at: WRITES_AT - 500 });
    nic.runToIdle();
    // the fifth place: 1 KiB is from one to the next
    expect(pf.writes.map(({ address, bytes }) => [address - WRITES_AT, bytes.length])).toEqual([
      [4096 - 500, 500],
      [4096, 100],
    ]);
    expect(pf.writes[0]!.timeCycles).toBe(pf.writes[1]!.timeCycles);
  });

  it('has the same time however far the card runs at once, also where records wait to be taken', () => {
    const run = (step: number): [number, number, number][] => {
      const pf = new OutsideFunction({
        profile: { 'host.write_latency_ns': 4000, 'credit.host_pd': 0, 'credit.host_ph': 0 },
      });
      pf.nic.configWrite(0, 0x04, 2, 0x6);
      startWrites(pf.nic, { bytes: 4096, operations: 200, outstanding: 64 });
      while (pf.nic.nextEventTime() !== Infinity) pf.nic.advance(pf.nic.now() + step, step < 100);
      return pf.writes.map(({ timeCycles, address, bytes }) => [timeCycles, address, bytes.length]);
    };

    const inOne = run(10_000_000);

    expect(inOne.length).toBe(200);
    expect(run(50)).toEqual(inOne);
    expect(run(5000)).toEqual(inOne);
  });
});

describe('a function on demand whose memory is outside', () => {
  it('asks with the requester id of the PF and its PASID, to its last request', () => {
    const pf = new OutsideFunction({ onDemandFunctions: 1 }, 2);
    pf.nic.configWrite(0, 0x04, 2, 0x6);
    pf.nic.createFunction(2, 0xabcde);
    pf.start();
    pf.send(FRAME);
    const read = pf.nextRead();
    expect(read).toMatchObject({ fn: 2, requesterId: 0x0100, pasid: 0xabcde });
    pf.answer(read);
    pf.nic.advance(pf.nic.now() + BACK + 13); // the next one is on its way
    expect(pf.reads).toEqual([]);
    pf.nic.destroyFunction(2);

    expect(pf.reads).toMatchObject([{ fn: 2, pasid: 0xabcde }]);
    pf.answer(pf.reads.shift()!);
    pf.settle();
    expect(pf.order).toEqual(['read 4', 'read 2']);
  });
});

describe('a function level reset while memory outside owes a read', () => {
  it('leaves nothing to it but its tag', () => {
    const pf = started();
    pf.send(FRAME);
    const read = pf.nextRead();
    pf.nic.configWrite(0, 0x5c, 2, 0x8000); // Initiate Function Level Reset
    pf.answer(read);
    pf.settle();

    expect(pf.order).toEqual(['read 4']);
    expect(pf.nic.counters()['completions_dropped']).toBe(1);
  });
});

describe('a snapshot of a card whose memory is outside', () => {
  it('holds the reads that are owed, for who keeps the memory to answer them', () => {
    const pf = started();
    pf.send(FRAME);
    pf.answer(pf.nextRead());
    const owed = pf.nextRead();
    const snapshot = pf.nic.snapshot();
    pf.answer(owed);
    pf.settle();
    const [sent] = pf.frames.splice(0);
    const end = pf.nic.now();
    pf.nic.restore(snapshot);
    pf.answer(owed);
    pf.settle();

    expect(sent!.bytes).toEqual(FRAME);
    expect(pf.frames).toEqual([sent]);
    expect(pf.nic.now()).toBe(end);
  });

  it('fits such a card alone', () => {
    const inside = createNic({ totalVfs: 1, windowBytes: 4096 });

    expect(() => inside.restore(new OutsideFunction().nic.snapshot())).toThrow(code('SNAPSHOT'));
  });
});

describe('the option', () => {
  it.each([
    [{ mode: 'functional' }, /memory = outside: in functional mode there is no time to answer in; inside would do/],
    [{ identityDma: true }, /memory = outside: identityDma maps memory inside; inside would do/],
  ] as const)('is refused with %j', (config, message) => {
    expect(() => createNic({ memory: 'outside', ...config })).toThrow(message);
  });

  it('leaves a card without address spaces', () => {
    const { nic } = new OutsideFunction();

    expect(() => nic.allocateIoas()).toThrow(code('OUTSIDE'));
    expect(() => nic.mapIoas(0, 0, 4096, 0, 3)).toThrow(code('OUTSIDE'));
    expect(() => nic.unmapIoas(0, 0, 4096)).toThrow(code('OUTSIDE'));
    expect(() => nic.attachIoas(0, 0)).toThrow(code('OUTSIDE'));
    nic.attachIoas(0, null); // as it is
  });

  it('is needed for its handlers to be called, and for answers', () => {
    const nic = createNic({ totalVfs: 1 });

    expect(() => nic.answerDmaRead(0, new Uint8Array(4))).toThrow(code('TAG'));
    expect(() => nic.failDmaRead(0, 'lost')).toThrow(code('TAG'));
  });
});

function code(name: string): unknown {
  return expect.objectContaining({ code: name });
}
