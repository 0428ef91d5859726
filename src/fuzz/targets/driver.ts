// SPDX-License-Identifier: Apache-2.0
// Fuzz target `driver`: a malicious device against the drivers of this project. An input chooses a driver, then alternates
// lies of the device and operations of the program. Oracle O13: an operation works, or ends by a typed error.
import { NicError } from '../../util/errors.ts';
import { VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_NUM_REGIONS } from '../../vfio/vfio_device.ts';
import type { FuzzTarget, Violation } from '../target.ts';
import { Breach } from './breach.ts';
import type { DeviceQueue } from './driver_queue.ts';
import { driverSeeds, DRIVER_GRAMMAR, KIND, KINDS } from './driver_seeds.ts';
import type { Scenario } from './driver_scenario.ts';
import { OPERATIONS, scenarioOf, SCENARIOS } from './driver_scenarios.ts';
import { DriverWorld, STEP } from './driver_world.ts';
import { decodeRecords, mutateRecords, record, shrinkRecords, type FuzzRecord } from './records.ts';

/** Sizes of a region that a lie chooses from. */
const REGION_SIZES = [0, 1, 64, 0x1000, 0x2000, 0x8000_0000, 2 ** 52, 4096];
const STORM = 32;

export class DriverTarget implements FuzzTarget {
  readonly name = 'driver';
  private readonly world = new DriverWorld();

  collectNew(): number {
    return this.world.observer.collectNew();
  }

  /** There is nothing that run() leaves out. */
  check(input: Uint8Array): Violation | null {
    return this.run(input);
  }

  run(input: Uint8Array): Violation | null {
    const { world } = this;
    const [first = record(0), ...records] = world.begin(input);
    const scenario = scenarioOf(world, first);
    let isStarted = false;
    for (const entry of records) {
      const isOperation = entry.kind % KINDS === KIND.OPERATION;
      if (isOperation && !isStarted) {
        isStarted = true;
        const broken = this.attempt(OPERATIONS.length, () => scenario.start());
        if (broken !== null) return broken;
      }
      const operation = entry.arg % OPERATIONS.length;
      const broken = this.attempt(isOperation ? operation : OPERATIONS.length + 1 + (entry.kind % KINDS), () => {
        if (isOperation) scenario.operate(operation, entry.at, entry.value);
        else this.lie(scenario, entry);
      });
      if (broken !== null) return broken;
    }
    if (!isStarted) {
      const broken = this.attempt(OPERATIONS.length, () => scenario.start());
      if (broken !== null) return broken;
    }
    const at = world.memory.brokenGuard();
    return at < 0 ? null : violation(`a byte between the driver's buffers was written, at ${at}`);
  }

  traceHash(): string {
    return this.world.observer.traceHash();
  }

  seeds(): Uint8Array[] {
    return driverSeeds();
  }

  mutate(input: Uint8Array, other: Uint8Array, random: () => number): Uint8Array {
    return mutateRecords(input, other, random, DRIVER_GRAMMAR);
  }

  shrink(input: Uint8Array): Iterable<Uint8Array> {
    return shrinkRecords(input);
  }

  describe(input: Uint8Array): string[] {
    return decodeRecords(input).map((entry, i) => (i === 0 ? describeFirst(entry) : describeRecord(entry)));
  }

  /** Runs one operation; what it broke, null if it worked or ended as it may. */
  private attempt(shape: number, work: () => void): Violation | null {
    const { observer } = this.world;
    this.world.operation();
    try {
      work();
      observer.step(STEP.RESULT + shape, 0);
      return null;
    } catch (error) {
      if (error instanceof Breach) return violation(error.message);
      if (!(error instanceof NicError)) return violation(`an error without a type: ${String(error)}`);
      observer.text(STEP.ERROR + shape, `${error.code} ${error.message}`);
      return null;
    }
  }

