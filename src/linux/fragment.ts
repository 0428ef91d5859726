// SPDX-License-Identifier: Apache-2.0
// Fragments of a kernel configuration: lines CONFIG_NAME=value and comments, put together, and compared with the configuration
// that the kernel made of them. Where an option depends on something that is not there, the kernel drops it without a word.
import { UsageError } from '../util/errors.ts';

const SETTING = /^(CONFIG_\w+)=(\S.*)$/;
const UNSET = /^# (CONFIG_\w+) is not set$/;

/** Options with their values as a configuration writes them, `n` where it says "is not set". */
export type KernelOptions = ReadonlyMap<string, string>;

/** Reads a fragment; `file` names it in messages. Throws UsageError. */
export function readFragment(text: string, file: string): KernelOptions {
  const options = new Map<string, string>();
  const problems: string[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const [, unset] = UNSET.exec(line) ?? [];
    const [, name = unset, value = 'n'] = SETTING.exec(line) ?? [];
    if (name !== undefined) options.set(name, value);
    else if (line !== '' && !line.startsWith('#')) problems.push(`line ${index + 1}: ${line}`);
  }
  if (problems.length > 0) {
    throw new UsageError(`${file}: ${problems.join(', ')}: no setting of a kernel; write CONFIG_NAME=y, =n or a value`);
  }
  return options;
}

/** Several fragments as one: what comes later goes first. */
export function mergedOptions(fragments: readonly KernelOptions[]): KernelOptions {
  return new Map(fragments.flatMap((options) => [...options]));
}

/** Lines of a configuration in the order of the names, so that equal options are equal text. */
export function fragmentText(options: KernelOptions): string {
  const lines = [...options].map(([name, value]) => (value === 'n' ? `# ${name} is not set` : `${name}=${value}`));
  return `${lines.toSorted().join('\n')}\n`;
}

/** An option that a kernel has otherwise than it was asked for; `n` where it has none of that name. */
export interface RefusedOption {
  readonly name: string;
  readonly wanted: string;
  readonly got: string;
}

/** What of `wanted` is not so in the configuration that the kernel made. */
export function refusedOptions(wanted: KernelOptions, made: KernelOptions): RefusedOption[] {
  return [...wanted]
    .map(([name, value]) => ({ name, wanted: value, got: made.get(name) ?? 'n' }))
    .filter((option) => option.wanted !== option.got);
}
