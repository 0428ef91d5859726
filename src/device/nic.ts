// SPDX-License-Identifier: Apache-2.0
// The handle of a card: register access, time, address spaces, outputs, snapshots. Synchronous throughout. What comes
// out of the card reaches its handlers before the call that caused it returns; in a handler, when it ends or advances time.
import { RUN_EVENT, RUN_IDLE } from '../../assembly/abi/event_code.ts';
import { FRAME_BYTES_MAX, FUNCTIONS, OUT_RECORDS, OUT_RING, WIRE_INPUT } from '../../assembly/abi/state_map.ts';
import {
  CTL_DECODED_OFFSET,
  CTL_EVENTS_RUN,
  CTL_OUT_HEAD,
  CTL_OUT_TAIL,
  CTL_WIRE_IN_BYTES,
} from '../../assembly/abi/control.ts';
import { FN_PRESENT, FN_ROUTING_ID, FN_STRIDE } from '../../assembly/abi/function.ts';
import { IOAS_STRIDE } from '../../assembly/abi/address_space.ts';
import { OUT_RECORD_BYTES } from '../../assembly/abi/record.ts';
import { NONE } from '../../assembly/abi/state_value.ts';
import { createInstance, putSnapshot, takeSnapshot, type CoreInstance, type Pins } from '../core/instance.ts';
import { loadCore, type CoreBuild, type CoreModule } from '../core/load.ts';
import { NicError } from '../util/errors.ts';
import type { AdminRecord } from './admin_record.ts';
import { resolveConfig, type NicConfig, type ResolvedConfig } from './config.ts';
import { cardCounters, functionCounters, linkTraffic, type Counters } from './counters.ts';
import { OutputRing } from './output_ring.ts';
import type { AdvanceReason, FrameHandler, InterruptHandler, MsiMessage, LinkTraffic } from './outputs.ts';
import { IommuState } from './iommu.ts';
import { ForeignTable, type ForeignMemory, type LateRead } from './foreign.ts';
import { injectAdmin, putReadFault, type AdminInjection, type ReadFault } from './injection.ts';
import type { FunctionProfile, ProvisionedFunction } from './function_profile.ts';
import { ProfileTable } from './provision.ts';
import { resolveProfile, type ResolvedProfile } from './profile.ts';
import { TraceRing } from './trace_ring.ts';
import { takeWindow } from './window.ts';

export type { AdvanceReason, InterruptHandler, MsiMessage, LinkTraffic } from './outputs.ts';

/** Latest time that advance() takes: cycles are exact as a number up to here. */
const LAST_CYCLE = Number.MAX_SAFE_INTEGER;

/** Bit n: an access of n bytes exists. A shift and a mask where three comparisons would stand on the hot path. */
const ACCESS_SIZES = (1 << 1) | (1 << 2) | (1 << 4);

function isAccess(offset: number, size: number): boolean {
  return ((ACCESS_SIZES >>> size) & 1) !== 0 && (offset & (size - 1)) === 0;
}

/** A card. Function 0 is the PF, function n is VF n (member n of the SR-IOV group); those on demand follow the last VF. */
export class Nic {
  readonly config: ResolvedConfig;
  readonly profile: ResolvedProfile;
  /** The core's views, for the layers that need memory (address spaces, drivers' windows). */
  readonly core: CoreInstance;
  /** Dirty pages and faults of the address spaces. */
  readonly iommu: IommuState;
  private readonly pins: Pins;
  private readonly u32: Uint32Array;
  private readonly outputs: OutputRing;
  private readonly isFunctional: boolean;
  private readonly trace: TraceRing;
  private readonly profiles: ProfileTable;
  private readonly lastFn: number;
  private isDraining = false;
  private readonly foreign = new ForeignTable();

