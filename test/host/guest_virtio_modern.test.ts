// SPDX-License-Identifier: Apache-2.0
// The modern transport, register access by register access.
import { describe, expect, it } from 'vitest';

import { VirtioModern, type QueuePlan } from '../../src/guest/virtio_modern.ts';
import { PlainMemory } from '../support/plain_memory.ts';
import { RegisterFunction } from '../support/register_function.ts';

const error = (code: string) => expect.objectContaining({ code });
const nothing = () => undefined;
const NET_PLANS: readonly QueuePlan[] = [
  { index: 0, onUsed: nothing },
  { index: 1, onUsed: nothing },
  { index: 2, onUsed: null },
];

function setup(prepare: (device: RegisterFunction) => void = nothing) {
  const device = new RegisterFunction();
  prepare(device);
  const transport = new VirtioModern(device, { resetPollLimit: 10 });
  const memory = new PlainMemory();
  device.log.length = 0;
  return { device, transport, memory };
}

describe('start-up', () => {
  it('memory decoding is switched on first, bus mastering when the structures are found', () => {
    const device = new RegisterFunction();

    expect(new VirtioModern(device).layout.deviceId).toBe(0x1041);
    expect(device.log).toEqual(['w config 0x4 2 0x2', 'w config 0x4 2 0x6']);
  });

  it('a reset writes 0 and reads device_status until it is 0', () => {
    const { device, transport } = setup((function_) => Object.assign(function_, { resetReads: 3, status: 15 }));

    transport.reset();

    expect(device.log).toEqual([
      'w common+20 1 0x0',
      'r common+20 1 = 0xf',
      'r common+20 1 = 0xf',
      'r common+20 1 = 0x0',
    ]);
  });

  it('a device that never resets is DEVICE_SILENT', () => {
    const { transport } = setup((function_) => Object.assign(function_, { resetReads: Infinity, status: 15 }));

    expect(() => transport.reset()).toThrow(error('DEVICE_SILENT'));
  });

  it('four feature words are read and four are written, between DRIVER and FEATURES_OK', () => {
    const { device, transport } = setup((function_) => function_.offered.splice(0, 4, 0x3001_0020, 0x361, 5, 6));

    transport.negotiate([5, 16, 41]);

    expect(device.log).toEqual([
      'r common+20 1 = 0x0',
      'w common+20 1 0x1',
      'r common+20 1 = 0x1',
      'w common+20 1 0x3',
      'w common+0 4 0x0',
      'r common+4 4 = 0x30010020',
      'w common+0 4 0x1',
      'r common+4 4 = 0x361',
      'w common+0 4 0x2',
      'r common+4 4 = 0x5',
      'w common+0 4 0x3',
      'r common+4 4 = 0x6',
      // MAC and STATUS, INDIRECT and EVENT_IDX; VERSION_1, RING_RESET, ADMIN_VQ. SR_IOV needs the capability,
      // NOTIFICATION_DATA and the upper words are not known.
      'w common+8 4 0x0',
      'w common+12 4 0x30010020',
      'w common+8 4 0x1',
      'w common+12 4 0x301',
      'w common+8 4 0x2',
      'w common+12 4 0x0',
      'w common+8 4 0x3',
      'w common+12 4 0x0',
      'r common+20 1 = 0x3',
      'w common+20 1 0xb',
      'r common+20 1 = 0xb',
    ]);
  });

  it('SR_IOV is taken where the function has the capability', () => {
    const { device, transport } = setup((function_) => {
      function_.offered[1] = 0x21;
      function_.view.setUint32(0x100, 0x0001_0010, true);
    });

    transport.negotiate([]);

    expect(device.accepted).toEqual([0, 0x21, 0, 0]);
  });

  it('a device without VERSION_1 is EINVAL', () => {
    const { transport } = setup((function_) => (function_.offered[1] = 0));

    expect(() => transport.negotiate([])).toThrow(error('EINVAL'));
  });

  it('a device that does not take FEATURES_OK is ENODEV', () => {
    const { transport } = setup((function_) => (function_.refusesFeatures = true));

    expect(() => transport.negotiate([])).toThrow(error('ENODEV'));
  });

  it.each([
    { what: 'ADMIN_VQ needs 64 bytes of common configuration', word: 0x201, length: 63, code: 'EINVAL' },
    { what: 'RING_RESET needs 60', word: 0x101, length: 59, code: 'EINVAL' },
  ])('$what', ({ word, length, code }) => {
    const { transport } = setup((function_) => {
      function_.offered[1] = word;
      function_.view.setUint32(0x4c, length, true);
    });

    expect(() => transport.negotiate([41])).toThrow(error(code));
  });

  it('what validation leaves out is taken back before FEATURES_OK, with all features written again', () => {
    const { device, transport } = setup((function_) => function_.offered.splice(0, 2, 0x28, 1));
    let statusThen = 0;

    transport.negotiate([3, 5], () => {
      statusThen = device.status;
      return [3];
    });

    expect(statusThen).toBe(3); // ACKNOWLEDGE and DRIVER
    expect([device.accepted, device.status]).toEqual([[0x20, 1, 0, 0], 0xb]);
    const low = device.log.flatMap((line, i) => (line === 'w common+8 4 0x0' ? [device.log[i + 1]] : []));
    expect(low).toEqual(['w common+12 4 0x28', 'w common+12 4 0x20']);
  });

  it('status bits are added, never replaced', () => {
    const { device, transport } = setup((function_) => (function_.status = 0x41));

    transport.driverOk();

    expect(device.status).toBe(0x45);
  });
});

