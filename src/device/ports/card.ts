// SPDX-License-Identifier: Apache-2.0
// What all ports of a card have in common: the core behind its pins, and the functions.
import { FUNCTIONS } from '../../../assembly/abi/state_map.ts';
import * as FN from '../../../assembly/abi/function.ts';
import { createInstance, type CoreInstance, type Pins } from '../../core/instance.ts';
import type { CoreModule } from '../../core/load.ts';
import { trapped } from '../../core/trap.ts';
import { NicError } from '../../util/errors.ts';
import { resolveConfig, type NicConfig, type ResolvedConfig } from '../config.ts';
import { ForeignTable } from '../foreign.ts';
import { resolveProfile, type ResolvedProfile } from '../profile.ts';

/** The card below its ports. */
export abstract class Card {
  readonly config: ResolvedConfig;
  readonly profile: ResolvedProfile;
  /** The core's views, for the layers that need memory (address spaces, drivers' windows). */
  readonly core: CoreInstance;
  protected readonly pins: Pins;
  protected readonly u32: Uint32Array;
  protected readonly isFunctional: boolean;
  protected readonly lastFn: number;
  protected readonly foreign = new ForeignTable();

  constructor(module: CoreModule, config: NicConfig) {
    this.config = resolveConfig(config);
    this.profile = resolveProfile(this.config.mode, config.profile, config.profileName, this.config.memory);
    this.core = createInstance(module, {
      functions: this.functions(),
      windowBytes: this.config.windowBytes,
      traceBytes: this.config.traceBytes,
      config: this.config.words,
      params: this.profile.words,
      foreign: this.foreign,
    });
    this.pins = this.core.pins;
    this.u32 = this.core.u32;
    this.isFunctional = this.config.mode === 'functional';
    this.lastFn = this.functions() - 1;
  }

  /** Functions of the card: the PF, its VFs, those on demand; the last has the number below. */
  functions(): number {
    return 1 + this.config.totalVfs + this.config.onDemandFunctions;
  }

  /** Bus, device and function number, `bus << 8 | device << 3 | function`. Throws NicError FUNCTION where there is no such function. */
  routingId(fn: number): number {
    return this.u32[(this.functionBase(fn) + FN.ROUTING_ID) >> 2]!;
  }

  /** Is the function there? The PF always, a VF while it is enabled, one on demand while it is created. */
  isPresent(fn: number): boolean {
    return this.core.u8[this.functionBase(fn) + FN.PRESENT] !== 0;
  }

  /** To be thrown where a hot pin did: a trap comes with the state that it left. */
  protected failure(error: unknown): unknown {
    return trapped(error, this.core);
  }

  protected functionBase(fn: number): number {
    if (!Number.isInteger(fn) || fn < 0 || fn > this.lastFn) {
      const { totalVfs } = this.config;
      const others = this.lastFn === totalVfs ? '' : `, functions on demand ${totalVfs + 1}..${this.lastFn}`;
      throw new NicError('FUNCTION', `function ${fn} does not exist; 0 is the PF, VFs are 1..${totalVfs}${others}`);
    }
    return FUNCTIONS + fn * FN.STRIDE;
  }
}
