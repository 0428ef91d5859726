// SPDX-License-Identifier: Apache-2.0
// Options that a caller gives as an object. TypeScript sees a wrong name only where the object is written out, and a program
// in JavaScript never: here it is an error, as in a file.
import { NicError } from './errors.ts';
import { unknownName, valueText } from './names.ts';
import { isRecord } from './problems.ts';

/** Names of the options of T; the compiler wants every one of them. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/** Those names in `options` that are none, each with what to do. */
export function unknownOptions(options: object, names: object): { name: string; message: string }[] {
  return Object.keys(options)
    .filter((name) => !Object.hasOwn(names, name))
    .map((name) => ({ name, message: unknownName('option', name, Object.keys(names)) }));
}

/** Refuses what is no object of options: null, lists, single values. Throws NicError with that code. */
export function checkObject(code: string, what: string, options: unknown): void {
  if (!isRecord(options)) throw new NicError(code, `${what}: ${valueText(options)} is no object of options`);
}

/** Refuses what is no object, and names that are none. Throws NicError OPTION that names all of them. */
export function checkOptions<T extends object>(what: string, options: T, names: OptionNames<T>): void {
  checkObject('OPTION', what, options);
  const unknown = unknownOptions(options, names);
  if (unknown.length === 0) return;
  throw new NicError('OPTION', `${what}: ${unknown.map(({ name, message }) => `${name}: ${message}`).join('; ')}`);
}

/** Refuses what is no whole number from `low` to `high`. Throws NicError with that code. */
export function checkWhole(code: string, name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new NicError(code, `${name} = ${valueText(value)}: a whole number from ${low} to ${high} is needed`);
}
