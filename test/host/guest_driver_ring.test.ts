// SPDX-License-Identifier: Apache-2.0
// What a driver asks of a ring, whatever its format: the same of a split ring and of one that only tests know; and which
// ring a queue gets.
import { describe, expect, it } from 'vitest';

import type { DriverRing } from '../../src/guest/driver_ring.ts';
import { makeRing, RingSet, type RingFactory, type RingRequest } from '../../src/guest/ring_formats.ts';
import { PlainMemory } from '../support/plain_memory.ts';
import { makePlainRing } from '../support/plain_ring.ts';
import { PlainRingDevice, type Buffer } from '../support/plain_ring_device.ts';
import { RingDevice, type RingPlace } from '../support/ring_device.ts';

const INDIRECT_DESC = 28;
const EVENT_IDX = 29;
const CODE = (code: string) => expect.objectContaining({ code });

/** The device's side of a ring. */
interface Device {
  take(): Buffer | null;
  complete(id: number, length: number): void;
}

class SplitDevice implements Device {
  private readonly ring: RingDevice;

  constructor(memory: PlainMemory, place: RingPlace) {
    this.ring = new RingDevice(memory, place);
  }

  take(): Buffer | null {
    const chain = this.ring.take();
    return chain === null ? null : { id: chain.head, segments: chain.segments };
  }

  complete(id: number, length: number): void {
    this.ring.complete(id, length);
  }
}

function request(more: Partial<RingRequest> = {}): RingRequest {
  return { queue: 1, size: 8, layout: 'modern', features: [], indirectEntries: 0, checksUsedLength: true, ...more };
}

const FORMATS: readonly {
  readonly format: string;
  readonly make: RingFactory;
  readonly deviceOf: (memory: PlainMemory, ring: DriverRing) => Device;
}[] = [
  { format: 'split', make: makeRing, deviceOf: (memory, ring) => new SplitDevice(memory, ring) },
  { format: 'plain', make: makePlainRing, deviceOf: (memory, ring) => new PlainRingDevice(memory, ring) },
];