  constructor(module: CoreModule, config: NicConfig) {
    this.config = resolveConfig(config);
    this.profile = resolveProfile(this.config.mode, config.profile, config.profileName);
    this.core = createInstance(module, {
      functions: this.functions(),
      windowBytes: this.config.windowBytes,
      traceBytes: this.config.traceBytes,
      config: this.config.words,
      params: this.profile.words,
      foreign: this.foreign,
    });
    this.pins = this.core.pins;
    this.iommu = new IommuState(this.core, this.functions());
    this.trace = new TraceRing(this.core);
    this.u32 = this.core.u32;
    this.isFunctional = this.config.mode === 'functional';
    this.profiles = new ProfileTable(this.core, this.config);
    this.lastFn = this.functions() - 1;
    this.outputs = new OutputRing(this.core, this.functions());
  }

  // ---- register access ------------------------------------------------------------------------------------------------

  /** Memory read of 1, 2 or 4 naturally aligned bytes in a BAR; all ones where no register answers. */
  read(fn: number, bar: number, offset: number, size: number): number {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    const value = this.pins.mmioRead(fn, bar, offset, size) >>> 0;
    if (this.u32[CTL_OUT_HEAD >> 2] !== this.u32[CTL_OUT_TAIL >> 2]) this.drain();
    return value;
  }

  /** Posted memory write in a BAR. */
  write(fn: number, bar: number, offset: number, size: number, value: number): void {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    this.pins.mmioWrite(fn, bar, offset, size, value);
    if (this.u32[CTL_OUT_HEAD >> 2] !== this.u32[CTL_OUT_TAIL >> 2]) this.drain();
  }

  /** Configuration read of 1, 2 or 4 aligned bytes as the hardware answers it. */
  configRead(fn: number, offset: number, size: number): number {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    const value = this.pins.configRead(fn, offset, size) >>> 0;
    if (this.u32[CTL_OUT_HEAD >> 2] !== this.u32[CTL_OUT_TAIL >> 2]) this.drain();
    return value;
  }

  configWrite(fn: number, offset: number, size: number, value: number): void {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    this.pins.configWrite(fn, offset, size, value);
    if (this.u32[CTL_OUT_HEAD >> 2] !== this.u32[CTL_OUT_TAIL >> 2]) this.drain();
  }

  /** Function that answers to a routing id; -1 if none does. */
  functionAt(routingId: number): number {
    const fn = this.pins.findRoutingId(routingId) >>> 0;
    return fn === NONE ? -1 : fn;
  }

  /** Who claims a memory address on the bus; null if nobody does. */
  decode(address: number): { fn: number; bar: number; offset: number } | null {
    const found = this.pins.findAddress(address) >>> 0;
    if (found === NONE) return null;
    return { fn: found >> 3, bar: found & 7, offset: this.u32[CTL_DECODED_OFFSET >> 2]! };
  }

  routingId(fn: number): number {
    return this.u32[(this.functionBase(fn) + FN_ROUTING_ID) >> 2]!;
  }

  /** Functions of the card: the PF, its VFs, those on demand; the last has the number below. */
  functions(): number {
    return 1 + this.config.totalVfs + this.config.onDemandFunctions;
  }

  /** Is the function there? The PF always, a VF while it is enabled, one on demand while it is created. */
  isPresent(fn: number): boolean {
    return this.core.u8[this.functionBase(fn) + FN_PRESENT] !== 0;
  }

  private refuse(fn: number, offset: number, size: number): never {
    this.functionBase(fn);
    throw new NicError(
      'ACCESS',
      `access of ${size} bytes at offset ${offset}: a register access is 1, 2 or 4 bytes, naturally aligned`,
    );
  }

  private functionBase(fn: number): number {
    if (!Number.isInteger(fn) || fn < 0 || fn > this.lastFn) {
      const { totalVfs } = this.config;
      const others = this.lastFn === totalVfs ? '' : `, functions on demand ${totalVfs + 1}..${this.lastFn}`;
      throw new NicError('FUNCTION', `function ${fn} does not exist; 0 is the PF, VFs are 1..${totalVfs}${others}`);
    }
    return FUNCTIONS + fn * FN_STRIDE;
  }

  // ---- provisioning -----------------------------------------------------------------------------------------------------

