// SPDX-License-Identifier: Apache-2.0
// Information about the device, access to its regions, reset. VF 1 of the card: BAR 2 has the registers, BAR 4 MSI-X.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { COMMAND, EFAULT, EINVAL, ENOTTY, fields, joined, NO_REPLY, type RawClient } from './support/raw_client.ts';
import { Served } from './support/served.ts';

const CONFIG = 7;
const COMMAND_REGISTER = 4;

let served: Served;
let client: RawClient;
beforeEach(async () => {
  served = await Served.start();
  client = served.greeted();
});
afterEach(() => served.close());

const words = ({ payload }: { payload: DataView }): number[] =>
  Array.from({ length: payload.byteLength / 4 }, (_, i) => payload.getUint32(4 * i, true));

/** offset u64, region u32, count u32, data. */
const access = (region: number, offset: number | bigint, count: number, ...data: number[]): Uint8Array =>
  joined(fields([8, offset], [4, region], [4, count]), Uint8Array.from(data));

function read(region: number, offset: number, count: number): number[] {
  const { payload, error } = client.request(COMMAND.REGION_READ, access(region, offset, count));
  expect(error).toBe(0);
  expect(words({ payload: new DataView(payload.buffer, payload.byteOffset, 16) })).toEqual([offset, 0, region, count]);
  return [...new Uint8Array(payload.buffer, payload.byteOffset + 16)];
}

describe('DEVICE_GET_INFO', () => {
  it('shows a PCI device that can be reset, with 9 regions and 5 interrupt indices', () => {
    expect(words(client.request(COMMAND.DEVICE_GET_INFO, fields([4, 16], [12, 0])))).toEqual([16, 3, 9, 5]);
  });

  it.each([
    ['too short', fields([4, 16], [4, 0])],
    ['with argsz too small', fields([4, 15], [12, 0])],
  ])('is refused %s', (_how, payload) => {
    expect(client.request(COMMAND.DEVICE_GET_INFO, payload).error).toBe(EINVAL);
  });
});

describe('DEVICE_GET_REGION_INFO', () => {
  const ask = (index: number, argsz = 32): number[] | number => {
    const reply = client.request(COMMAND.DEVICE_GET_REGION_INFO, fields([4, argsz], [4, 0], [4, index], [20, 0]));
    return reply.error === 0 ? words(reply) : reply.error;
  };

  it('shows configuration space: 4096 bytes, to be read and written', () => {
    expect(ask(CONFIG)).toEqual([32, 3, CONFIG, 0, 4096, 0, 0, 0]);
  });

  it('shows BARs that cannot be mapped', () => {
    const bars = [0, 1, 2, 3, 4, 5].map((index) => ask(index) as number[]);

    expect(bars.map((bar) => bar[1])).toEqual(bars.map((bar) => (bar[4] === 0 ? 0 : 3)));
    expect(bars.filter((bar) => bar[4]! > 0)).toHaveLength(2);
  });

  it('shows no expansion ROM', () => {
    expect(ask(6)).toEqual([32, 0, 6, 0, 0, 0, 0, 0]);
  });

  it.each([
    ['a region that does not exist', 9, 32],
    ['the region of a VGA device', 8, 32],
    ['argsz too small', CONFIG, 31],
  ])('refuses %s', (_what, index, argsz) => {
    expect(ask(index, argsz)).toBe(EINVAL);
  });
});

describe('DEVICE_GET_IRQ_INFO', () => {
  const ask = (index: number): number[] | number => {
    const reply = client.request(COMMAND.DEVICE_GET_IRQ_INFO, fields([4, 16], [4, 0], [4, index], [4, 0]));
    return reply.error === 0 ? words(reply) : reply.error;
  };

  it('shows the vectors of MSI-X, one for each queue and one for the configuration, as a set with eventfds', () => {
    expect(ask(2)).toEqual([16, 9, 2, 4]);
  });

  it('shows no INTx on a VF', () => {
    expect((ask(0) as number[])[3]).toBe(0);
  });

  it('refuses an index that does not exist', () => {
    expect(ask(5)).toBe(EINVAL);
  });
});

