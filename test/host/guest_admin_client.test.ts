// SPDX-License-Identifier: Apache-2.0
// The admin queue client: bytes of a command, its two to four buffers, completion by interrupt, many in flight.
import { describe, expect, it } from 'vitest';

import { AdminDevice, answerBytes } from '../support/admin_device.ts';

const LEGACY_READ = 3;
const LEGACY_WRITE = 2;
const LIST_QUERY = 0;

function ready(...args: ConstructorParameters<typeof AdminDevice>): AdminDevice {
  const admin = new AdminDevice(...args);
  admin.client.supportedCommands = 0x3e7fc;
  return admin;
}

describe('bytes of an admin command', () => {
  it('the header is opcode, group type, 12 zero bytes and the member id in 24 bytes', () => {
    const admin = ready();

    admin.client.submit(LEGACY_WRITE, 1, 0x0403_0201, Uint8Array.of(18, 0, 0, 0, 0, 0, 0, 0, 7), 0);

    expect(admin.take()?.bytes).toEqual([
      2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0, 7,
    ]);
  });

  it.each([
    { what: 'without data or result', data: null, result: 0, lengths: ['r24', 'w8'] },
    { what: 'with data', data: Uint8Array.of(1, 2, 3), result: 0, lengths: ['r24', 'r3', 'w8'] },
    { what: 'with a result', data: null, result: 64, lengths: ['r24', 'w8', 'w64'] },
    { what: 'with both', data: Uint8Array.of(18), result: 1, lengths: ['r24', 'r1', 'w8', 'w1'] },
  ])('a command $what has the buffers $lengths', ({ data, result, lengths }) => {
    const admin = ready();

    admin.client.submit(LEGACY_READ, 1, 1, data, result);

    const segments = admin.take()?.chain.segments ?? [];
    expect(segments.map((segment) => `${segment.isWritable ? 'w' : 'r'}${segment.length}`)).toEqual(lengths);
  });

  it('with indirect descriptors a command takes one descriptor of the ring', () => {
    const admin = ready({}, { hasIndirect: true });

    admin.client.submit(LEGACY_READ, 1, 1, Uint8Array.of(18), 1);

    expect(admin.take()?.chain).toMatchObject({ isIndirect: true, segments: [{}, {}, {}, {}] });
    expect(admin.ring.freeCount).toBe(63);
  });

  it('the indirect table follows the lengths of each command', () => {
    const admin = ready({ slots: 1 }, { hasIndirect: true });
    const lengths = [
      [1, 4],
      [0, 64],
      [12, 0],
      [0, 0],
      [300, 300],
    ].map(([data = 0, result = 0]) => {
      admin.client.submit(LEGACY_READ, 1, 1, new Uint8Array(data), result);
      const chain = admin.take()!.chain;
      admin.device.answer(chain, answerBytes(0));
      admin.client.onUsed();
      admin.client.release(admin.client.poll());
      return chain.segments.map((segment) => `${segment.isWritable ? 'w' : 'r'}${segment.length}`).join(' ');
    });

    expect(lengths).toEqual(['r24 r1 w8 w4', 'r24 w8 w64', 'r24 r12 w8', 'r24 w8', 'r24 r300 w8 w300']);
  });

  it('data longer than the slot gets a larger buffer', () => {
    const admin = ready({ dataBytes: 16 });
    const data = Uint8Array.from({ length: 5000 }, (_, i) => i);

    admin.client.submit(0x10, 1, 1, data, 0);

    expect(admin.take()?.data).toEqual([...data]);
  });

  it('every command notifies queue 5 while the device wants it', () => {
    const admin = ready();

    admin.client.submit(LEGACY_READ, 1, 1, null, 1);
    admin.device.usedFlags = 1;
    admin.client.submit(LEGACY_READ, 1, 1, null, 1);

    expect(admin.notified).toEqual([5]);
  });
});

