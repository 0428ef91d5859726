// SPDX-License-Identifier: Apache-2.0
// The state of one thing, moved by the rules of the table and by nothing else.
import { VfioError, type ErrnoName } from '../util/errors.ts';
import { ruleFor, type MachineName } from './lifecycle_rules.ts';
import type { Steps } from './tasks.ts';

/** Where one PF, VF, mediated device or function is in its life. */
export class LifecycleState {
  readonly machine: MachineName;
  /** What messages call it: 0000:01:00.1. */
  readonly name: string;
  private current: string;

  constructor(machine: MachineName, name: string, initial: string) {
    this.machine = machine;
    this.name = name;
    this.current = initial;
  }

  get state(): string {
    return this.current;
  }

  /** Does the operation have to wait for somebody? */
  waits(on: string): boolean {
    return ruleFor(this.machine, this.current, on).waits === true;
  }

  /** One step. Throws the errno of the rule; some rules move all the same. */
  step(on: string): void {
    const before = this.current;
    const rule = ruleFor(this.machine, before, on);
    this.current = rule.to ?? before;
    if (rule.errno !== undefined) throw this.refusal(rule.errno, on, before, rule.why);
  }

  /** Throws what step() would throw, and moves nothing. */
  check(on: string): void {
    const { errno, why } = ruleFor(this.machine, this.current, on);
    if (errno !== undefined) throw this.refusal(errno, on, this.current, why);
  }

  /** Sleeps while the operation has to wait for somebody. `classify` says again after each wait what it is by then. */
  *turn(classify: () => string): Steps<string> {
    while (this.waits(classify())) yield () => !this.waits(classify());
    const on = classify();
    this.check(on);
    return on;
  }

  private refusal(errno: ErrnoName, on: string, before: string, why: string): VfioError {
    return new VfioError(errno, `${this.name} is ${before}, ${on.replace(':', ' ')}: ${why}`);
  }
}
