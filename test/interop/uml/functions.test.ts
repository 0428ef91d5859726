// SPDX-License-Identifier: Apache-2.0
// Functions as a User Mode Linux kernel finds them: configuration space and BARs by commands in a virtqueue, interrupts as
// messages, DMA in its memory; in both modes, with memory that can be mapped and memory that cannot.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createNic } from '../../../src/device/nic.ts';
import { UML_ROUTING } from '../../../src/uml/uml_server.ts';
import { UmlBench } from './support/uml_bench.ts';
import {
  COMMAND,
  BAR2,
  SRIOV_NUM_VF,
  SRIOV_OFFSET,
  SRIOV_STRIDE,
  CAP_EXP,
  NUM_QUEUES,
  STATUS,
  NOTIFY,
  MSI_ADDRESS,
  extendedCapability,
  capability,
  enablePf,
  enableVfs,
  startDriver,
  frame,
  transmit,
  transmitLater,
  msi,
  SRIOV_CTRL,
} from './support/uml_driver.ts';
import { DRIVER, fields, number, OP, RAM, REQUEST, state, VERSION, type UmlKernel } from './support/uml_kernel.ts';

let bench: UmlBench;
beforeEach(async () => {
  bench = await UmlBench.start();
});
afterEach(() => bench.close());

describe('a kernel', () => {
  it('is offered VIRTIO_F_VERSION_1, and of the protocol REPLY_ACK, BACKEND_REQ and INBAND_NOTIFICATIONS', () => {
    const kernel = bench.connect('pf');

    expect(kernel.send(REQUEST.GET_FEATURES)!.getBigUint64(0, true)).toBe(0x1_4000_0000n);
    expect(kernel.send(REQUEST.GET_PROTOCOL_FEATURES)!.getBigUint64(0, true)).toBe(0x4028n);
  });

  it('gets no reply that it does not ask for', () => {
    const kernel = bench.connect('pf');

    expect(kernel.send(REQUEST.SET_OWNER, new Uint8Array(0), [], VERSION)).toBeNull();
    expect(kernel.isGone).toBe(false);
  });

  it('finds the functions in the order of their sockets on its command line', () => {
    expect(bench.server.commandLine).toEqual(
      ['pf', 'vf1', 'vf2'].map((name) => `virtio_uml.device=${bench.folder}/${name}.sock:1234`),
    );
  });

  it('may have its memory at user addresses that are no guest addresses', () => {
    const kernel = bench.kernel('pf', { userOffset: 0x7000_0000_0000 });

    expect(kernel.configRead(0, 4)).toBe(0x1041_1af4);
  });

  it('may take its queues away, and set them up again elsewhere in time', () => {
    const kernel = bench.kernel();
    for (const queue of [1, 0]) kernel.order(REQUEST.SET_VRING_ENABLE, state(queue, 0));
    kernel.setMemory();
    kernel.setQueue(0);
    kernel.order(REQUEST.SET_VRING_ENABLE, state(0, 1));

    expect(kernel.configRead(0, 4)).toBe(0x1041_1af4);
    expect(bench.reasons).toEqual([]);
  });

  it('is told of used buffers in the command queue, unless it does not want to be', () => {
    const kernel = bench.kernel();
    kernel.configRead(0, 4);
    const calls = kernel.takeCalls();
    kernel.view.setUint16(RAM + 0x1000, 1, true); // VRING_AVAIL_F_NO_INTERRUPT
    kernel.configRead(0, 4);

    expect(calls).toEqual([0]);
    expect(kernel.takeCalls()).toEqual([]);
  });
});

describe('configuration space', () => {
  it.each([1, 2, 4, 8])('is read %i bytes at a time', (size) => {
    const kernel = bench.kernel();

    const bytes = kernel.command(OP.CFG_READ, 0, size, 0);

    // virtio 1.4 §4.1.2: vendor 0x1af4, device 0x1040 + 1; after power-on the command register is 0, the status has a list
    expect([...bytes]).toEqual([0xf4, 0x1a, 0x41, 0x10, 0, 0, 0x10, 0].slice(0, size));
  });

  it('is written 8 bytes at a time', () => {
    const kernel = bench.kernel();
    kernel.configWrite(BAR2, 4, 0xffff_ffff);
    kernel.command(OP.CFG_WRITE, 0, 8, BAR2, fields([4, 0xf000_0000], [4, 1]));

    expect([kernel.configRead(BAR2, 4) & ~0xf, kernel.configRead(BAR2 + 4, 4)]).toEqual([0xf000_0000 | 0, 1]);
  });

  it('of a VF is not there until the PF enables it, and has no ids then either', () => {
    const [pf, vf] = [bench.kernel(), bench.kernel('vf1')];
    const before = [0, 4, 8].map((at) => vf.configRead(at, 4));
    enablePf(pf);
    enableVfs(pf, 1);

    expect(before).toEqual([0xffff_ffff, 0xffff_ffff, 0xffff_ffff]);
    expect(vf.configRead(0, 4)).toBe(0xffff_ffff);
    expect(vf.configRead(8, 4) >>> 8).toBe(0x02_00_00); // an Ethernet controller
  });

  it('has First VF Offset 8 and VF Stride 8: a slot for each VF', () => {
    const kernel = bench.kernel();
    const sriov = extendedCapability(kernel, 0x10);
    kernel.configWrite(sriov + SRIOV_NUM_VF, 2, 2);

    expect([SRIOV_OFFSET, SRIOV_STRIDE].map((at) => kernel.configRead(sriov + at, 2))).toEqual([8, 8]);
  });
});

