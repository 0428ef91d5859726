// SPDX-License-Identifier: Apache-2.0
// What a run of `virtfn uml run` means: its end, the patterns that its console had to show and those that it must not, and the
// exit code of all of it.
import type { BootEnd } from '../../linux/boot.ts';
import { UsageError } from '../../util/errors.ts';

/** Exit codes beside the script's own; those of timeout(1) where there are such. */
export const RUN_EXIT = {
  failOn: 121,
  expect: 122,
  limit: 124,
  kernel: 125,
} as const;

/** A pattern, and the first line of the console that it is in. */
export interface Finding {
  readonly pattern: string;
  readonly line: string | null;
}

export interface Verdict {
  readonly result: 'passed' | 'script' | 'fail-on' | 'expect' | 'time-limit' | 'wall-limit' | 'no-boot' | 'died';
  readonly exitCode: number;
  /** What went wrong, empty where nothing did. */
  readonly text: string;
  readonly expected: readonly Finding[];
  readonly failedOn: readonly Finding[];
}

/** Patterns of an option. Throws UsageError for what is none. */
export function patternsOf(option: string, texts: readonly string[]): RegExp[] {
  return texts.map((text) => {
    try {
      return new RegExp(text);
    } catch {
      throw new UsageError(
        `${option} ${text}: no regular expression; put a backslash before signs that stand for themselves`,
      );
    }
  });
}

/** The first thing that went wrong counts: the kernel, a limit, the script, a pattern. */
export function verdictOf(
  end: BootEnd,
  screen: string,
  expect: readonly RegExp[],
  failOn: readonly RegExp[],
  limits: { readonly time: number | null; readonly wall: number },
): Verdict {
  const lines = screen.split(/\r?\n/);
  const find = (pattern: RegExp): Finding => ({
    pattern: pattern.source,
    line: lines.find((line) => pattern.test(line)) ?? null,
  });
  const expected = expect.map(find);
  const failedOn = failOn.map(find);
  const found = { expected, failedOn };
  const bad = failedOn.find(({ line }) => line !== null);
  const missing = expected.filter(({ line }) => line === null).map(({ pattern }) => pattern);
  const panic = lines.find((line) => line.includes('Kernel panic'));
  switch (end.kind) {
    case 'no-boot':
      return { ...found, result: 'no-boot', exitCode: RUN_EXIT.kernel, text: `the kernel did not boot: ${end.reason}` };
    case 'died':
      return {
        ...found,
        result: 'died',
        exitCode: RUN_EXIT.kernel,
        text: `the kernel ended in the script: ${panic ?? end.reason}`,
      };
    case 'time-limit':
      return {
        ...found,
        result: 'time-limit',
        exitCode: RUN_EXIT.limit,
        text: `the script took more than ${limits.time} s of the guest's time`,
      };
    case 'wall-limit':
      return {
        ...found,
        result: 'wall-limit',
        exitCode: RUN_EXIT.limit,
        text: `the run took more than ${limits.wall} s`,
      };
    case 'exit':
  }
  if (end.code !== 0)
    return { ...found, result: 'script', exitCode: end.code, text: `the script ended with ${end.code}` };
  if (bad !== undefined) {
    return { ...found, result: 'fail-on', exitCode: RUN_EXIT.failOn, text: `--fail-on ${bad.pattern}: ${bad.line}` };
  }
  if (missing.length > 0) {
    const text = `--expect ${missing.join(', --expect ')}: not on the console`;
    return { ...found, result: 'expect', exitCode: RUN_EXIT.expect, text };
  }
  return { ...found, result: 'passed', exitCode: 0, text: '' };
}