  private lie(scenario: Scenario, { kind, arg, at, value }: FuzzRecord): void {
    const { world } = this;
    const fn = scenario.functions[(arg >>> 7) % scenario.functions.length]!;
    switch (kind % KINDS) {
      case KIND.REGISTER:
        world.readLies.push({
          where: arg & 7,
          mode: (arg >>> 3) & 7,
          offset: at & 0xfff,
          value,
          skip: at >>> 12,
          reads: 0,
        });
        return;
      case KIND.CONFIG:
        for (let i = 0; i < 1 << (arg & 3) && i < 4; i++) fn.config[(at + i) & 0xfff] = value >>> (8 * i);
        return;
      case KIND.USED: {
        const lie = { id: (arg >>> 3) & 7, length: at & 3, step: (at >>> 2) & 7, value };
        const lies = world.usedLies.get(arg & 7) ?? [];
        for (let i = (at >>> 5) & 3; i >= 0; i--) lies.push(lie);
        world.usedLies.set(arg & 7, lies);
        return;
      }
      case KIND.INTERRUPT:
        for (let i = at % STORM; i >= 0; i--) {
          if ((arg & 3) === 3) fn.raiseConfig();
          else fn.raise((arg & 1) === 0 ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_INTX_IRQ_INDEX, value & 15);
        }
        return;
      case KIND.ADMIN:
        world.adminLies.push({ mode: arg & 7, status: at, value });
        return;
      case KIND.MEMORY: {
        const ring = fn.ring(at >>> 13) ?? fn.ring(at >>> 13 === 7 ? 5 : 0);
        if (ring !== null) this.scribble(ring, arg & 7, at & 0x1fff, value);
        return;
      }
      case KIND.HOST:
        if ((arg & 3) === 0) fn.regions[at % VFIO_PCI_NUM_REGIONS] = REGION_SIZES[value % REGION_SIZES.length]!;
        else if ((arg & 3) === 1) fn.irqCounts[at % 3] = value % 16;
        else if ((arg & 3) === 2) fn.failsIn = at;
        return;
      default:
        world.silent = at & 0xff;
        world.behaviour = arg & 0xf;
    }
  }

  /** The device writes where it can reach: the used ring, the driver's parts of the ring, or buffers that it holds. */
  private scribble(ring: DeviceQueue, where: number, offset: number, value: number): void {
    ring.take();
    const { view } = this.world.memory;
    const { desc, avail, used, size } = ring.place;
    if (where < 4) {
      const buffers = [...ring.held.values()].flatMap(({ segments }) => segments).filter((part) => part.length >= 4);
      const buffer = buffers[offset % Math.max(1, buffers.length)];
      if (buffer?.isWritable === true)
        view.setUint32(buffer.at + (where & 1) * Math.min(8, buffer.length - 4), value, true);
      return;
    }
    const [at, bytes] = (
      [
        [used, 6 + 8 * size],
        [used, 6 + 8 * size],
        [desc, 16 * size],
        [avail, 6 + 2 * size],
      ] as const
    )[where - 4]!;
    view.setUint16(at + 2 * (offset % (bytes >> 1)), value & 0xffff, true);
    ring.isTainted = true;
  }
}

function violation(message: string): Violation {
  return { oracle: 'O13', message };
}

function describeFirst({ kind, arg, at, value }: FuzzRecord): string {
  const name = SCENARIOS[kind % SCENARIOS.length]!;
  return `driver ${name}, options ${hex(arg)}, offered features changed by ${hex(value)} ${hex(at)}`;
}

function describeRecord({ kind, arg, at, value }: FuzzRecord): string {
  const where = ['common', 'common', 'device config', 'isr', 'BAR0', 'config', 'config', 'config'][arg & 7]!;
  switch (kind % KINDS) {
    case KIND.OPERATION:
      return `${OPERATIONS[arg % OPERATIONS.length]!} ${at}, ${hex(value)}`;
    case KIND.REGISTER:
      return `${where} + ${hex(at & 0xfff)} answers in mode ${(arg >>> 3) & 7} with ${hex(value)} after ${at >>> 12} reads`;
    case KIND.CONFIG:
      return `configuration space at ${hex(at & 0xfff)} becomes ${hex(value)}`;
    case KIND.USED:
      return `queue ${arg & 7} returns id kind ${(arg >>> 3) & 7}, length kind ${at & 3}, step kind ${(at >>> 2) & 7}, ${hex(value)}`;
    case KIND.INTERRUPT:
      return `${(at % STORM) + 1} interrupts of kind ${arg & 3}, vector ${value & 15}`;
    case KIND.ADMIN:
      return `an admin answer of kind ${arg & 7} with ${at}, ${hex(value)}`;
    case KIND.MEMORY:
      return `memory of queue ${at >>> 13}, place ${arg & 7} + ${at & 0x1fff}, becomes ${hex(value)}`;
    case KIND.HOST:
      return `the host changes thing ${arg & 3} of ${at} to ${hex(value)}`;
    default:
      return `the device behaves as ${hex(arg & 0xf)}, queues ${hex(at & 0xff)} are silent`;
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
