// SPDX-License-Identifier: Apache-2.0
// Programs of the machine that are run to their end: what they said is kept for the error, and a signal to us ends them and
// what they started.
import { spawn, type SpawnOptions } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { NicError } from '../util/errors.ts';

/** Of what a program said, the last lines are shown. */
const TAIL_LINES = 12;

export interface ProgramRun {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Takes each line of both outputs as it comes. */
  readonly onLine?: (line: string) => void;
  /** Ends the program where it is aborted. */
  readonly signal: AbortSignal;
}

/** Runs a program and returns what it wrote to its standard output. Throws NicError `code` where it fails. */
export async function runProgramToEnd(
  code: string,
  program: string,
  args: readonly string[],
  { cwd, env, onLine, signal }: ProgramRun,
): Promise<string> {
  signal.throwIfAborted();
  const options: SpawnOptions = { cwd, env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true };
  const child = spawn(program, args, options);
  const kill = (): void => killGroup(child.pid);
  signal.addEventListener('abort', kill);
  const said: string[] = [];
  let output = '';
  const lines = (): ((text: string) => void) =>
    lineReader((line) => {
      said.push(line);
      if (said.length > TAIL_LINES) said.shift();
      onLine?.(line);
    });
  const onOutput = lines();
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    onOutput(text);
  });
  child.stderr!.setEncoding('utf8').on('data', lines());
  try {
    const end = await new Promise<string | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, by) => resolve(status === 0 ? null : `ended with ${by ?? `exit code ${status}`}`));
    });
    signal.throwIfAborted();
    if (end !== null) throw new NicError(code, `${program} ${args.join(' ')}: ${end}: ${said.join(' | ')}`);
    return output;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    throw new NicError(code, `${program} is not there; install it`);
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** Ends a process with all of its group, at once. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it is gone
  }
}

/** Hands on whole lines. */
export function lineReader(take: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop()!;
    for (const line of lines) take(line);
  };
}

/** Path of a program, as the shell would find it. */
export function findProgram(name: string, path: string = process.env['PATH'] ?? ''): string | null {
  const places = [...path.split(delimiter), '/usr/sbin', '/sbin'].filter((folder) => folder !== '');
  return places.map((folder) => join(folder, name)).find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
