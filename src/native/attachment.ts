// SPDX-License-Identifier: Apache-2.0
// Something outside that the card hangs on: an interface, a file, the program at the other end, a socket's path. It may
// go at any time and the card goes on without it. Each way is said once and counted; who owns it tries to have it back.

/** `away`: it is tried again. `ended`: it is not. */
export type AttachmentState = 'up' | 'away' | 'ended';

/** Takes one line for a person. */
export type Say = (line: string) => void;

const FIRST_RETRY_MS = 100;
/** Longest pause between attempts. */
const RETRY_MAX_MS = 2000;
/** The same for what came back and went again at once. */
const FLAPPING_MAX_MS = 30_000;
/** What lasted less than this was not back. */
const FLAPPING_MS = 1000;

export class Attachment {
  readonly name: string;
  state: AttachmentState = 'up';
  /** Times that it went away or ended. */
  losses = 0;
  /** Times that it came back. */
  returns = 0;
  /** What it did not take: it was away, or too slow. */
  dropped = 0;
  /** Why it is away or has ended; empty while it is there. */
  reason = '';
  private readonly say: Say;
  private upSinceMs = Number.NEGATIVE_INFINITY;
  private retryAtMs = 0;
  private pauseMs = FIRST_RETRY_MS;

  constructor(name: string, say: Say) {
    this.name = name;
    this.say = say;
  }

  /** It was not there to begin with, and is waited for. */
  await(reason: string): void {
    this.state = 'away';
    this.reason = reason;
  }

  /** It is gone, for a while; known already where it is away. */
  lose(reason: string, nowMs = performance.now()): void {
    if (this.state === 'ended') return;
    this.reason = reason;
    if (this.state === 'away') return;
    const isFlapping = nowMs - this.upSinceMs < FLAPPING_MS;
    this.pauseMs = isFlapping ? Math.min(2 * this.pauseMs, FLAPPING_MAX_MS) : FIRST_RETRY_MS;
    this.retryAtMs = nowMs + this.pauseMs;
    this.state = 'away';
    this.losses++;
    this.tell(reason);
  }

  /** It is gone for good. */
  end(reason: string): void {
    if (this.state === 'ended') return;
    this.losses++;
    this.finish(reason);
    this.tell(reason);
  }

  /** It has done all that it was there for. */
  finish(reason: string): void {
    this.state = 'ended';
    this.reason = reason;
  }

  /** It is there. */
  restore(line: string, nowMs = performance.now()): void {
    if (this.state !== 'away') return;
    this.state = 'up';
    this.reason = '';
    this.upSinceMs = nowMs;
    this.returns++;
    this.tell(line);
  }

  /** Says a line about it. */
  tell(text: string): void {
    this.say(`${this.name}: ${text}`);
  }

  /** Tries to have it back where it is away and the time has come; `attempt` calls restore() if it has it. */
  retry(nowMs: number, attempt: () => void): void {
    if (this.state !== 'away' || nowMs < this.retryAtMs) return;
    attempt();
    if (this.state !== 'away') return;
    this.pauseMs = Math.max(this.pauseMs, Math.min(2 * this.pauseMs, RETRY_MAX_MS));
    this.retryAtMs = nowMs + this.pauseMs;
  }
}
