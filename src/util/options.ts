// SPDX-License-Identifier: Apache-2.0
// Options that a caller gives as an object. TypeScript sees a wrong name only where the object is written out, and a program
// in JavaScript never: here it is an error, as in a file.
import { NicError } from './errors.ts';
import { unknownName } from './names.ts';

/** Names of the options of T; the compiler wants every one of them. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/** Those names in `options` that are none, each with what to do. */
export function unknownOptions(options: object, names: object): { name: string; message: string }[] {
  return Object.keys(options)
    .filter((name) => !Object.hasOwn(names, name))
    .map((name) => ({ name, message: unknownName('option', name, Object.keys(names)) }));
}

/** Refuses what is no object, and names that are none. Throws NicError OPTION that names all of them. */
export function checkOptions<T extends object>(what: string, options: T, names: OptionNames<T>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new NicError('OPTION', `${what}: ${String(options)} is no object of options`);
  }
  const unknown = unknownOptions(options, names);
  if (unknown.length === 0) return;
  throw new NicError('OPTION', `${what}: ${unknown.map(({ name, message }) => `${name}: ${message}`).join('; ')}`);
}

/** Refuses what is no whole number from `low` to `high`. Throws NicError with that code. */
export function checkWhole(code: string, name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new NicError(code, `${name} = ${String(value)}: a whole number from ${low} to ${high} is needed`);
}