describe('queues', () => {
  it('a queue is selected, sized, checked, given its addresses and vector, and enabled last', () => {
    const { device, transport, memory } = setup();
    transport.negotiate([]);
    device.log.length = 0;

    const [ring] = transport.setupQueues(memory, [{ index: 1, onUsed: nothing, maxSize: 8 }], nothing);

    const low = (iova: number) => `0x${(iova - 0x5_0000_0000).toString(16)}`;
    expect(ring?.size).toBe(8);
    expect(device.log).toEqual([
      'setIrqs 2 0 2',
      'w common+16 2 0x0',
      'r common+16 2 = 0x0',
      'r common+18 2 = 0x3',
      'w common+22 2 0x1',
      'r common+24 2 = 0x10',
      'w common+22 2 0x1',
      'r common+28 2 = 0x0',
      'w common+22 2 0x1',
      'w common+24 2 0x8',
      'w common+22 2 0x1',
      `w common+32 4 ${low(ring!.descriptorIova)}`,
      'w common+36 4 0x5',
      `w common+40 4 ${low(ring!.driverIova)}`,
      'w common+44 4 0x5',
      `w common+48 4 ${low(ring!.deviceIova)}`,
      'w common+52 4 0x5',
      'w common+22 2 0x1',
      'w common+26 2 0x1',
      'r common+26 2 = 0x1',
      'w common+22 2 0x1',
      'r common+30 2 = 0x1',
      'w common+22 2 0x1',
      'w common+28 2 0x1',
    ]);
  });

  it('all queues are enabled at the end, in order', () => {
    const { device, transport, memory } = setup();
    transport.negotiate([]);

    transport.setupQueues(memory, NET_PLANS, nothing);

    const enables = device.log.flatMap((line, i) => (line.startsWith('w common+28') ? [i] : []));
    expect(enables).toEqual([-5, -3, -1].map((back) => device.log.length + back));
  });

  it('a notification is a 16-bit write of the index at its multiple of the notify area', () => {
    const { device, transport, memory } = setup();
    transport.negotiate([]);
    transport.setupQueues(memory, NET_PLANS, nothing);
    device.log.length = 0;

    transport.notify(0);
    transport.notify(2);

    expect(device.log).toEqual(['w notify+0x0 2 0x0', 'w notify+0x8 2 0x2']);
  });

  it.each([
    { what: 'a queue beyond num_queues', prepare: (f: RegisterFunction) => (f.numQueues = 2), code: 'EINVAL' },
    { what: 'a queue of size 0', prepare: (f: RegisterFunction) => (f.queues[2]!.size = 0), code: 'ENOENT' },
    {
      what: 'a queue that is enabled already',
      prepare: (f: RegisterFunction) => (f.queues[1]!.enable = 1),
      code: 'ENOENT',
    },
    {
      what: 'a size that is no power of two',
      prepare: (f: RegisterFunction) => (f.queues[0]!.size = 12),
      code: 'EINVAL',
    },
    {
      what: 'a notify address beyond the structure',
      prepare: (f: RegisterFunction) => f.view.setUint32(0x5c, 9, true),
      code: 'EINVAL',
    },
  ])('$what is $code', ({ prepare, code }) => {
    const { transport, memory } = setup((device) => void prepare(device));
    transport.negotiate([]);

    expect(() => transport.setupQueues(memory, NET_PLANS, nothing)).toThrow(error(code));
  });

  it('an admin queue may lie beyond num_queues', () => {
    const { device, transport, memory } = setup((f) => Object.assign(f, { numQueues: 2, adminNum: 1, adminIndex: 2 }));
    transport.negotiate([]);
    device.log.length = 0;

    const [ring] = transport.setupQueues(memory, [], nothing, { onUsed: nothing });

    expect(ring?.queue).toBe(2);
    expect(device.queues[2]?.enable).toBe(1);
    expect(device.log.slice(0, 3)).toEqual(['r common+62 2 = 0x1', 'r common+60 2 = 0x2', 'setIrqs 2 0 2']);
  });

  it('admin_queue_num 0 with ADMIN_VQ negotiated is EINVAL', () => {
    const { transport, memory } = setup();
    transport.negotiate([]);

    expect(() => transport.setupQueues(memory, [], nothing, { onUsed: nothing })).toThrow(error('EINVAL'));
  });
});

describe('a device that means no good', () => {
  it('DRV-05: says that a data queue is its admin queue: no ring gets two users', () => {
    const { transport, memory } = setup((function_) => Object.assign(function_, { adminNum: 1, adminIndex: 1 }));
    transport.negotiate([]);

    expect(() => transport.setupQueues(memory, NET_PLANS, nothing, { onUsed: nothing })).toThrow(error('EINVAL'));
  });
});
