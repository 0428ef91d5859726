// SPDX-License-Identifier: Apache-2.0
// The stage of the story: a card and the host around it, on which a teller takes steps, and what came of each.
import type { TimingChoice } from '../device/config.ts';
import { resolveProfile } from '../device/profile.ts';
import { Machine } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import { OnDemandFunctions } from './on_demand.ts';
import type { FunctionKind } from './on_demand_function.ts';
import { SriovLifecycle } from './sriov_lifecycle.ts';

const PS_PER_MS = 1e9;

/** One line of the story. */
export interface StoryStep {
  readonly kind: FunctionKind;
  readonly step: string;
  /** Where the state lies that the step makes or changes. */
  readonly holder: string;
  readonly result: string;
  readonly isOk: boolean;
  /** Simulated time that it took. */
  readonly simulatedNs: number;
}

/** A card and the host around it, new for each kind. */
export class Stage {
  readonly host: SriovLifecycle;
  readonly functions: OnDemandFunctions;
  readonly steps: StoryStep[] = [];
  private readonly kind: FunctionKind;

  constructor(kind: FunctionKind, timing: TimingChoice = {}) {
    this.kind = kind;
    const { clockPs } = resolveProfile('timed', timing.profile, timing.profileName);
    const machine = new Machine({
      ...timing,
      totalVfs: 2,
      numVfs: 0,
      onDemandFunctions: 2,
      windowBytes: 8 << 20,
      pf: { cyclesPerMs: PS_PER_MS / clockPs },
    });
    machine.settle();
    this.host = new SriovLifecycle(machine);
    this.functions = new OnDemandFunctions(this.host);
  }

  /** Takes one step; what is thrown, or is not as it should be, is its result and ends the story. */
  step<T>(step: string, holder: string, act: () => [result: string, value: T]): T {
    const { nic } = this.host.machine;
    const begin = nic.now();
    const record = (result: string, isOk: boolean): void => {
      const simulatedNs = Math.round(nic.toPs(nic.now() - begin) / 1000);
      this.steps.push({ kind: this.kind, step, holder, result, isOk, simulatedNs });
    };
    try {
      const [result, value] = act();
      record(result, true);
      return value;
    } catch (error) {
      if (!(error instanceof NicError)) throw error;
      record(`${error.code}: ${error.message}`, false);
      throw new StoryEnd();
    }
  }

  /** A step that has no result to hand on. */
  run(step: string, holder: string, act: () => string): void {
    this.step(step, holder, () => [act(), undefined]);
  }

  /** Throws NicError LIFECYCLE where something is not as the story says. */
  expect(isSo: boolean, what: string): void {
    if (!isSo) throw new NicError('LIFECYCLE', what);
  }

  /** Errno name that a call is refused with; it is an error if it is not refused. */
  refusal(call: () => unknown): string {
    try {
      call();
    } catch (error) {
      if (error instanceof NicError) return error.code;
      throw error;
    }
    throw new NicError('LIFECYCLE', 'what should have been refused was done');
  }
}

/** A step failed, and is recorded. */
export class StoryEnd extends Error {}