describe.each(FORMATS)('a $format ring', ({ make, deviceOf }) => {
  function setup(more: Partial<RingRequest> = {}) {
    const memory = new PlainMemory();
    const ring = make(memory, request(more));
    return { memory, ring, device: deviceOf(memory, ring) };
  }

  it('says what it is, and has its room', () => {
    const { ring } = setup({ queue: 7, size: 16 });

    expect([ring.queue, ring.size, ring.freeCount, ring.inFlight]).toEqual([7, 16, 16, 0]);
  });

  it('has areas where the device may have them: on 16, 2 and 4', () => {
    const { ring } = setup();

    expect([ring.descriptorIova % 16, ring.driverIova % 2, ring.deviceIova % 4]).toEqual([0, 0, 0]);
  });

  it('shows a buffer with publish(), in its order and with its directions, under the id that was said before', () => {
    const { ring, device } = setup();
    const next = ring.nextId;
    ring.push(0x12_0000_1000, 24, false);
    ring.push(0x2000, 8, true);
    ring.push(0x3000, 1, true);

    const id = ring.commit();
    const before = device.take();
    const wants = ring.publish();

    expect([id, before, wants]).toEqual([next, null, true]);
    expect(device.take()).toEqual({
      id,
      segments: [
        { iova: 0x12_0000_1000, length: 24, isWritable: false },
        { iova: 0x2000, length: 8, isWritable: true },
        { iova: 0x3000, length: 1, isWritable: true },
      ],
    });
    expect([ring.freeCount, ring.inFlight]).toEqual([5, 1]);
  });

  it('returns what the device returns, in that order, with lengths, and has the room again', () => {
    const { ring, device } = setup();
    const ids = [1, 2, 3].map((parts) => {
      for (let i = 0; i < parts; i++) ring.push(0x1000 * i, 16, true);
      return ring.commit();
    });
    ring.publish();
    const taken = [device.take()?.id, device.take()?.id, device.take()?.id];
    for (const [i, length] of [
      [2, 48],
      [0, 0],
      [1, 7],
    ]) {
      device.complete(ids[i!]!, length!);
    }

    const hasUsed = ring.hasUsed();
    const returned = [1, 2, 3].map(() => [ring.takeUsed(), ring.usedLength]);

    expect(taken).toEqual(ids);
    expect(hasUsed).toBe(true);
    expect(returned).toEqual([
      [ids[2], 48],
      [ids[0], 0],
      [ids[1], 7],
    ]);
    expect([ring.takeUsed(), ring.hasUsed(), ring.freeCount, ring.inFlight]).toEqual([-1, false, 8, 0]);
  });

  it('goes on through 65536, with every id below its size and none twice', () => {
    const { ring, device } = setup();
    const unlike: unknown[] = [];
    for (let round = 0; round < 16_400; round++) {
      const ids = [round % 3, 0, (round + 1) % 2].map((more) => {
        for (let i = 0; i <= more; i++) ring.push(round, 4, true);
        return ring.commit();
      });
      ring.publish();
      const taken = ids.map(() => device.take()!);
      for (const { id } of taken.toReversed()) device.complete(id, 4);
      const back = ids.map(() => ring.takeUsed());
      const isRight =
        new Set(ids).size === 3 && ids.every((id, i) => id >= 0 && id < 8 && id === taken[i]!.id && id === back[2 - i]);
      if (!isRight) unlike.push([ids, taken, back]);
    }

    expect(unlike).toEqual([]);
    expect([ring.takeUsed(), ring.freeCount]).toEqual([-1, 8]);
  });

  it('refuses what it has no room for, and drops it', () => {
    const { ring, device } = setup({ size: 4 });
    const add = (parts: number): number => {
      for (let i = 0; i < parts; i++) ring.push(0x1000, 1, false);
      return ring.commit();
    };

    const isAdded = [3, 2, 1, 1].map((parts) => add(parts) >= 0);
    ring.publish();

    expect(isAdded).toEqual([true, false, true, false]);
    expect([device.take()?.segments.length, device.take()?.segments.length, device.take()]).toEqual([3, 1, null]);
  });

  it('takes no buffer that is empty, too long or in the wrong order', () => {
    const { ring } = setup({ size: 2 });
    const empty = () => ring.commit();
    const wrong = () => {
      ring.push(0x1000, 1, true);
      ring.push(0x2000, 1, false);
    };
    const long = () => {
      for (let i = 0; i < 3; i++) ring.push(0x1000, 1, true);
    };

    for (const mistake of [empty, wrong, long]) expect(mistake).toThrow(CODE('RING_CHAIN'));
  });

  it('posts the fixed buffer of each id with the length of the moment', () => {
    const { ring, device } = setup({ size: 2 });
    for (const id of [0, 1]) ring.fix(id, 0x12_0000_0000 + 0x1000 * id, 100, false);

    const ids = [60, 61, 62].map((length) => ring.addFixed(length));
    ring.publish();

    const shown = (id: number, length: number) => ({
      id,
      segments: [{ iova: 0x12_0000_0000 + 0x1000 * id, length, isWritable: false }],
    });
    expect(ids.toSorted()).toEqual([-1, 0, 1]);
    expect([device.take(), device.take()]).toEqual([shown(ids[0]!, 60), shown(ids[1]!, 61)]);
  });

  it('keeps fixed pairs under even ids, in any order of their return', () => {
    const { ring, device } = setup();
    for (let id = 0; id < 8; id += 2) ring.fixPair(id, 0x1000 + id, 10, 0x2000 + id, 100, true);
    const orders = [
      [0, 1, 2, 3],
      [3, 1, 0, 2],
      [2, 3, 1, 0],
    ];

    for (const order of orders) {
      const ids = [60, 61, 62, 63].map((length) => ring.addFixedPair(length));
      const isFull = ring.addFixedPair(64) === -1;
      ring.publish();
      const buffers = ids.map(() => device.take()!);

      expect([ids.toSorted(), isFull]).toEqual([[0, 2, 4, 6], true]);
      buffers.forEach(({ id, segments }, i) => {
        expect(segments).toEqual([
          { iova: 0x1000 + id, length: 10, isWritable: true },
          { iova: 0x2000 + id, length: 60 + i, isWritable: true },
        ]);
      });
      for (const i of order) device.complete(ids[i]!, 0);
      expect(order.map(() => ring.takeUsed())).toEqual(order.map((i) => ids[i]));
    }
  });

  it.each([{ features: [] }, { features: [INDIRECT_DESC] }])(
    'makes a table available as often as wanted, features $features',
    ({ features }) => {
      const { memory, ring, device } = setup({ features });
      const table = memory.alloc(32, 16);
      ring.writeTableEntry(table, 0, 0x12_0000_1000, 24, false, false);
      ring.writeTableEntry(table, 1, 0x2000, 8, true, true);
      const segments = [
        { iova: 0x12_0000_1000, length: 24, isWritable: false },
        { iova: 0x2000, length: 8, isWritable: true },
      ];

      const ids = [ring.addTable(table, 2, 8), ring.addTable(table, 2, 8)];
      ring.publish();

      expect([device.take(), device.take()]).toEqual(ids.map((id) => ({ id, segments })));
      device.complete(ids[0]!, 9);
      expect(() => ring.takeUsed()).toThrow(CODE('DEVICE_USED_LENGTH'));
    },
  );

  it('stays broken after a used id that names nothing in flight, until it is cleared', () => {
    const { ring, device } = setup();
    ring.push(0x1000, 4, true);
    const id = ring.commit();
    ring.publish();
    device.complete((id + 1) % 8, 0);

    for (let tries = 0; tries < 2; tries++) expect(() => ring.takeUsed()).toThrow(CODE('DEVICE_USED_ID'));
    ring.push(0x1000, 4, true);
    const whileBroken = ring.commit();
    ring.clear();
    ring.push(0x1000, 4, true);

    expect(whileBroken).toBe(-1);
    expect(ring.commit()).toBeGreaterThanOrEqual(0);
    expect([ring.takeUsed(), ring.freeCount, ring.inFlight]).toEqual([-1, 7, 1]);
  });

  it('leaves lengths unchecked where the driver says so', () => {
    const { ring, device } = setup({ checksUsedLength: false });
    ring.push(0x1000, 4, true);
    const id = ring.commit();
    ring.publish();

    device.complete(id, 9999);

    expect([ring.takeUsed(), ring.usedLength]).toEqual([id, 9999]);
  });

  it('tells of used buffers that came while interrupts were off', () => {
    const { ring, device } = setup();
    ring.push(0x1000, 4, true);
    const id = ring.commit();
    ring.publish();
    ring.disableInterrupts();
    const before = ring.enableInterrupts();
    ring.disableInterrupts();

    device.complete(id, 0);

    expect([before, ring.enableInterrupts()]).toEqual([false, true]);
  });

  it('wants a notification at rest, and none with nothing new', () => {
    const { ring } = setup();

    expect([ring.wantsNotification(), ring.publish()]).toEqual([true, false]);
  });
});

