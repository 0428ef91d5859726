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

/** What an option may be: in words, before "is needed", and as a test. One that is not given is not tested. */
export interface OptionCheck {
  readonly what: string;
  readonly isGood: (value: unknown) => boolean;
  /** It has no default. */
  readonly isNeeded?: boolean;
}

/** Checks of the options of T; the compiler wants every one of them. */
export type OptionChecks<T> = Readonly<Record<keyof T, OptionCheck>>;

/** Looked at by whoever takes it. */
export const ANYTHING: OptionCheck = { what: 'a value', isGood: () => true };
export const FLAG: OptionCheck = { what: 'true or false', isGood: (value) => typeof value === 'boolean' };
export const HANDLER: OptionCheck = { what: 'a function', isGood: (value) => typeof value === 'function' };

/** A whole number. */
export function wholeFrom(low: number, high: number): OptionCheck {
  return {
    what: `a whole number from ${low} to ${high}`,
    isGood: (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
  };
}

/** A number, parts of one included. */
export function numberFrom(low: number, high: number): OptionCheck {
  return {
    what: `a number from ${low} to ${high}`,
    isGood: (value) => typeof value === 'number' && value >= low && value <= high,
  };
}

/** Descriptors of a ring, and other sizes that have one bit. */
export function powerOfTwoFrom(low: number, high: number): OptionCheck {
  const { isGood } = wholeFrom(low, high);
  return {
    what: `a power of two from ${low} to ${high}`,
    isGood: (value) => isGood(value) && Number.isInteger(Math.log2(value as number)),
  };
}

/** One of some names. */
export function oneOfNames(...names: readonly string[]): OptionCheck {
  return { what: names.join(' or '), isGood: (value) => names.includes(value as string) };
}

/** A list of numbers. */
export function listOfWhole(low: number, high: number): OptionCheck {
  const { what, isGood } = wholeFrom(low, high);
  return { what: `a list, each ${what},`, isGood: (value) => Array.isArray(value) && value.every(isGood) };
}

/** The same without default. */
export function needed(check: OptionCheck): OptionCheck {
  return { ...check, isNeeded: true };
}

/** What is wrong with options, all of it; null if nothing is. */
export function optionProblems<T extends object>(options: T, checks: OptionChecks<T>): string | null {
  if (!isRecord(options)) return `${valueText(options)} is no object of options`;
  const problems = unknownOptions(options, checks).map(({ name, message }) => `${name}: ${message}`);
  for (const [name, check] of Object.entries<OptionCheck>(checks)) {
    const value = options[name];
    if (value === undefined ? check.isNeeded !== true : check.isGood(value)) continue;
    problems.push(`${name} = ${valueText(value)}: ${check.what} is needed`);
  }
  return problems.length === 0 ? null : problems.join('; ');
}

/** Refuses what is no object, names that are none, and bad values. Throws NicError with that code that names all of them. */
export function checkOptions<T extends object>(
  what: string,
  options: T,
  checks: OptionChecks<T>,
  code = 'OPTION',
): void {
  const problems = optionProblems(options, checks);
  if (problems !== null) throw new NicError(code, `${what}: ${problems}`);
}

/** Refuses a handler that is neither a function nor null, which takes it away. */
export function checkHandler(name: string, handler: unknown): void {
  if (handler === null || typeof handler === 'function') return;
  throw new NicError('OPTION', `${name} = ${valueText(handler)}: a function or null is needed`);
}

/** Those of the options that `checks` are for, to be handed on. */
export function optionsFor<T extends object>(options: T, checks: OptionChecks<T>): T {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(checks, name))) as T;
}

/** Refuses what is no whole number from `low` to `high`. Throws NicError with that code. */
export function checkWhole(code: string, name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new NicError(code, `${name} = ${valueText(value)}: a whole number from ${low} to ${high} is needed`);
}
