// SPDX-License-Identifier: Apache-2.0
// What the program says: text and JSON on standard output, and a progress bar on a terminal for what takes longer than two
// seconds. Files are written by command_files.ts.
import { statSync } from 'node:fs';

import { Format, SingleBar } from 'cli-progress';

import { DASH } from '../../files/errors.ts';
import { writeFile } from '../../files/output_file.ts';
import type { StepHandler } from '../../measure/steps.ts';
import type { ProfileOverrides } from '../../device/profile.ts';
import { sentenceWidth, wrapped } from './table.ts';

/** Between two columns. */
const COLUMN_GAP = 2;
/** Columns of a text beside a name, however narrow the terminal is. */
const TEXT_WIDTH_MIN = 20;
const PROGRESS_AFTER_MS = 2000;
const BAR_WIDTH = 40;
/** Columns of ` [] 100% 59m59s left`, and one that stays free. */
const BAR_FRAME = 22;
const BAR_WIDTH_MIN = 4;
const DEFAULT_COLUMNS = 80;
const SECONDS_UNPADDED = { autopaddingChar: '' };

/**
 * The one way to standard output. What it was given is out when it returns: the stream of Node drops what a file system that
 * fills up, or a limit on the size of files, leaves of a write, without a word.
 */
export const standardOutput = {
  /** Throws NicError: FILE where there is no room, READER_GONE. */
  write(text: string): void {
    writeFile(DASH, [text]);
  },
};

/** Prints text and a line feed. */
export function print(text: string): void {
  standardOutput.write(`${text}\n`);
}

/** Says something on standard error that is no reason to fail, as errors are said. */
export function warn(text: string): void {
  process.stderr.write(`virtfn: ${text}\n`);
}

/** JSON text as the program writes it. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** Two columns, the first as wide as its longest text, the second in lines that the terminal has room for. */
export function columns(rows: readonly (readonly [string, string])[], indent = ''): string {
  const before = indent.length + Math.max(0, ...rows.map(([name]) => name.length)) + COLUMN_GAP;
  const lines = ([name, value]: readonly [string, string]): string => {
    const parts = wrapped(value, Math.max(sentenceWidth() - before, TEXT_WIDTH_MIN)).replaceAll(
      '\n',
      `\n${' '.repeat(before)}`,
    );
    return `${(indent + name).padEnd(before)}${parts}`.trimEnd();
  };
  return rows.map(lines).join('\n');
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

/** Changes of a timing profile, as headings name them. */
export function changeTexts(set: ProfileOverrides): string[] {
  return Object.entries(set).map(([name, value]) => `${name}=${value}`);
}

/** Names of files with their sizes. */
export function fileList(paths: readonly string[]): string {
  return columns(
    paths.map((path) => [path, `${grouped(statSync(path).size)} bytes`]),
    '  ',
  );
}

/** Where a bar is drawn. */
type Terminal = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/**
 * A bar on a terminal, for work that takes longer than two seconds. It counts from when the work began, not from when it
 * was first shown.
 */
export class Progress {
  readonly #start = Date.now();
  readonly #what: string;
  readonly #terminal: Terminal;
  #bar: SingleBar | null = null;

  constructor(what: string, terminal: Terminal = process.stderr) {
    this.#what = what;
    this.#terminal = terminal;
  }

  update(done: number, total: number): void {
    if (!this.#terminal.isTTY) return;
    const elapsedMs = Date.now() - this.#start;
    if (elapsedMs <= PROGRESS_AFTER_MS) return;
    const left = Format.TimeFormat(Math.ceil((elapsedMs * (total / done - 1)) / 1000), SECONDS_UNPADDED, 1);
    if (this.#bar !== null) this.#bar.update(done, { left });
    else {
      this.#bar = new SingleBar({
        format: `${this.#what} [{bar}] {percentage}% {left} left`,
        barsize: Math.max(BAR_WIDTH_MIN, Math.min(BAR_WIDTH, this.#columns() - this.#what.length - BAR_FRAME)),
        stream: this.#terminal,
        clearOnComplete: true,
        linewrap: true, // what is interrupted leaves the terminal as it was
      });
      this.#bar.start(total, done, { left });
    }
  }

  stop(): void {
    this.#bar?.stop();
  }

  #columns(): number {
    return this.#terminal.columns || DEFAULT_COLUMNS; // some pseudo-terminals say 0
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
  const progress = new Progress(what);
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
  const progress = new Progress(what);
  try {
    return work((done, total) => progress.update(done, total));
  } finally {
    progress.stop();
  }
}
