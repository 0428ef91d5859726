// SPDX-License-Identifier: Apache-2.0
// A card on the instrumented core, with the guest memory of layout.ts: put back to where it was after every execution. Its
// pins are called without the handle, which would deliver interrupts and frames to handlers that nobody has.
import { DIRTY_COUNT, DIRTY_LIST, DIRTY_PAGE_SHIFT, FUEL } from '../../assembly/abi/fuzz_memory.ts';
import { STATUS_DEVICE_NEEDS_RESET, STATUS_DRIVER_OK } from '../../assembly/abi/device_status.ts';
import { CONTROL, FUNCTIONS as FUNCTION_BLOCKS } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import * as FN from '../../assembly/abi/function.ts';
import { IOMMU_READ, IOMMU_WRITE } from '../../assembly/abi/state_value.ts';
import { COMMON_DEVICE_STATUS } from '../../assembly/abi/virtio_pci_common.ts';
import { isInstrumented, type InstrumentedPins } from '../core/instance.ts';
import { enumerate, type BusLayout } from '../device/bus.ts';
import { checkCreate, createNic, type CreateOptions, type Nic } from '../device/nic.ts';
import type { NicMode } from '../device/profile.ts';
import { NicError } from '../util/errors.ts';
import { FUNCTIONS, MAPPED_BYTES, QUEUE_SIZE, SLICE_BYTES, SLICE_IOVA } from './layout.ts';

/** Turns of loops that one execution may take: some hundred times what the longest good one takes. */
const FUEL_PER_RUN = 2_000_000;
const CONTROL_BYTES = 0x200;

/** Told of what a program does, and of what the card does in turn. */
export interface AccessObserver {
  /** Behind the read of a BAR. */
  read(fn: number, bar: number, offset: number, size: number, value: number): void;
  /** Before the write to a BAR. */
  write(fn: number, bar: number, offset: number, size: number, value: number): void;
  /** Behind the read. */
  configRead(fn: number, offset: number, size: number, value: number): void;
  /** After the write. */
  configWrite(fn: number, offset: number, size: number, value: number): void;
  /** A function level reset was written. */
  functionReset(fn: number): void;
  /** Somebody acted on the function who is not seen here: a legacy driver, a window to its registers. */
  cannotFollow(fn: number): void;
  /** A control command was given. */
  addressMayChange(fn: number): void;
  /** Administration commands may have been given that are not seen here. */
  commandsUnknown(): void;
  /** An administration command was answered at once. */
  answered(command: Uint8Array, writable: Uint8Array, usedLength: number): void;
  /** The card sent an MSI-X message. */
  message(fn: number, vector: number): void;
  /** Nothing is under way between card and host. */
  settled(): void;
}

/** The card under the fuzzer. */
export class FuzzCard {
  readonly nic: Nic;
  readonly bus: BusLayout;
  readonly pins: InstrumentedPins;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly mode: NicMode;
  /** Address in linear memory of function 0's slice. */
  readonly slices: number;
  observer: AccessObserver | null = null;

  /**
   * `options.module`: another instrumented core, one with a planted bug for instance. `traceBytes`: room for records of
   * a replay.
   */
  constructor(mode: NicMode, options: CreateOptions = {}, traceBytes = 0) {
    checkCreate(options);
    this.mode = mode;
    this.nic = createNic(
      {
        mode,
        totalVfs: FUNCTIONS - 1,
        queueSize: QUEUE_SIZE,
        adminQueueSize: QUEUE_SIZE,
        windowBytes: FUNCTIONS * SLICE_BYTES,
        traceBytes,
      },
      options.module === undefined ? { build: 'instrumented' } : options,
    );
    const { pins, u8, u16, u32, windowBase } = this.nic.core;
    if (!isInstrumented(pins)) throw new NicError('CORE', 'the module is no instrumented core; take nic.fuzz.wasm');
    this.pins = pins;
    this.u8 = u8;
    this.u16 = u16;
    this.u32 = u32;
    this.slices = windowBase;
    this.bus = enumerate(this.nic);
    for (let fn = 0; fn < FUNCTIONS; fn++) {
      this.nic.allocateIoas(); // number fn
      this.mapSlice(fn);
    }
    pins.forgetSeen();
    this.keep();
  }