  /**
   * Says what a VF or a function on demand is made as when it comes into being. Throws NicError EINVAL for bad values (all
   * are named), EBUSY for a function that is there (only the vectors of a VF without driver may change), ENOSPC.
   */
  provision(fn: number, profile: FunctionProfile): void {
    this.functionBase(fn);
    if (this.profiles.write(fn, profile)) this.pins.changeVectors(fn);
  }

  /** What the function is provisioned as. */
  provisioned(fn: number): ProvisionedFunction {
    this.functionBase(fn);
    return this.profiles.read(fn);
  }

  /** What provision() makes of a profile: every value filled in. Throws NicError EINVAL as it does. */
  completeProfile(fn: number, profile: FunctionProfile): ProvisionedFunction {
    this.functionBase(fn);
    return this.profiles.complete(fn, profile);
  }

  /** MSI-X vectors of the pool `vfVectorPool` that are given to VFs. */
  vfVectorsInUse(): number {
    return this.profiles.vectorsInUse();
  }

  /**
   * Brings a function on demand into being as it is provisioned. Its DMA carries the PF's requester id and `pasid` (20 bits;
   * null: none). Throws NicError EINVAL for a PF, VF or bad PASID, EEXIST if the function is there or the PASID in use.
   */
  createFunction(fn: number, pasid: number | null): void {
    this.functionBase(fn);
    this.profiles.checkCreate(fn, pasid);
    this.pins.createFunction(fn, pasid ?? NONE);
  }

  /**
   * Takes a function on demand away: it stops at once, what it has put on the link arrives before the call returns, and it
   * is detached from its address space. Throws NicError EINVAL as above, ENODEV if it is not there.
   */
  destroyFunction(fn: number): void {
    this.functionBase(fn);
    this.profiles.checkDestroy(fn);
    this.pins.destroyFunction(fn);
    this.drain();
  }

  /** PASID that the function's DMA carries; null if it carries none. */
  pasid(fn: number): number | null {
    this.functionBase(fn);
    return this.profiles.pasid(fn);
  }

  // ---- time ---------------------------------------------------------------------------------------------------------------

  /** Core cycles since creation. */
  now(): number {
    return this.pins.now();
  }

  /** Core cycles as picoseconds. */
  toPs(cycles: number): number {
    return cycles * this.profile.clockPs;
  }

  /** Cycle of the next event inside the card; Infinity if nothing is left to do. */
  nextEventTime(): number {
    return this.pins.nextEvent();
  }

  /** Runs up to cycle `until`. With `stopOnOutput` it returns behind the first output. */
  advance(until: number, stopOnOutput = false): { now: number; why: AdvanceReason } {
    if (!(until >= 0 && until <= LAST_CYCLE)) {
      throw new NicError('TIME', `advance to ${until}: cycles from 0 to 2^53 - 1; runToIdle() has no limit`);
    }
    while (true) {
      const why = this.pins.advance(Math.max(until, this.pins.now()), stopOnOutput);
      if (this.trace.makeRoom() && !this.hasOutput()) continue;
      this.drain(true);
      if (why === RUN_EVENT && !stopOnOutput) continue; // the output ring was full
      return { now: this.pins.now(), why: why === RUN_EVENT ? 'event' : why === RUN_IDLE ? 'idle' : 'reached' };
    }
  }

  /** Runs to the next output; false if the card went idle without any. Time stands at the last event. */
  runToOutput(): boolean {
    let why: number;
    do {
      why = this.pins.runToIdle(true);
    } while (this.trace.makeRoom() && !this.hasOutput());
    this.drain(true);
    return why === RUN_EVENT;
  }

  /** Runs until nothing is left to do. Time stands at the last thing that happened. */
  runToIdle(): void {
    let why: number;
    do {
      why = this.pins.runToIdle(false);
      this.trace.makeRoom();
      this.drain(true);
    } while (why === RUN_EVENT || this.pins.nextEvent() !== Infinity);
  }

  // ---- outputs ----------------------------------------------------------------------------------------------------------------

  /** Handler of one MSI-X vector; null takes it away. */
  onVector(fn: number, vector: number, handler: InterruptHandler | null): void {
    this.outputs.onVector(fn, vector, handler);
  }

