// SPDX-License-Identifier: Apache-2.0
// What is measured. Each scenario prepares a machine and gives a function that does `operations` of the work and returns
// a number that depends on it, so that nothing can be optimised away and a wrong result is noticed.
import * as TRACE from '../assembly/abi/trace_kind.ts';
import type { NicConfig } from '../src/device/config.ts';
import type { Nic } from '../src/device/nic.ts';
import type { NicMode } from '../src/device/profile.ts';
import { Machine } from '../src/machine/machine.ts';
import { readProvisionFile } from '../src/provisioning/file.ts';
import { executePlan, machineTarget, makePlan } from '../src/provisioning/plan.ts';
import { VirtioVfioPci } from '../src/variant/virtio_vfio_pci.ts';
import { VfioPci } from '../src/vfio/vfio_pci.ts';
import { AdminRing } from './admin_ring.ts';
import { fuzzGuided, fuzzUnguided } from './fuzz.ts';
import type { Scenario } from './scenario.ts';

/** A scenario of one card. */
interface OneCard extends Scenario {
  readonly nic: Nic;
}

/** Scenarios by name; names are kept for ever. */
export const SCENARIOS: Readonly<Record<string, () => Scenario>> = {
  'register-read': () => registerRead(inOrder),
  'register-read-random': () => registerRead(pseudoRandom),
  'admin-command-timed': () => adminCommand('timed'),
  'admin-command-functional': () => adminCommand('functional'),
  'tx64-timed': () => transmit64('timed', 1),
  'tx64-functional': () => transmit64('functional', 1),
  'tx64-simple': () => transmit64('timed', 1, { profileName: 'simple' }),
  'tx64-traced': () => transmit64('timed', 1, { traceBytes: 2 ** 24 }),
  'sim-busy-events': () => counted('event', transmit64('timed', 1), (nic) => nic.eventsRun()),
  'sim-busy-cycles': () => counted('cycle', adminCommand('timed', 1), (nic) => nic.now()),
  'sim-idle-cycles': idleCycles,
  'mmio-read-timed': mmioRead,
  'vf-scaling-1': () => transmit64('timed', 1),
  'vf-scaling-1024': () => transmit64('timed', 1024),
  'fuzz-unguided': fuzzUnguided,
  'fuzz-guided': fuzzGuided,
  'provision-1024': () => provision(1024),
};

