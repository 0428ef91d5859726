// SPDX-License-Identifier: Apache-2.0
// Values of options and arguments that several verbs share, checked where they are read.
import { InvalidArgumentError, Option } from 'commander';

import { profileParameters, type ProfileOverrides } from '../../device/profile.ts';

const WHOLE_NUMBER = /^(?:0x[0-9a-f]+|\d+)$/i;

/** Reader of a whole number from `low` to `high`, decimal or 0x and hexadecimal digits. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = WHOLE_NUMBER.test(text) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high)) {
      throw new InvalidArgumentError(`Give a whole number from ${low} to ${high}.`);
    }
    return value;
  };
}

/** Reader of a power of two from `low` to `high`. */
export function powerOfTwo(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = WHOLE_NUMBER.test(text) ? Number(text) : 0;
    if (value >= low && value <= high && Number.isInteger(Math.log2(value))) return value;
    throw new InvalidArgumentError(`Give a power of two from ${low} to ${high}.`);
  };
}

/** Reader of a list of whole numbers from 1 to `high`, in ascending order. */
export function numberList(high: number): (text: string) => number[] {
  const read = wholeNumber(1, high);
  return (text) => {
    const numbers = text.split(',').map(read);
    if (new Set(numbers).size !== numbers.length) throw new InvalidArgumentError('Give each number once.');
    return numbers.sort((one, other) => one - other);
  };
}

/** --vfs: how many VFs the card has. All of them are enabled. */
export function vfsOption(): Option {
  return new Option('--vfs <n>', 'VFs of the card, all enabled').default(8).argParser(wholeNumber(1, 1024));
}

/** --mode: whether time passes. */
export function modeOption(): Option {
  return new Option('--mode <mode>', 'timed: every step costs what the profile says; functional: none does')
    .choices(['timed', 'functional'])
    .default('timed');
}

/** --packed: drivers and card use packed rings. */
export function packedOption(): Option {
  return new Option('--packed', 'packed rings (VIRTIO_F_RING_PACKED) in place of split ones').default(false);
}

/** --set: a change to the timing profile. */
export function setOption(): Option {
  return new Option('--set <name=value>', 'change a parameter of the timing profile; may come again')
    .default({}, 'none')
    .argParser(addOverride);
}

/** Adds one name=value; names and ranges are checked where the profile is made. */
export function addOverride(text: string, before: ProfileOverrides = {}): ProfileOverrides {
  const [name = '', value = '', ...more] = text.split('=');
  if (name === '' || value.trim() === '' || more.length > 0 || !Number.isFinite(Number(value))) {
    throw new InvalidArgumentError('Give the name of a parameter, = and a number.');
  }
  return { ...before, [name]: Number(value) };
}

/** The parameters for --set with their values, in three columns. */
export function parameterList(): string {
  const rows = profileParameters().map(({ name, value, unit }) => `${name}=${value} ${unit}`);
  const width = Math.max(...rows.map((row) => row.length)) + 2;
  const lines: string[] = [];
  for (let i = 0; i < rows.length; i += 3) {
    const cells = rows.slice(i, i + 3).map((row) => row.padEnd(width));
    lines.push(`  ${cells.join('')}`.trimEnd());
  }
  return lines.join('\n');
}