describe('DEVICE_GET_REGION_IO_FDS', () => {
  it('shows that no region is served by file descriptors', () => {
    const reply = client.request(COMMAND.DEVICE_GET_REGION_IO_FDS, fields([4, 16], [4, 0], [4, 2], [4, 0]));

    expect(words(reply)).toEqual([16, 0, 2, 0]);
  });

  it('refuses flags', () => {
    const reply = client.request(COMMAND.DEVICE_GET_REGION_IO_FDS, fields([4, 16], [4, 1], [4, 2], [4, 0]));

    expect(reply.error).toBe(EINVAL);
  });
});

describe('REGION_READ', () => {
  it('reads ids of the function', () => {
    expect(read(CONFIG, 0, 4)).toEqual([0xf4, 0x1a, 0x41, 0x10]);
  });

  it('reads all of configuration space at once', () => {
    expect(read(CONFIG, 0, 4096).slice(0, 4)).toEqual([0xf4, 0x1a, 0x41, 0x10]);
  });

  it('reads 8 bytes, and bytes at odd places', () => {
    expect(read(CONFIG, 0, 8).slice(0, 4)).toEqual([0xf4, 0x1a, 0x41, 0x10]);
    expect(read(CONFIG, 1, 2)).toEqual([0x1a, 0x41]);
  });

  it.each([
    ['at an offset of 2^63', access(CONFIG, 1n << 63n, 4)],
    ['of a region that the function does not have', access(0, 0, 4)],
    ['of a region that does not exist', access(12, 0, 4)],
    ['of no bytes', access(CONFIG, 0, 0)],
    ['of more bytes than a message may carry', access(CONFIG, 0, 1048577)],
    ['of 2^32 - 1 bytes', access(CONFIG, 0, 0xffffffff)],
    ['cut off', access(CONFIG, 0, 4).subarray(0, 15)],
  ])('is refused %s', (_how, payload) => {
    expect(client.request(COMMAND.REGION_READ, payload).error).toBe(EINVAL);
  });

  it('past the end of configuration space is EFAULT, for writes too', () => {
    expect(client.request(COMMAND.REGION_READ, access(CONFIG, 4095, 2)).error).toBe(EFAULT);
    expect(client.request(COMMAND.REGION_WRITE, access(CONFIG, 4094, 4, 0, 0, 0, 0)).error).toBe(EFAULT);
  });

  it('across the end of a BAR is short, for writes too', () => {
    const reading = client.request(COMMAND.REGION_READ, access(2, 0x3ffe, 8));
    const writing = client.request(COMMAND.REGION_WRITE, access(2, 0x3ffe, 8, 0, 0, 0, 0, 0, 0, 0, 0));

    const said = [reading, writing].map(({ payload }) => [payload.getUint32(0, true), payload.getUint32(12, true)]);
    expect(said).toEqual([
      [0x3ffe, 2],
      [0x3ffe, 2],
    ]);
    expect(reading.payload.byteLength).toBe(16 + 2);
  });
});

describe('REGION_WRITE', () => {
  it('writes, and answers with what was written', () => {
    const reply = client.request(COMMAND.REGION_WRITE, access(CONFIG, COMMAND_REGISTER, 2, 0x06, 0));

    expect(words(reply)).toEqual([COMMAND_REGISTER, 0, CONFIG, 2]);
    expect(read(CONFIG, COMMAND_REGISTER, 1)[0]! & 4).toBe(4);
  });

  it('with No_reply takes effect before the next command, and is not answered', () => {
    client.send(COMMAND.REGION_WRITE, access(CONFIG, COMMAND_REGISTER, 2, 0x06, 0), NO_REPLY);

    expect(client.receive()).toBeNull();
    expect(read(CONFIG, COMMAND_REGISTER, 1)[0]! & 4).toBe(4);
  });

  it('with No_reply is not answered where it is refused, either', () => {
    client.send(COMMAND.REGION_WRITE, access(12, 0, 1, 0), NO_REPLY);

    expect(client.receive()).toBeNull();
  });

  it.each([
    ['with fewer bytes than it says', access(CONFIG, 4, 4, 1, 2)],
    ['behind the end of a BAR', access(2, 0x4000, 4, 0, 0, 0, 0)],
    ['of no bytes', access(CONFIG, 4, 0)],
  ])('is refused %s', (_how, payload) => {
    expect(client.request(COMMAND.REGION_WRITE, payload).error).toBe(EINVAL);
  });

  it('finds no expansion ROM when the register is sized', () => {
    client.request(COMMAND.REGION_WRITE, access(CONFIG, 0x30, 4, 0, 0xf8, 0xff, 0xff));

    expect(read(CONFIG, 0x30, 4)).toEqual([0, 0, 0, 0]);
  });

  it('sizes a BAR: 64 bits wide, a power of two', () => {
    client.request(COMMAND.REGION_WRITE, access(CONFIG, 0x18, 8, 255, 255, 255, 255, 255, 255, 255, 255));
    const [low = 0, ...rest] = read(CONFIG, 0x18, 8);
    const mask = [low & 0xf0, ...rest].reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
    const size = (1n << 64n) - mask;

    expect(low & 0x6).toBe(4);
    expect(size & (size - 1n)).toBe(0n);
    expect(served.machine.bus.vf.find(({ index }) => index === 2)!.bytes).toBe(Number(size));
  });
});