  /** Handler of the PF's INTx line; gets the new level. */
  onIntx(handler: InterruptHandler | null): void {
    this.outputs.intx = handler;
  }

  /** Handler of every MSI-X message, beside those of the vectors. */
  onMessage(handler: ((message: MsiMessage) => void) | null): void {
    this.outputs.messages = handler;
  }

  /** Handler of frames that leave on the wire. The bytes are valid during the call. */
  onFrame(handler: FrameHandler | null): void {
    this.outputs.frames = handler;
  }

  /** Handler of admin command records; needs `traceAdmin`. */
  onAdminCommand(handler: ((record: AdminRecord) => void) | null): void {
    this.outputs.records = handler;
  }

  /** Offers a frame to the wire port; false while the one before is still arriving. */
  receiveFrame(frame: Uint8Array): boolean {
    if (frame.length < 14 || frame.length > FRAME_BYTES_MAX) {
      throw new NicError('FRAME', `a frame of ${frame.length} bytes cannot arrive; 14..${FRAME_BYTES_MAX} can`);
    }
    if (this.u32[CTL_WIRE_IN_BYTES >> 2] !== 0) return false;
    this.core.u8.set(frame, WIRE_INPUT);
    const isTaken = this.pins.receiveFrame(frame.length);
    this.drain();
    return Boolean(isTaken);
  }

  /** Takes the wire's link up or down; every function's status follows, with a configuration change notification. */
  setLink(isUp: boolean): void {
    this.pins.setWireLink(isUp);
    this.drain();
  }

  /** Hands out what came; to a handler only where it lets time pass (`isWaiting`): else the loop around it goes on. */
  private drain(isWaiting = false): void {
    const { u32, isDraining } = this;
    if ((isDraining && !isWaiting) || this.foreign.isBusy) return;
    this.isDraining = true;
    try {
      do {
        while (u32[CTL_OUT_HEAD >> 2] !== u32[CTL_OUT_TAIL >> 2]) {
          const tail = u32[CTL_OUT_TAIL >> 2]!;
          u32[CTL_OUT_TAIL >> 2] = tail + 1; // before its handler runs, which may wait for the next one, or throw
          this.outputs.deliver((OUT_RING + (tail & (OUT_RECORDS - 1)) * OUT_RECORD_BYTES) >> 2);
        }
      } while (this.isFunctional && this.hasWorkNow());
    } finally {
      this.isDraining = isDraining;
    }
  }

  /** Functional mode: what waited for room in the output ring is done before the caller goes on. */
  private hasWorkNow(): boolean {
    const now = this.pins.now();
    if (this.pins.nextEvent() > now) return false;
    this.pins.advance(now, false);
    return true;
  }

  /**
   * Answers the next `count` admin commands (those with `opcode`, or any) with a status of the caller's choice, without
   * executing them: how does a driver take EAGAIN, ENOMEM, a status from the future? Commands that are refused by the
   * rules of the specification are not counted.
   */
  injectAdminStatus(answer: AdminInjection): void {
    injectAdmin(this.core, answer);
  }

  /** Spoils the next `count` completions of the card's reads: what does the card, and its driver, make of that? */
  injectReadFault(fault: ReadFault, count = 1): void {
    putReadFault(this.core, fault, count);
  }

  // ---- trace ------------------------------------------------------------------------------------------------------------------

  /** Records from now on what `mask` asks for (TRACE_MASK_*). Throws NicError TRACE on a card without `traceBytes`. */
  startTrace(mask: number): void {
    this.trace.start(mask);
  }

  stopTrace(): void {
    this.trace.stop();
  }

  /** The records since the last call, oldest first; empty if there are none. */
  takeTrace(): Uint8Array {
    return this.trace.take();
  }

  /** Records for which the ring had no room, since creation. */
  lostTraceRecords(): number {
    return this.trace.lost();
  }

  private hasOutput(): boolean {
    return this.u32[CTL_OUT_HEAD >> 2] !== this.u32[CTL_OUT_TAIL >> 2];
  }

