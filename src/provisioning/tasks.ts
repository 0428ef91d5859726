// SPDX-License-Identifier: Apache-2.0
// Calls that may sleep. In the kernel the writer of sriov_numvfs=0 sleeps until the last user of a VF is gone; here such a
// call returns at once with a Pending, and goes on inside the call that ends the wait (the close of the last file).

/** What a sleeping call waits for. */
export type Condition = () => boolean;

/** A call written as a generator: it yields whatever it has to wait for. */
export type Steps<T> = Generator<Condition, T, void>;

/** A call that may still be going on. */
export class Pending<T = void> {
  private outcome: { readonly value: T } | { readonly error: unknown } | null = null;
  private readonly listeners: ((pending: Pending<T>) => void)[] = [];

  get isDone(): boolean {
    return this.outcome !== null;
  }

  /** What it failed with after it had slept; undefined where it did not fail, or sleeps. */
  get error(): unknown {
    return this.outcome !== null && 'error' in this.outcome ? this.outcome.error : undefined;
  }

  /** Calls `listener` when the call is over, at once if it is. */
  onDone(listener: (pending: Pending<T>) => void): void {
    if (this.isDone) listener(this);
    else this.listeners.push(listener);
  }

  /** @internal */
  settle(outcome: { readonly value: T } | { readonly error: unknown }): void {
    this.outcome = outcome;
    for (const listener of this.listeners) listener(this);
  }
}

interface Sleeper {
  until: Condition;
  /** True: over. */
  resume(): boolean;
}

/** The calls of one machine that sleep, oldest first. */
export class Tasks {
  private readonly sleepers: Sleeper[] = [];
  private isWaking = false;

  get waiting(): number {
    return this.sleepers.length;
  }

  /** Runs a call as far as it goes. What it throws before it sleeps is thrown here, later errors are in the Pending. */
  start<T>(steps: Steps<T>): Pending<T> {
    const pending = new Pending<T>();
    const first = steps.next();
    if (first.done === true) pending.settle({ value: first.value });
    else this.sleep(steps, first.value, pending);
    this.wake();
    return pending;
  }

  /** Lets go on whoever may, oldest first, until nobody may. To be called when anything has changed. */
  wake(): void {
    if (this.isWaking) return;
    this.isWaking = true;
    try {
      for (let i = 0; i < this.sleepers.length;) {
        const sleeper = this.sleepers[i]!;
        if (!sleeper.until()) {
          i++;
          continue;
        }
        if (sleeper.resume()) this.sleepers.splice(this.sleepers.indexOf(sleeper), 1);
        i = 0;
      }
    } finally {
      this.isWaking = false;
    }
  }

  private sleep<T>(steps: Steps<T>, until: Condition, pending: Pending<T>): void {
    const sleeper: Sleeper = {
      until,
      resume: () => {
        try {
          const next = steps.next();
          if (next.done !== true) {
            sleeper.until = next.value;
            return false;
          }
          pending.settle({ value: next.value });
        } catch (error) {
          pending.settle({ error });
        }
        return true;
      },
    };
    this.sleepers.push(sleeper);
  }
}