  /** Maps a function's slice in its address space, and attaches it. */
  mapSlice(fn: number): void {
    this.pins.dmaMap(fn, SLICE_IOVA, MAPPED_BYTES, fn * SLICE_BYTES, IOMMU_READ | IOMMU_WRITE);
    this.pins.attachIoas(fn, fn);
  }

  /** Takes the state as the one that every execution starts from. */
  keep(): void {
    this.pins.keep();
    this.begin();
  }

  /** Puts the card back to the state kept. */
  reset(): void {
    this.pins.reset();
    this.begin();
  }

  private begin(): void {
    this.pins.willWrite(CONTROL, CONTROL_BYTES); // the host's ends of the rings
    this.u32[FUEL >> 2] = FUEL_PER_RUN;
  }

  // ---- register accesses ----------------------------------------------------------------------------------------------

  /** Read of 1, 2 or 4 bytes of a BAR, without the checks of Nic. */
  read(fn: number, bar: number, offset: number, size: number): number {
    const value = this.pins.mmioRead(fn, bar, offset, size) >>> 0;
    if (this.observer !== null) this.observer.read(fn, bar, offset, size, value);
    return value;
  }

  /** Write of 1, 2 or 4 bytes of a BAR, without the checks of Nic. */
  write(fn: number, bar: number, offset: number, size: number, value: number): void {
    if (this.observer !== null) this.observer.write(fn, bar, offset, size, value);
    this.pins.mmioWrite(fn, bar, offset, size, value);
  }

  /** Read of 1, 2 or 4 bytes of configuration space, without the checks of Nic. */
  configRead(fn: number, offset: number, size: number): number {
    const value = this.pins.configRead(fn, offset, size) >>> 0;
    if (this.observer !== null) this.observer.configRead(fn, offset, size, value);
    return value;
  }

  /** Write of 1, 2 or 4 bytes of configuration space, without the checks of Nic. */
  configWrite(fn: number, offset: number, size: number, value: number): void {
    this.pins.configWrite(fn, offset, size, value);
    if (this.observer !== null) this.observer.configWrite(fn, offset, size, value);
  }

  // ---- books -------------------------------------------------------------------------------------------------------------

  /** Did the last trap come because the work had no end? */
  get isOutOfFuel(): boolean {
    return this.u32[FUEL >> 2] === 0;
  }

  /** Calls `visit` with the address of every page that changed since the state was kept. */
  forEachChangedPage(visit: (at: number) => void): void {
    const count = this.u32[DIRTY_COUNT >> 2]!;
    for (let i = 0; i < count; i++) visit(this.u32[(DIRTY_LIST >> 2) + i]! << DIRTY_PAGE_SHIFT);
  }

  /** Two bytes of configuration space, without an access. */
  peekConfig(fn: number, offset: number): number {
    return this.u16[(FUNCTION_BLOCKS + fn * FN.STRIDE + FN.CONFIG + offset) >> 1]!;
  }

  /** Address in linear memory of `offset` in a function's slice. */
  at(fn: number, offset: number): number {
    return this.slices + fn * SLICE_BYTES + offset;
  }

  /** Would a doorbell of the function count: does it decode memory, is its driver ready? */
  isRunning(fn: number): boolean {
    const block = FUNCTION_BLOCKS + fn * FN.STRIDE;
    return (
      this.u8[block + FN.MEMORY] === 1 && (this.u8[block + FN.COMMON + COMMON_DEVICE_STATUS]! & STATUS_DRIVER_OK) !== 0
    );
  }

  /** Does the function ask for a reset, or was it reset? */
  hasStopped(fn: number): boolean {
    const status = this.u8[FUNCTION_BLOCKS + fn * FN.STRIDE + FN.COMMON + COMMON_DEVICE_STATUS]!;
    return (status & STATUS_DEVICE_NEEDS_RESET) !== 0 || (status & STATUS_DRIVER_OK) === 0;
  }

  /** May the function send requests: is Bus Master Enable set? */
  isMaster(fn: number): boolean {
    return this.u8[FUNCTION_BLOCKS + fn * FN.STRIDE + FN.BUS_MASTER] === 1;
  }

  /** Is a frame from the wire still on its way in? */
  isWireBusy(): boolean {
    return this.u32[CTL.WIRE_IN_BYTES >> 2] !== 0;
  }
}