describe('REGION_WRITE_MULTI', () => {
  const one = (region: number, offset: number, count: number, value: number): Uint8Array =>
    joined(fields([8, offset], [4, region], [4, count], [8, value]));

  it('does all writes in their order', () => {
    const writes = joined(
      fields([8, 3]),
      one(CONFIG, COMMAND_REGISTER, 2, 2),
      one(CONFIG, COMMAND_REGISTER, 2, 6),
      one(CONFIG, 0x3c, 1, 0x5a),
    );

    expect(words(client.request(COMMAND.REGION_WRITE_MULTI, writes))).toEqual([3, 0]);
    expect(read(CONFIG, COMMAND_REGISTER, 1)[0]! & 4).toBe(4);
  });

  it('takes 200 writes', () => {
    const writes = joined(fields([8, 200]), ...Array.from({ length: 200 }, () => one(CONFIG, COMMAND_REGISTER, 2, 6)));

    expect(words(client.request(COMMAND.REGION_WRITE_MULTI, writes))).toEqual([200, 0]);
  });

  it.each([
    ['with fewer writes than it says', joined(fields([8, 2]), one(CONFIG, 4, 2, 6))],
    ['with more writes than it says', joined(fields([8, 0]), one(CONFIG, 4, 2, 6))],
    ['with 2^61 writes', fields([8, 1n << 61n])],
    ['with a write of 9 bytes', joined(fields([8, 1]), one(CONFIG, 4, 9, 6))],
    ['with a write to no region', joined(fields([8, 1]), one(12, 4, 1, 6))],
  ])('is refused %s, and nothing is written', (_how, payload) => {
    const before = read(CONFIG, COMMAND_REGISTER, 2);

    expect(client.request(COMMAND.REGION_WRITE_MULTI, payload).error).toBe(EINVAL);
    expect(read(CONFIG, COMMAND_REGISTER, 2)).toEqual(before);
  });
});

describe('resets', () => {
  const resets = (): number => served.machine.nic.functionCounters(1)['resets']!;

  it('DEVICE_RESET resets the function', () => {
    const before = resets();

    expect(client.request(COMMAND.DEVICE_RESET).error).toBe(0);
    expect(resets()).toBe(before + 1);
  });

  it('Initiate Function Level Reset in Device Control does the same', () => {
    const config = read(CONFIG, 0, 256);
    let express = config[0x34]!;
    while (config[express] !== 0x10) express = config[express + 1]!;
    const before = resets();

    client.request(COMMAND.REGION_WRITE, access(CONFIG, express + 8, 2, 0, 0x80));

    expect(resets()).toBe(before + 1);
  });
});

describe('what is not offered', () => {
  it('DEVICE_FEATURE answers ENOTTY: there is no migration', () => {
    expect(client.request(COMMAND.DEVICE_FEATURE, fields([4, 16], [4, 0x10001], [8, 0])).error).toBe(ENOTTY);
  });

  it.each([0, 14, 19, 0xffff])('command %i answers EINVAL', (command) => {
    expect(client.request(command).error).toBe(EINVAL);
  });
});