describe('which ring a queue gets', () => {
  const made = (features: readonly number[]) => {
    const memory = new PlainMemory();
    const ring = makeRing(memory, request({ features, indirectEntries: 4 }));
    return { ring, device: new RingDevice(memory, ring) };
  };
  const addTwo = (ring: DriverRing): void => {
    for (const iova of [0x1000, 0x2000]) ring.push(iova, 4, true);
    ring.commit();
    ring.publish();
  };

  it('indirect tables and the event index are used where they were negotiated', () => {
    const isIndirect = [[], [INDIRECT_DESC], [EVENT_IDX]].map((features) => {
      const { ring, device } = made(features);
      addTwo(ring);
      return device.take()?.isIndirect;
    });
    const usedEvents = [[], [EVENT_IDX]].map((features) => {
      const { ring, device } = made(features);
      addTwo(ring);
      device.complete(0, 0);
      ring.takeUsed();
      return device.usedEvent;
    });

    expect(isIndirect).toEqual([false, true, false]);
    expect(usedEvents).toEqual([0, 1]);
  });

  it('a queue keeps its ring, cleared, while the same is asked for', () => {
    const memory = new PlainMemory();
    const asked: RingRequest[] = [];
    const rings = new RingSet((where, wanted) => {
      asked.push(wanted);
      return makePlainRing(where, wanted);
    });
    const requests = [
      request(),
      request(),
      request({ size: 4 }),
      request({ size: 4, features: [EVENT_IDX] }),
      request({ size: 4, features: [INDIRECT_DESC] }),
      request({ size: 4, features: [INDIRECT_DESC], indirectEntries: 3 }),
      request({ size: 4, features: [INDIRECT_DESC], indirectEntries: 3 }),
      request({ queue: 2 }),
    ];

    const got = requests.map((one) => {
      const ring = rings.ring(memory, one);
      addTwo(ring);
      return ring;
    });

    expect(got.map((ring, i) => got.indexOf(ring) === i)).toEqual([true, false, true, true, true, true, false, true]);
    expect(asked).toEqual(requests.filter((_, i) => i !== 1 && i !== 6));
    expect(got.map((ring) => ring.inFlight)).toEqual(got.map(() => 1));
  });
});
