// SPDX-License-Identifier: Apache-2.0
// Clients that are broken or mean no good: each gets an error or is dropped, and the other functions go on.
import { readdirSync } from 'node:fs';

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  COMMAND,
  EBUSY,
  EINVAL,
  fields,
  header,
  joined,
  NO_REPLY,
  versionPayload,
  type RawClient,
} from './support/raw_client.ts';
import { Served } from './support/served.ts';

let served: Served;
beforeEach(async () => {
  served = await Served.start();
});
afterEach(() => served.close());

const INFO = fields([4, 16], [12, 0]);
const worksOn = (client: RawClient): boolean => client.request(COMMAND.DEVICE_GET_INFO, INFO).error === 0;

describe('a message', () => {
  it.each([0, 1, 15])('of %i bytes, less than its header, is refused and ends the connection', (size) => {
    const client = served.greeted();
    client.sendBytes(header(7, COMMAND.DEVICE_GET_INFO, size));

    expect(client.receive()).toMatchObject({ id: 7, error: EINVAL });
    expect(client.isDropped()).toBe(true);
  });

  it.each([1048576 + 33, 0x7fffffff, 0xffffffff])('of %i bytes, more than agreed, does too', (size) => {
    const client = served.greeted();
    client.sendBytes(header(7, COMMAND.REGION_WRITE, size));

    expect(client.receive()).toMatchObject({ id: 7, error: EINVAL });
    expect(client.isDropped()).toBe(true);
  });

  it('that comes byte by byte is answered when it is whole', () => {
    const client = served.greeted();
    const bytes = joined(header(9, COMMAND.DEVICE_GET_INFO, 32), INFO);
    const early = [...bytes.subarray(0, -1)].map((byte) => {
      client.sendBytes(Uint8Array.of(byte));
      return client.receive();
    });
    client.sendBytes(bytes.subarray(-1));

    expect(new Set(early)).toEqual(new Set([null]));
    expect(client.receive()).toMatchObject({ id: 9, error: 0 });
  });

  it('that comes with others is answered in its turn', () => {
    const client = served.greeted();
    const one = (id: number): Uint8Array => joined(header(id, COMMAND.DEVICE_GET_INFO, 32), INFO);
    client.sendBytes(joined(one(1), one(2), one(3)));

    expect([client.receive(), client.receive(), client.receive()].map((reply) => reply?.id)).toEqual([1, 2, 3]);
  });

  it('without payload is refused where it needs one', () => {
    const client = served.greeted();

    const errors = [2, 3, 4, 5, 6, 7, 8, 9, 10, 15].map((command) => client.request(command).error);

    expect(new Set(errors)).toEqual(new Set([EINVAL]));
    expect(worksOn(client)).toBe(true);
  });

  it('that is a reply to nothing is refused', () => {
    const client = served.greeted();
    client.sendBytes(header(7, COMMAND.DEVICE_GET_INFO, 16, 1));

    expect(client.receive()).toMatchObject({ id: 7, error: EINVAL });
    expect(worksOn(client)).toBe(true);
  });

  it('with 17 file descriptors is refused, and all of them are closed', () => {
    const client = served.greeted();
    const fd = client.eventfd();
    const ranges = fields([4, 20], [4, 36], [4, 2], [4, 0], [4, 4]);
    const before = readdirSync('/proc/self/fd').length;

    expect(
      client.request(
        COMMAND.DEVICE_SET_IRQS,
        ranges,
        Array.from({ length: 17 }, () => fd),
      ).error,
    ).toBe(EINVAL);
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
    expect(worksOn(client)).toBe(true);
  });
});

describe('a message that wants no reply', () => {
  it('VFU-02: gets none when it lost file descriptors', () => {
    const client = served.greeted();
    const fd = client.eventfd();
    const ranges = fields([4, 20], [4, 36], [4, 2], [4, 0], [4, 1]);
    const fds = Array.from({ length: 17 }, () => fd);
    client.send(COMMAND.DEVICE_SET_IRQS, ranges, NO_REPLY, fds);

    expect(client.receive()).toBeNull();
    expect(worksOn(client)).toBe(true);
  });
});