describe('a BAR', () => {
  it('answers when memory decode is on, and all ones before', () => {
    const kernel = bench.kernel();
    const before = kernel.read(2, NUM_QUEUES, 2);
    enablePf(kernel);

    expect(before).toBe(0xffff);
    expect(kernel.read(2, NUM_QUEUES, 2)).toBe(3); // receive, transmit, control
  });

  it('of a VF answers behind VF Enable and VF MSE', () => {
    const [pf, vf] = [bench.kernel(), bench.kernel('vf2')];
    enablePf(pf);
    enableVfs(pf, 2);

    expect(vf.read(2, NUM_QUEUES, 2)).toBe(3);
  });

  it.each([3, 5, 6, 7, 13])('is read %i bytes from an odd address on as it is byte by byte', (size) => {
    const kernel = bench.kernel();
    enablePf(kernel);
    const single = Array.from({ length: size }, (_, i) => kernel.read(2, 0x2001 + i, 1)); // the MAC address and on

    expect([...kernel.command(OP.MMIO_READ, 2, size, 0x2001)]).toEqual(single);
    expect(new Set(single).size).toBeGreaterThan(1);
  });

  it('is written more than a register at a time', () => {
    const kernel = bench.kernel();
    enablePf(kernel);
    const entry = fields([4, MSI_ADDRESS], [4, 0], [4, 131], [4, 0]);
    kernel.command(OP.MMIO_WRITE, 4, 16, 32, entry);

    expect(kernel.command(OP.MMIO_READ, 4, 16, 32)).toEqual(entry);
  });

  it('is filled by a memset', () => {
    const kernel = bench.kernel();
    enablePf(kernel);
    kernel.command(OP.MMIO_MEMSET, 4, 12, 16, Uint8Array.of(0x64));

    expect([...kernel.command(OP.MMIO_READ, 4, 12, 16)]).toEqual(Array.from({ length: 12 }, () => 0x64));
  });

  it('reads all ones behind its end, and where there is none', () => {
    const kernel = bench.kernel();
    enablePf(kernel);
    kernel.write(2, 0x8000, 4, 1);

    expect([kernel.read(2, 0x8000, 4), kernel.read(0, 0, 4), kernel.read(2, 0xffff_fffc, 4)]).toEqual([
      0xffff_ffff, 0xffff_ffff, 0xffff_ffff,
    ]);
  });
});

describe.each([
  ['functional', false],
  ['functional', true],
  ['timed', false],
  ['timed', true],
] as const)('in %s mode, memory sealed: %s,', (mode, isSealed) => {
  let card: UmlBench;
  let pf: UmlKernel;
  const frames: Uint8Array[] = [];
  beforeEach(async () => {
    card = await UmlBench.start({ mode });
    frames.length = 0;
    card.nic.onFrame((bytes) => frames.push(bytes.slice()));
    pf = card.kernel('pf', { isSealed });
    enablePf(pf);
  });
  afterEach(() => card.close());
  const settle = (): void => card.nic.runToIdle();
  const toggleLink = (times: number): void => {
    for (let i = 0; i < times; i++) {
      card.nic.setLink((i & 1) !== 0);
      settle();
    }
  };

  it('a frame goes from the memory to the wire, the used ring is written, the vector of the queue signalled', () => {
    startDriver(pf);
    pf.takeMessages();
    transmit(pf);
    settle();

    expect(frames).toEqual([frame()]);
    expect(pf.ram.slice(DRIVER + 0x2002, DRIVER + 0x200c)).toEqual(fields([2, 1], [4, 0], [4, 0]));
    expect(pf.takeMessages()).toEqual([msi(132)]);
  });

  it('so does one of a VF, in the memory of its own connection', () => {
    enableVfs(pf, 1);
    const vf = card.kernel('vf1', { isSealed });
    vf.configWrite(COMMAND, 2, 4);
    startDriver(vf);
    transmit(vf);
    settle();

    expect(frames).toEqual([frame()]);
    expect(vf.takeMessages()).toEqual([msi(132)]);
    expect(pf.takeMessages()).toEqual([]);
  });

  it('a frame of which the memory was not given away is not read', () => {
    startDriver(pf);
    pf.ram.set(fields([8, RAM - 0x1000], [4, 72], [2, 0], [2, 0]), DRIVER);
    pf.ram.set(fields([2, 0], [2, 1], [2, 0]), DRIVER + 0x1000);
    pf.write(2, NOTIFY + 4, 2, 1);
    settle();

    expect(frames).toEqual([]);
    expect(card.reasons).toEqual([]); // a driver's mistake, which the card answers
  });

  it('memory that is cut under a driver is a fault of the card, and the server goes on', () => {
    if (isSealed) return expect(card.libc.ftruncate(pf.memoryFd, 0)).toBe(-1);
    startDriver(pf);
    settle();
    transmitLater(pf);
    card.libc.ftruncate(pf.memoryFd, DRIVER);
    pf.write(2, NOTIFY + 4, 2, 1);
    settle();

    expect(frames).toEqual([]);
    expect(pf.read(2, STATUS, 1)).toBe(0x4f); // virtio 1.4 §2.1: DEVICE_NEEDS_RESET
    return expect(card.reasons).toEqual([]);
  });

  it('a message has the address and the data of the table, and the channel tells of it', () => {
    startDriver(pf);
    settle();
    pf.takeCalls();
    card.nic.setLink(false);
    settle();

    expect(pf.takeMessages()).toEqual([msi(131)]);
    expect(pf.takeCalls()).toEqual([1]);
  });

  it('INTA is a message of its own', () => {
    startDriver(pf, false);
    settle();
    card.nic.setLink(false);
    settle();

    expect(pf.takeMessages()).toEqual([[...fields([1, 6], [1, 0], [2, 0], [4, 0], [8, 1])]]);
  });

  it('messages wait for buffers, in their order, the same one once', () => {
    startDriver(pf);
    settle();
    toggleLink(10);
    const first = pf.takeMessages();
    toggleLink(4);
    transmit(pf);
    settle();
    const none = pf.takeMessages();
    for (const id of [0, 1, 2]) pf.addMessageBuffer(id);
    pf.kick(1);

    expect(first).toEqual(Array.from({ length: 10 }, () => msi(131)));
    expect(none).toEqual([]);
    expect(pf.takeMessages()).toEqual([msi(131), msi(132)]);
  });
});

