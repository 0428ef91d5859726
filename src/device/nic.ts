// SPDX-License-Identifier: Apache-2.0
// The handle of a card: register access, time, address spaces, outputs, snapshots. Synchronous throughout. What comes
// out of the card reaches its handlers before the call that caused it returns; in a handler, when it ends or advances time.
//
//   Card          the core behind its pins, its functions
//   OutputPort    handlers, and what is handed to them
//   RegisterPort  configuration space and BARs
//   TimePort      clock, trace
//   FunctionPort  provisioning, functions on demand
//   MemoryPort    address spaces, guest window
//   Nic           counters, snapshots
//
// Each is a class above the one before it, so that a call is one look-up away whatever file it stands in.
import * as CTL from '../../assembly/abi/control.ts';
import * as FN from '../../assembly/abi/function.ts';
import { IOAS_STRIDE } from '../../assembly/abi/address_space.ts';
import { putSnapshot, takeSnapshot } from '../core/instance.ts';
import { loadCore, type CoreBuild, type CoreModule } from '../core/load.ts';
import { BUILD } from '../core/wasm_path.ts';
import { checkOptions, type OptionChecks } from '../util/options.ts';
import type { NicConfig } from './config.ts';
import { cardCounters, functionCounters, linkTraffic, type Counters } from './counters.ts';
import type { LinkTraffic } from './outputs.ts';
import { MemoryPort } from './ports/memory_port.ts';

export type {
  AdvanceReason,
  CompletionHandler,
  DmaRead,
  DmaWrite,
  FrameHandler,
  InterruptHandler,
  MsiMessage,
  LinkTraffic,
} from './outputs.ts';

/** A card. Function 0 is the PF, function n is VF n (member n of the SR-IOV group); those on demand follow the last VF. */
export class Nic extends MemoryPort {
  /** Counters of the card. */
  counters(): Counters {
    return cardCounters(this.core);
  }

  /** Counters of one function. */
  functionCounters(fn: number): Counters {
    this.functionBase(fn);
    return functionCounters(this.core, fn);
  }

  /** What went over the PCIe link since creation. */
  linkTraffic(): LinkTraffic {
    return linkTraffic(this.core);
  }

  /** Events that the card has run since creation. */
  eventsRun(): number {
    return Number(this.core.view.getBigUint64(CTL.EVENTS_RUN, true));
  }

  /** Hash of the whole state, guest window included. */
  digest(): string {
    return this.pins.digest().toString(16);
  }

  /** Copy of the whole state, less handlers and drivers. Throws NicError SNAPSHOT while foreign memory owes a read. */
  snapshot(): Uint8Array {
    return takeSnapshot(this.core);
  }

  /** Goes back to a state of snapshot(). Throws NicError SNAPSHOT for one of another build or of a card made otherwise. */
  restore(snapshot: Uint8Array): void {
    putSnapshot(this.core, snapshot);
    this.foreign.forgetLate();
  }

  /** Bytes that a VF adds. */
  bytesPerVf(): number {
    return FN.STRIDE + IOAS_STRIDE;
  }
}

/** Where the compiled core comes from, if not from the release file. */
export interface CreateOptions {
  readonly build?: CoreBuild;
  /** A module that the caller compiled, in a browser for instance. */
  readonly module?: CoreModule;
}

const CREATE_OPTIONS: OptionChecks<CreateOptions> = {
  build: BUILD,
  module: { what: 'a compiled module', isGood: (value) => typeof value === 'object' && value !== null },
};

/** Throws NicError OPTION that names bad options. */
export function checkCreate(options: CreateOptions): void {
  checkOptions('core', options, CREATE_OPTIONS);
}

/** Creates a card. Throws NicError OPTION, CONFIG or PROFILE that names every bad value. */
export function createNic(config: NicConfig = {}, options: CreateOptions = {}): Nic {
  checkCreate(options);
  return new Nic(options.module ?? loadCore(options.build), config);
}
