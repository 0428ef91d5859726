// SPDX-License-Identifier: Apache-2.0
// What an execution of TypeScript code did, seen from outside: a hash over all of it, and a map of the transitions between
// its steps, as an edge map of instrumented code would be. There is no instrumentation; who runs the code tells the steps.

const MAP_BYTES = 1 << 16;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const MIX = 0x9e3779b1;

/** Hash and coverage of executions. */
export class Observer {
  private readonly seen = new Uint8Array(MAP_BYTES);
  private fresh = 0;
  private low = FNV_OFFSET;
  private high = MIX;
  private last = 0;

  /** Transitions that were seen for the first time since the last call. */
  collectNew(): number {
    const { fresh } = this;
    this.fresh = 0;
    return fresh;
  }

  /** A new execution: its hash starts over. */
  begin(): void {
    this.low = FNV_OFFSET;
    this.high = MIX;
    this.last = 0;
  }

  /** A step of a kind, and what it was about: `shape` tells steps apart in the map, `detail` in the hash alone. */
  step(shape: number, detail: number): void {
    this.hash(shape);
    this.hash(detail);
    const here = Math.imul(shape ^ (shape >>> 15), MIX) >>> 16;
    const edge = (here ^ this.last) & (MAP_BYTES - 1);
    this.fresh += 1 - this.seen[edge]!;
    this.seen[edge] = 1;
    this.last = here >>> 1;
  }

  /** A step that a text describes; numbers in it do not make it another one. */
  text(shape: number, text: string): void {
    let template = FNV_OFFSET ^ shape;
    let isInNumber = false;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      this.hash(code);
      const isDigit = code >= 0x30 && code <= 0x39;
      const isHex = (code >= 0x61 && code <= 0x66) || code === 0x78;
      isInNumber = isDigit || (isInNumber && isHex);
      if (!isInNumber) template = Math.imul(template ^ code, FNV_PRIME);
    }
    this.step(template >>> 0, 0);
  }

  traceHash(): string {
    return this.high.toString(16).padStart(8, '0') + this.low.toString(16).padStart(8, '0');
  }

  private hash(value: number): void {
    this.low = Math.imul(this.low ^ value, FNV_PRIME) >>> 0;
    this.high = (Math.imul(this.high ^ this.low, MIX) + (value >>> 0)) >>> 0;
  }
}