describe('a client that vanishes', () => {
  it.each([
    ['before VERSION', 0],
    ['in the middle of VERSION', 10],
  ])('%s leaves room for the next', (_when, bytes) => {
    const client = served.raw();
    if (bytes > 0) client.sendBytes(joined(header(1, 1, 20), versionPayload(null)).subarray(0, bytes));
    client.close();

    expect(worksOn(served.greeted())).toBe(true);
  });

  it('in the middle of a message leaves room for the next', () => {
    const client = served.greeted();
    client.sendBytes(header(1, COMMAND.REGION_WRITE, 1000));
    client.close();

    expect(worksOn(served.greeted())).toBe(true);
  });

  it('with replies unread leaves room for the next', () => {
    const client = served.greeted();
    for (let i = 0; i < 50; i++) client.send(COMMAND.REGION_READ, fields([8, 0], [4, 7], [4, 4096]));
    client.close();

    expect(worksOn(served.greeted())).toBe(true);
  });

  it('and comes back 200 times finds the function reset each time', () => {
    const before = served.machine.nic.functionCounters(1)['resets']!;
    for (let i = 0; i < 200; i++) served.greeted().close();
    served.pump();

    expect(worksOn(served.greeted())).toBe(true);
    expect(served.machine.nic.functionCounters(1)['resets']! - before).toBeGreaterThanOrEqual(200);
  });
});

describe('a second client of a function', () => {
  it('is told EBUSY in answer to VERSION, and then dropped, while the first is there', () => {
    const first = served.greeted();
    const second = served.raw();

    expect(second.greet().error).toBe(EBUSY);
    expect(second.isDropped()).toBe(true);
    expect(worksOn(first)).toBe(true);
  });

  it('may wait with its VERSION until the first has gone', () => {
    const first = served.greeted();
    const second = served.raw();
    first.close();

    expect(second.greet().error).toBe(0);
    expect(worksOn(second)).toBe(true);
  });

  it('has the function after a first that went behind many messages which nobody has read yet', () => {
    const first = served.greeted();
    for (let i = 0; i < 100; i++) first.send(COMMAND.REGION_READ, fields([8, 0], [4, 7], [4, 4]));
    const second = served.raw();
    for (let i = 0; i < 20; i++)
      first.send(COMMAND.REGION_WRITE, joined(fields([8, 0], [4, 7], [4, 4096]), new Uint8Array(4096)));
    first.close();

    expect(second.greet().error).toBe(0);
    expect(worksOn(second)).toBe(true);
  });

  it('has the function where the first has not said VERSION', () => {
    const silent = served.raw();
    const second = served.raw();

    expect(second.greet().error).toBe(0);
    expect(silent.greet().error).toBe(EBUSY);
    expect(worksOn(second)).toBe(true);
  });

  it('is no client that was served: refused ones are not counted', () => {
    served.greeted();
    served.greeted();
    served.raw();

    expect(served.servers[0]!.clients).toBe(1);
    expect(served.servers[0]!.isConnected).toBe(true);
  });

  it('finds room however many connect and say nothing: of these the oldest is dropped behind sixteen', () => {
    const silent = Array.from({ length: 17 }, () => served.raw());

    expect(silent.map((one) => one.isDropped())).toEqual(Array.from({ length: 17 }, (_, i) => i === 0));
    expect(worksOn(served.greeted())).toBe(true);
  });
});

describe('a client that does not read its replies', () => {
  it('is not read from until it does, and nothing is lost', () => {
    const client = served.greeted();
    const other = served.greeted(2);
    let sent = 0;
    for (; sent < 300; sent++) {
      client.send(COMMAND.REGION_READ, fields([8, 0], [4, 7], [4, 4096]));
      served.pump();
      if (sent % 100 === 0) expect(worksOn(other)).toBe(true);
    }

    let received = 0;
    while (client.receive() !== null) received++;

    expect(received).toBe(sent);
  });
});

describe('whatever is sent', () => {
  it('the server lives on, and the other function answers', () => {
    const anyCommand = fc.oneof(fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15, 16), fc.nat(0xffff));
    const field = fc.oneof(fc.nat(64), fc.nat(0xffffffff), fc.constantFrom(0xffffffff, 0x80000000, 4096));
    const anyMessage = fc.record({
      command: anyCommand,
      words: fc.array(field, { maxLength: 12 }),
      tail: fc.uint8Array({ maxLength: 7 }),
      flags: fc.constantFrom(0, 0, 0, NO_REPLY, 1, 0x20, 0xffffffff),
      size: fc.option(fc.nat(0xffffffff), { freq: 8, nil: null }),
      fds: fc.nat(2),
    });
    const other = served.greeted(2);

    fc.assert(
      fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 12 }), fc.boolean(), (messages, isGreeted) => {
        const client = isGreeted ? served.greeted() : served.raw();
        const fd = client.eventfd();
        for (const { command, words, tail, flags, size, fds } of messages) {
          const payload = joined(fields(...words.map((word) => [4, word] as const)), tail);
          const bytes = joined(header(1, command, size ?? 16 + payload.length, flags), payload);
          client.sendBytes(
            bytes,
            Array.from({ length: fds }, () => fd),
          );
          served.pump();
        }
        client.libc.close(fd);
        client.close();
        served.pump();
        expect(worksOn(other)).toBe(true);
      }),
      { numRuns: 150 },
    );

    expect(worksOn(served.greeted())).toBe(true);
  });
});