describe('exec()', () => {
  it('returns status, qualifier and result of the answer', () => {
    const admin = ready();
    admin.onWait(() => answerBytes(0x16, 3, [0xaa, 0xbb]));

    const answer = admin.client.exec(LEGACY_READ, 1, 2, Uint8Array.of(0), 4);

    expect(answer).toMatchObject({ status: 22, qualifier: 3, resultLength: 2 });
    expect([...answer.result.subarray(0, 2)]).toEqual([0xaa, 0xbb]);
    expect(admin.client.failures).toBe(1);
  });

  it('a used length below 8 reads as success without a result', () => {
    const admin = ready();
    admin.clock.pending.push(() => {
      admin.device.complete(admin.take()!.chain.head, 0);
      admin.client.onUsed();
    });

    expect(admin.client.exec(LEGACY_READ, 1, 1, null, 4)).toMatchObject({ status: 0, qualifier: 0, resultLength: 0 });
  });

  it('a status left in the slot by an earlier command is not seen again', () => {
    const admin = ready({ slots: 1 });
    admin.onWait(() => answerBytes(12));
    admin.onWait(() => []);

    const first = admin.client.exec(LEGACY_READ, 1, 1, null, 4).status;

    expect(first).toBe(12);
    expect(admin.client.exec(LEGACY_READ, 1, 1, null, 4).status).toBe(0);
  });

  it('waits through interrupts of others', () => {
    const admin = ready();
    admin.clock.pending.push(() => undefined);
    admin.clock.pending.push(() => undefined);
    admin.onWait(() => answerBytes(0));

    expect(admin.client.exec(LEGACY_READ, 1, 1, null, 1).status).toBe(0);
    expect(admin.clock.waits).toBe(3);
  });

  it('a command that is never answered is DEVICE_SILENT, not an endless wait', () => {
    const admin = ready();

    expect(() => admin.client.exec(LEGACY_READ, 1, 1, null, 1)).toThrow(
      expect.objectContaining({ code: 'DEVICE_SILENT' }),
    );
  });

  it('an answer without interrupt does not complete a command', () => {
    const admin = ready();
    admin.clock.pending.push(() => admin.device.answer(admin.take()!.chain, answerBytes(0)));

    expect(() => admin.client.exec(LEGACY_READ, 1, 1, null, 0)).toThrow(
      expect.objectContaining({ code: 'DEVICE_SILENT' }),
    );
  });

  it('an opcode outside the used list is EOPNOTSUPP and reaches no device', () => {
    const admin = new AdminDevice();
    admin.client.supportedCommands = 0x7c;

    expect(() => admin.client.exec(7, 0, 0, null, 8)).toThrow(expect.objectContaining({ errno: 95 }));
    expect(() => admin.client.exec(34, 1, 1, null, 8)).toThrow(expect.objectContaining({ errno: 95 }));
    expect(admin.take()).toBeNull();
  });

  it('LIST_QUERY and LIST_USE are sent without being in the used list', () => {
    const admin = new AdminDevice();
    admin.onWait(() => answerBytes(0));
    admin.onWait(() => answerBytes(0));

    expect(admin.client.exec(LIST_QUERY, 1, 0, null, 8).status).toBe(0);
    expect(admin.client.exec(1, 1, 0, new Uint8Array(8), 0).status).toBe(0);
  });

  it('waits for a slot while all are in flight', () => {
    const admin = ready({ slots: 1 });
    admin.client.onComplete = (slot) => admin.client.release(slot);
    admin.client.submit(LEGACY_READ, 1, 1, null, 1);
    admin.onWait(() => answerBytes(0));
    admin.onWait((command) => answerBytes(0, 0, [command.memberId]));

    expect(admin.client.exec(LEGACY_READ, 1, 9, null, 1).result[0]).toBe(9);
  });
});