  // ---- address spaces ---------------------------------------------------------------------------------------------------------

  /** Number of a free address space. Throws NicError ENOSPC when all are taken. */
  allocateIoas(): number {
    return this.iommu.allocate(this.config.identityDma ? this.functions() : 0);
  }

  freeIoas(ioas: number): void {
    this.foreign.checkAtRest(this.isFunctional);
    this.pins.dmaClear(ioas);
    this.iommu.free(ioas);
    this.drain();
  }

  /**
   * Maps window bytes at `offset` to `iova`, or, with IOMMU_FOREIGN, the memory with that handle; false if the range
   * overlaps, wraps, or no room is left.
   */
  mapIoas(ioas: number, iova: number, length: number, offset: number, permissions: number): boolean {
    return Boolean(this.pins.dmaMap(ioas, iova, length, offset, permissions));
  }

  /**
   * Makes memory that only the caller can reach known to the card; returns a handle for mapIoas() and forgetForeign(). A
   * snapshot holds mappings and not the memory: restore it into a card that has the same handles.
   */
  addForeign(memory: ForeignMemory): number {
    return this.foreign.add(memory);
  }

  /** Called by foreign memory in the middle of read(), which then returns 'later': the read, to be answered once. */
  answerLater(): LateRead {
    return this.foreign.answerLater(this.core, () => this.drain());
  }

  /** Forgets foreign memory; where it is still mapped, every access faults. */
  forgetForeign(handle: number): void {
    this.foreign.remove(handle);
  }

  /**
   * Bytes unmapped; -1 if a mapping lies only partly inside. In timed mode it returns when all that functions of the
   * address space had sent is in effect; nothing of what comes later reaches the memory.
   */
  unmapIoas(ioas: number, iova: number, length: number): number {
    this.foreign.checkAtRest(this.isFunctional);
    const bytes = this.pins.dmaUnmap(ioas, iova, length);
    this.drain();
    return bytes;
  }

  /** Binds a function's requester id to an address space, null to none; waits for what it had sent, as unmapIoas(). */
  attachIoas(fn: number, ioas: number | null): void {
    this.functionBase(fn);
    this.foreign.checkAtRest(this.isFunctional);
    this.pins.attachIoas(fn, ioas ?? NONE);
    this.drain();
  }

  /** Takes `bytes` of the guest window for a driver; returns their offset in the window. */
  takeWindow(bytes: number): number {
    return takeWindow(this.core, bytes);
  }

  // ---- state ---------------------------------------------------------------------------------------------------------------------

  /** Counters of the card. */
  counters(): Counters {
    return cardCounters(this.core);
  }

  /** Counters of one function. */
  functionCounters(fn: number): Counters {
    this.functionBase(fn);
    return functionCounters(this.core, fn);
  }

  linkTraffic(): LinkTraffic {
    return linkTraffic(this.core);
  }

  /** Events that the card has run since creation. */
  eventsRun(): number {
    return Number(this.core.view.getBigUint64(CTL_EVENTS_RUN, true));
  }

  /** Hash of the whole state, guest window included. */
  digest(): string {
    return this.pins.digest().toString(16);
  }

  /** Copy of the whole state, less handlers and drivers. Throws NicError SNAPSHOT while foreign memory owes a read. */
  snapshot(): Uint8Array {
    return takeSnapshot(this.core);
  }

  restore(snapshot: Uint8Array): void {
    putSnapshot(this.core, snapshot);
    this.foreign.forgetLate();
  }

  /** Bytes that a VF adds. */
  bytesPerVf(): number {
    return FN_STRIDE + IOAS_STRIDE;
  }
}

/** Where the compiled core comes from, if not from the release file. */
export interface CreateOptions {
  readonly build?: CoreBuild;
  /** A module that the caller compiled, in a browser for instance. */
  readonly module?: CoreModule;
}

/** Creates a card. Throws NicError CONFIG or PROFILE that names every bad value. */
export function createNic(config: NicConfig = {}, options: CreateOptions = {}): Nic {
  return new Nic(options.module ?? loadCore(options.build), config);
}