/** Work of fixed cost, the yardstick of the machine: 1,000 dependent multiply-adds. */
export function calibration(): Scenario {
  return {
    operations: 1000,
    unit: 'multiply-add',
    run: () => {
      let x = 1;
      for (let i = 0; i < 1000; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
      return x >>> 0;
    },
    check: (result) => result === CALIBRATION_RESULT,
  };
}

// 1,000 steps of x <- 1664525 x + 1013904223 mod 2^32 from 1, computed with exact integers
const CALIBRATION_RESULT = Number(
  (() => {
    let x = 1n;
    for (let i = 0; i < 1000; i++) x = (x * 1664525n + 1013904223n) & 0xffffffffn;
    return x;
  })(),
);

// prettier-ignore
const REGISTERS: readonly (readonly [offset: number, size: number])[] = [
  [0x00, 4], [0x04, 4], [0x08, 4], [0x0c, 4], [0x10, 2], [0x12, 2], [0x14, 1], [0x15, 1], [0x16, 2], [0x18, 2],
  [0x1a, 2], [0x1c, 2], [0x1e, 2], [0x20, 4], [0x24, 4], [0x28, 4], [0x2c, 4], [0x30, 4], [0x34, 4], [0x38, 2],
];

const READS = 1000;

function inOrder(i: number): number {
  return i % REGISTERS.length;
}

function pseudoRandom(i: number): number {
  return ((Math.imul(i + 1, 0x9e3779b1) >>> 16) * REGISTERS.length) >>> 16;
}

/** Reads of the common configuration through the public register API. */
function registerRead(order: (i: number) => number): Scenario {
  const { nic } = new Machine({ mode: 'functional', totalVfs: 1 });
  const offsets = Uint32Array.from({ length: READS }, (_, i) => REGISTERS[order(i)]![0]);
  const sizes = Uint32Array.from({ length: READS }, (_, i) => REGISTERS[order(i)]![1]);
  const sum = (): number => {
    let total = 0;
    for (let i = 0; i < READS; i++) total += nic.read(0, 2, offsets[i]!, sizes[i]!);
    return total;
  };
  const view = new DataView(nic.core.u8.buffer);
  let expected = 0;
  // the same registers by a second way: one byte at a time
  for (let i = 0; i < READS; i++) {
    for (let b = 0; b < sizes[i]!; b++) view.setUint8(b, nic.read(0, 2, offsets[i]! + b, 1));
    expected += sizes[i] === 4 ? view.getUint32(0, true) : sizes[i] === 2 ? view.getUint16(0, true) : view.getUint8(0);
  }
  return { operations: READS, unit: 'read', run: sum, check: (result) => result === expected };
}

const COMMANDS = 64;

/**
 * Legacy register reads as admin commands, 16 with one doorbell, from the doorbell to the answer seen in the used ring.
 * The commands are laid out once, as indirect chains of Linux's shape; what is measured is the card and the ring, not
 * the building of commands.
 */
function adminCommand(mode: NicMode, inFlight = 16): OneCard {
  const machine = new Machine({ mode, totalVfs: 1 });
  const ring = new AdminRing(machine);
  const run = (): number => {
    let answered = 0;
    for (let i = 0; i < COMMANDS; i += inFlight) {
      ring.submit(inFlight);
      machine.settle();
      answered += ring.collect();
    }
    return answered;
  };
  return { nic: machine.nic, operations: COMMANDS, unit: 'command', run, check: (result) => result === COMMANDS };
}

const FRAMES = 128;

/** 64-byte frames from one VF to the wire, 64 with one doorbell; `vfs` exist. With a trace ring everything is recorded. */
function transmit64(mode: NicMode, vfs: number, more: NicConfig = {}): OneCard {
  const machine = new Machine({ mode, totalVfs: vfs, wire: 'discard', ...more });
  const isTraced = more.traceBytes !== undefined;
  if (isTraced) machine.nic.startTrace(TRACE.MASK_TLP | TRACE.MASK_STATE);
  const driver = machine.startModern(1);
  const queue = driver.tx[0]!;
  const frame = new Uint8Array(64);
  frame.set([2, 0, 0, 0, 0, 9, ...driver.mac, 0x88, 0xb5]);
  // every buffer of the ring holds the frame: a packet generator does not write it again
  for (let n = 0; n < queue.ring.size; n++) queue.enqueue(frame);
  queue.flush();
  machine.settle();
  queue.reclaim();
  const run = (): number => {
    const before = queue.completed;
    if (isTraced) machine.nic.takeTrace();
    for (let i = 0; i < FRAMES; i += 64) {
      for (let n = 0; n < 64; n++) {
        queue.reserve();
        queue.commit(64);
      }
      queue.flush();
      machine.settle();
      queue.reclaim();
    }
    return queue.completed - before;
  };
  return { nic: machine.nic, operations: FRAMES, unit: 'frame', run, check: (result) => result === FRAMES };
}

/** A scenario that is measured by what its card counts: simulated cycles or events of one run are the operations. */
function counted(unit: string, scenario: OneCard, count: (nic: Nic) => number): Scenario {
  scenario.run();
  const before = count(scenario.nic);
  scenario.run();
  return { ...scenario, operations: count(scenario.nic) - before, unit };
}

/** Jumps of 40 ms of simulated time. */
const IDLE_CYCLES = 1e10;

/** A card with nothing to do: the clock jumps. One call is so short that many are timed together. */
function idleCycles(): Scenario {
  const { nic } = new Machine({ totalVfs: 1 });
  const run = (): number => {
    const before = nic.now();
    for (let i = 0; i < READS; i++) nic.advance(nic.now() + IDLE_CYCLES / READS);
    return nic.now() - before;
  };
  // what a jump costs does not depend on its length
  return { operations: IDLE_CYCLES, unit: 'cycle', run, check: (result) => result === IDLE_CYCLES };
}

/** Register reads in timed mode: each crosses the link twice, and time passes. */
function mmioRead(): Scenario {
  const { nic } = new Machine({ totalVfs: 1 });
  const run = (): number => {
    let total = 0;
    for (let i = 0; i < READS; i++) total += nic.read(0, 2, 0x12, 2);
    return total;
  };
  const queues = nic.read(0, 2, 0x12, 2);
  return { operations: READS, unit: 'read', run, check: (result) => result === READS * queues };
}

/**
 * All VFs of a card get another profile from a provisioning file, which is read, planned and applied; they are enabled and
 * probed by the variant driver. One operation is one VF; VFs that are there are disabled first.
 */
function provision(vfs: number): Scenario {
  const machine = new Machine({ mode: 'functional', totalVfs: vfs, numVfs: 0, windowBytes: 4 << 20 });
  const target = machineTarget(machine);
  const { nic, bus, pf } = machine;
  let mtu = 1500;
  const run = (): number => {
    mtu = mtu === 9000 ? 68 : mtu + 1; // another one each time, so that every profile changes
    const functions = [{ vfs: `1-${vfs}`, mtu, vlan: 1 + ((mtu & 0xfff) % 4094), spoofCheck: true, trust: false }];
    executePlan(target, makePlan(target, readProvisionFile(JSON.stringify({ functions, numVfs: vfs }), nic.config)));
    let probed = 0;
    for (let vf = 1; vf <= vfs; vf++) {
      const device = new VirtioVfioPci(new VfioPci(nic, vf, bus), pf.admin, vf - 1);
      if (device.kind === 'trans-lm' && nic.read(vf, 2, 0x200a, 2) === mtu) probed++;
    }
    return probed;
  };
  return { operations: vfs, unit: 'VF', run, check: (result) => result === vfs };
}