describe('many commands in flight', () => {
  it('complete in any order and are polled in the order of their answers', () => {
    const admin = ready();
    const slots = [1, 2, 3].map((member) => admin.client.submit(LEGACY_READ, 1, member, null, 1));
    const commands = [admin.take()!, admin.take()!, admin.take()!];

    for (const command of commands.toReversed()) {
      admin.device.answer(command.chain, answerBytes(0, 0, [command.memberId]));
    }
    const before = admin.client.poll();
    admin.client.onUsed();

    const polled = [admin.client.poll(), admin.client.poll(), admin.client.poll()];
    expect(before).toBe(-1);
    expect(polled).toEqual(slots.toReversed());
    expect(polled.map((slot) => admin.client.result(slot)[0])).toEqual([3, 2, 1]);
    expect(admin.client.poll()).toBe(-1);
  });

  it('submit() is -1 when every slot is taken, and works again after release()', () => {
    const admin = ready({ slots: 2 });
    const slots = [0, 1, 2].map(() => admin.client.submit(LEGACY_READ, 1, 1, null, 1));
    admin.device.answer(admin.take()!.chain, answerBytes(0));
    admin.client.onUsed();
    const unreleased = admin.client.submit(LEGACY_READ, 1, 1, null, 1);

    admin.client.release(admin.client.poll());

    expect(slots).toEqual([0, 1, -1]);
    expect(unreleased).toBe(-1);
    expect(admin.client.submit(LEGACY_READ, 1, 1, null, 1)).toBe(0);
  });

  it('submit() is -1 when the ring has no descriptors left', () => {
    const admin = ready({}, { size: 8 });

    const slots = [0, 1, 2].map(() => admin.client.submit(LEGACY_READ, 1, 1, Uint8Array.of(0), 1));

    expect(slots).toEqual([0, 1, -1]); // four descriptors each
  });

  it('exec() and submit() do not take each other’s answers', () => {
    const admin = ready();
    const slot = admin.client.submit(LEGACY_READ, 1, 7, null, 1);
    admin.onWait((command) => answerBytes(0, 0, [command.memberId]));
    admin.onWait((command) => answerBytes(0, 0, [command.memberId]));

    const answer = admin.client.exec(LEGACY_READ, 1, 8, null, 1).result[0];

    expect(answer).toBe(8);
    expect(admin.client.poll()).toBe(slot);
    expect(admin.client.result(slot)[0]).toBe(7);
  });

  it('a new command may be sent from the completion of another', () => {
    const admin = ready();
    let sent = 0;
    admin.client.onComplete = (slot) => {
      admin.client.release(slot);
      if (sent++ < 2) admin.client.submit(LEGACY_READ, 1, 1, null, 1);
    };
    admin.client.submit(LEGACY_READ, 1, 1, null, 1);

    for (let i = 0; i < 3; i++) {
      admin.device.answer(admin.take()!.chain, answerBytes(0));
      admin.client.onUsed();
    }

    expect(admin.client.commands).toBe(3);
    expect(admin.client.inFlight).toBe(0);
    expect(admin.client.poll()).toBe(-1);
  });
});

describe('a device that means no good', () => {
  it('DRV-03: keeps busy and never answers: the command is given up, and its slot is free when the answer comes late', () => {
    const admin = ready({ slots: 1, answerWaits: 5 });
    admin.clock.pending.push(...Array.from({ length: 100 }, () => () => undefined));

    expect(() => admin.client.exec(LEGACY_READ, 1, 1, null, 1)).toThrow(
      expect.objectContaining({ code: 'DEVICE_SILENT' }),
    );
    expect(admin.clock.waits).toBe(5);
    expect(() => admin.client.exec(LEGACY_READ, 1, 1, null, 1)).toThrow(expect.objectContaining({ code: 'EAGAIN' }));

    admin.device.answer(admin.take()!.chain, answerBytes(0, 0, [7]));
    admin.client.onUsed();
    admin.clock.pending.length = 0;
    admin.onWait(() => answerBytes(0, 0, [9]));
    expect(admin.client.exec(LEGACY_READ, 1, 1, null, 1).result[0]).toBe(9);
  });
});