describe('time', () => {
  it('passes with each access as it does for a driver in the process', async () => {
    const timed = await UmlBench.start({ mode: 'timed' });
    const kernel = timed.kernel();
    const twin = createNic({ mode: 'timed', totalVfs: 2, ...UML_ROUTING });
    const cycles = (nic: typeof twin, access: () => void): number => {
      const before = nic.now();
      access();
      return nic.now() - before;
    };

    const expected = cycles(twin, () => twin.configRead(0, 0, 4));

    expect(expected).toBeGreaterThan(0);
    expect(cycles(timed.nic, () => kernel.configRead(0, 4))).toBe(expected);
    timed.close();
  });
});

describe('when a kernel is gone', () => {
  it('the next one finds the functions as after power-on, whatever was left', () => {
    const look = (kernel: UmlKernel): number[] => Array.from({ length: 1024 }, (_, i) => kernel.configRead(4 * i, 4));
    const first = bench.kernel();
    const fresh = look(first);
    enablePf(first);
    enableVfs(first, 2);
    const sriov = extendedCapability(first, 0x10);
    first.configWrite(sriov + SRIOV_CTRL, 2, first.configRead(sriov + SRIOV_CTRL, 2) | 0x10); // ARI Capable Hierarchy
    startDriver(first);
    first.configWrite(capability(first, 1) + 4, 2, 3); // D3hot
    first.kill();

    expect(look(bench.kernel())).toEqual(fresh);
    expect(bench.events.map(({ kind }) => kind)).toEqual(['connected', 'closed', 'connected']);
  });

  it('without its leave being seen, the next one has its place', () => {
    const first = bench.kernel();
    const { poller } = bench;
    const poll = poller.poll.bind(poller);
    poller.poll = () => 0; // the server is busy elsewhere
    first.kill();
    const second = bench.connect('pf');
    poller.poll = poll;
    bench.pump();

    expect(number(second.start().command(OP.CFG_READ, 0, 2, 0))).toBe(0x1af4);
  });

  it('one that has said nothing makes room for the next one', () => {
    bench.connect('pf');

    expect(bench.kernel().configRead(0, 2)).toBe(0x1af4);
    expect(bench.reasons).toEqual(['pf: it said nothing until another kernel came']);
  });

  it('a second one finds its connection closed, and the first goes on', () => {
    const first = bench.kernel();
    const second = bench.connect('pf');
    second.send(REQUEST.GET_FEATURES);

    expect(second.isGone).toBe(true);
    expect(bench.reasons).toEqual(['pf: another kernel has the function']);
    expect(first.configRead(0, 2)).toBe(0x1af4);
  });

  it('a VF that it had enabled does not answer its own connection any more', () => {
    const [pf, vf] = [bench.kernel(), bench.kernel('vf1')];
    enablePf(pf);
    enableVfs(pf, 1);
    pf.kill();

    expect(vf.configRead(8, 4)).toBe(0xffff_ffff);
  });

  it('function level resets by the kernel leave the connection alone', () => {
    const kernel = bench.kernel();
    enablePf(kernel);
    const control = capability(kernel, CAP_EXP) + 8;
    kernel.configWrite(control, 2, kernel.configRead(control, 2) | 0x8000);

    expect(kernel.configRead(COMMAND, 2)).toBe(0);
    expect(bench.server.functions[0]!.isConnected).toBe(true);
  });
});
