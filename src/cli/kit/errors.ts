// SPDX-License-Identifier: Apache-2.0
// What becomes of an error at the end of the program: one line for a person, an exit code for a script. Only an error that
// nobody foresaw, a bug, is called internal; its stack comes out with VIRTFN_DEBUG=1.
import { CommanderError } from 'commander';

import { NicError, UsageError } from '../../util/errors.ts';
import { READER_GONE } from '../../files/errors.ts';

/** Exit codes of the program. */
export const EXIT = {
  ok: 0,
  /** What was asked about did not work out. */
  failed: 1,
  /** Wrong options or a bad input file. */
  usage: 2,
  /** EX_SOFTWARE of sysexits.h. */
  internal: 70,
} as const;

/** What ends a command with an exit code of its own. Whatever is to be said about it has been said where it is empty. */
export class EndWith extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, message = '') {
    super(message);
    this.name = 'EndWith';
    this.exitCode = exitCode;
  }
}

/** Codes of errors that name values which a person gave as options. */
const OPTION_CODES = new Set(['USAGE', 'CONFIG', 'PROFILE']);

/** Prints an error that ended a command and returns the exit code. */
export function reportError(error: unknown, print: (line: string) => void): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage; // its text is out already
  if (error instanceof EndWith) {
    if (error.message !== '') print(`virtfn: ${oneLine(error.message)}`);
    return error.exitCode;
  }
  if (error instanceof NicError && error.code === READER_GONE) return EXIT.ok;
  if (error instanceof NicError) {
    print(`virtfn: ${oneLine(error.message)}`);
    return error instanceof UsageError || OPTION_CODES.has(error.code) ? EXIT.usage : EXIT.failed;
  }
  const isVerbose = process.env['VIRTFN_DEBUG'] === '1';
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const hint = isVerbose ? '' : '; this is a bug, run it again with VIRTFN_DEBUG=1 for the details that a report needs';
  print(`virtfn: internal error: ${oneLine(text)}${hint}`);
  if (isVerbose && error instanceof Error && error.stack !== undefined) print(error.stack);
  return EXIT.internal;
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}

/** A refusal of the argument parser as one line that ends in what to do. */
export function usageText(text: string, command: string): string {
  return `virtfn: ${oneLine(text)
    .replace(/^error: /, '')
    .replace(/\.$/, '')}; see ${command} --help\n`;
}
