// SPDX-License-Identifier: Apache-2.0
// What the program says: text and JSON on standard output, and a progress bar on a terminal for what takes longer than two
// seconds. Files are written by command_files.ts.
import { statSync } from 'node:fs';

import { SingleBar } from 'cli-progress';

import type { StepHandler } from '../bench/steps.ts';

const PROGRESS_AFTER_MS = 2000;

/** Prints text and a line feed. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Says something on standard error that is no reason to fail, as errors are said. */
export function warn(text: string): void {
  process.stderr.write(`virtfn: ${text}\n`);
}

/** JSON text as the program writes it. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** Two columns, the first as wide as its longest text. */
export function columns(rows: readonly (readonly [string, string])[], indent = ''): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}`.trimEnd()).join('\n');
}

/** A whole number with commas: 29,237. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `1 frame`, `2 frames`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Nanoseconds in the unit that reads best. */
export function duration(ns: number): string {
  if (ns < 1000) return `${ns} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(3)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(3)} ms` : `${(ns / 1e9).toFixed(3)} s`;
}

/** Names of files with their sizes. */
export function fileList(paths: readonly string[]): string {
  return columns(
    paths.map((path) => [path, `${grouped(statSync(path).size)} bytes`]),
    '  ',
  );
}

/** A bar on a terminal, for work that has taken long. */
class Progress {
  readonly #start = Date.now();
  readonly #format: string;
  #bar: SingleBar | null = null;

  constructor(format: string) {
    this.#format = format;
  }

  update(done: number, total: number): void {
    if (this.#bar !== null) this.#bar.update(done);
    else if (process.stderr.isTTY && Date.now() - this.#start > PROGRESS_AFTER_MS) {
      this.#bar = new SingleBar({ format: this.#format, clearOnComplete: true });
      this.#bar.start(total, done);
    }
  }

  stop(): void {
    this.#bar?.stop();
  }
}

/** One line on a terminal that is written over and over; nothing where standard error is no terminal. */
export class StatusLine {
  readonly #stream = process.stderr;

  show(text: string): void {
    if (this.#stream.isTTY) this.#stream.write(`\r\x1b[K${text.slice(0, (this.#stream.columns ?? 80) - 1)}`);
  }

  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\x1b[K');
  }
}

/** Hands on what `items` gives, and shows on a terminal how far it is when it takes long. */
export function* withProgress<T>(items: Iterable<T>, total: number, what: string): Generator<T, void, void> {
  const progress = new Progress(`${what} [{bar}] {percentage}%`);
  let done = 0;
  try {
    for (const item of items) {
      yield item;
      if ((++done & 0x3ff) === 0) progress.update(done, total);
    }
  } finally {
    progress.stop();
  }
}

/** Runs work that says how far it is; on a terminal a bar shows it, once it takes long. */
export function withSteps<T>(what: string, work: (onStep: StepHandler) => T): T {
  const progress = new Progress(`${what} [{bar}] {percentage}% {eta_formatted} left`);
  try {
    return work((done, total) => progress.update(done, total));
  } finally {
    progress.stop();
  }
}
