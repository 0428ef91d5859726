// SPDX-License-Identifier: Apache-2.0
// Calls that may sleep. In the kernel the writer of sriov_numvfs=0 sleeps until the last user of a VF is gone; here such a
// call returns at once with a Pending, and goes on inside the call that ends the wait (the close of the last file).

/** What a sleeping call waits for. */
type Condition = () => boolean;

/** A call written as a generator: it yields whatever it has to wait for. */
export type Steps<T = void> = Generator<Condition, T, void>;

/** A call that may still be going on. */
export class Pending {
  isDone = false;
  /** What it failed with after it had slept. */
  error: unknown = undefined;
  private readonly listeners: ((pending: Pending) => void)[] = [];

  /** Calls `listener` when the call is over, at once if it is. */
  onDone(listener: (pending: Pending) => void): void {
    if (this.isDone) listener(this);
    else this.listeners.push(listener);
  }

  /** @internal */
  settle(error?: unknown): void {
    this.isDone = true;
    this.error = error;
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
  start(steps: Steps): Pending {
    const pending = new Pending();
    const first = steps.next();
    if (first.done === true) pending.settle();
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

  private sleep(steps: Steps, until: Condition, pending: Pending): void {
    const sleeper: Sleeper = {
      until,
      resume: () => {
        try {
          const next = steps.next();
          if (next.done !== true) {
            sleeper.until = next.value;
            return false;
          }
          pending.settle();
        } catch (error) {
          pending.settle(error);
        }
        return true;
      },
    };
    this.sleepers.push(sleeper);
  }
}

/** Sleeps until another call is over, and fails as it does. */
export function* waitFor(pending: Pending): Steps {
  if (!pending.isDone) yield () => pending.isDone;
  if (pending.error !== undefined) throw pending.error;
}
