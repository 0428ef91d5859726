// SPDX-License-Identifier: Apache-2.0
// Options as rows: what each one is, what it may be, what it is if nobody says, and the words of the core that it goes into.
// Names, checks, messages and the table of the documentation come from the rows.
import { valueText } from '../util/names.ts';
import { FLAG, oneOfNames, wholeFrom, type OptionCheck } from '../util/options.ts';

/** What follows from the options above: in words for people, and computed. */
export class Derived<T, All> {
  readonly words: string;
  readonly of: (above: All) => T;

  constructor(words: string, of: (above: All) => T) {
    this.words = words;
    this.of = of;
  }
}

type Known<T, All> = T | Derived<T, All>;

/** A word of the core's configuration: its index, and what it holds. */
export type ConfigWord = readonly [index: number, value: number];

/** What is wrong with a value. */
export interface Fault {
  readonly text: string;
  /** A value that would do; `text` names it. */
  readonly remedy: unknown;
  /** What is wrong, where it is not the whole value. */
  readonly part?: unknown;
}

/** One bad option. */
export interface OptionProblem {
  readonly option: string;
  readonly message: string;
  /** A value that would do, as far as this option goes; `message` names it. */
  readonly remedy: unknown;
}

/** One option. `All` are the options with every value filled in; a row looks at those above it. */
export interface OptionRow<T, All> {
  readonly what: string;
  /** What it may be, in words. */
  readonly range: string;
  readonly byDefault: Known<T, All>;
  readonly faultsOf: (value: T, above: All) => readonly Fault[];
  readonly wordsOf: (value: T) => readonly ConfigWord[];
}

/** A row for each option of C. */
export type OptionRows<C extends object> = { readonly [K in keyof C]-?: OptionRow<Required<C>[K], Required<C>> };

/** What must hold among several options. It is asked behind the row whose name it has, where none of `of` is bad by itself. */
export interface OptionRule<C extends object> {
  readonly of: readonly (keyof C & string)[];
  readonly problemOf: (all: Required<C>) => (Fault & { readonly option: keyof C & string }) | null;
}

export type OptionRules<C extends object> = { readonly [K in keyof C]?: OptionRule<C> };

/** What all kinds of rows have. */
interface Common<T, All> {
  readonly what: string;
  readonly byDefault: Known<T, All>;
  /** Index of its word. */
  readonly word?: number;
}

function known<T, All>(value: Known<T, All>, above: All): T {
  return value instanceof Derived ? value.of(above) : value;
}

function inWords(value: unknown): string {
  return value instanceof Derived ? value.words : Array.isArray(value) ? `[${String(value)}]` : String(value);
}

function toWord(index: number | undefined, value: number): readonly ConfigWord[] {
  return index === undefined ? [] : [[index, value]];
}

function unless({ what, isGood }: OptionCheck, value: unknown, remedy: unknown): readonly Fault[] {
  return isGood(value) ? [] : [{ text: `${what} is needed`, remedy }];
}

function notWhole(value: number, low: number, high: number): readonly Fault[] {
  return unless(wholeFrom(low, high), value, value > high ? high : low);
}

/** A whole number. */
export function whole<All>(
  low: Known<number, All>,
  high: Known<number, All>,
  { what, byDefault, word }: Common<number, All>,
): OptionRow<number, All> {
  return {
    what,
    byDefault,
    range: `${inWords(low)} to ${inWords(high)}`,
    faultsOf: (value, above) => notWhole(value, known(low, above), known(high, above)),
    wordsOf: (value) => toWord(word, value),
  };
}

/** Descriptors of a ring. */
export function ringSize<All>({ what, byDefault, word }: Common<number, All>): OptionRow<number, All> {
  const [low, high] = [2, 256];
  return {
    what,
    byDefault,
    range: `a power of two, ${low} to ${high}`,
    faultsOf: (value) => {
      const faults = notWhole(value, low, high);
      if ((value & (value - 1)) === 0) return faults;
      const below = 2 ** Math.floor(Math.log2(Math.min(Math.max(value, low), high)));
      return [...faults, { text: `a power of two is needed, say ${below}`, remedy: below }];
    },
    wordsOf: (value) => toWord(word, value),
  };
}

/** Bytes in whole pages. */
export function pages<All>(
  low: number,
  high: number,
  { what, byDefault, word }: Common<number, All>,
): OptionRow<number, All> {
  return {
    what,
    byDefault,
    range: `a multiple of 4096, ${low} to ${high}`,
    faultsOf: (value) => {
      const faults = notWhole(value, low, high);
      if (!Number.isInteger(value) || value % 4096 === 0) return faults;
      const above = Math.min(Math.ceil(value / 4096) * 4096, high);
      return [...faults, { text: `a multiple of 4096 is needed, say ${above}`, remedy: above }];
    },
    wordsOf: (value) => toWord(word, value),
  };
}

/** True or false. */
export function flag<All>({ what, byDefault, word }: Common<boolean, All>): OptionRow<boolean, All> {
  return {
    what,
    byDefault,
    range: 'true, false',
    faultsOf: (value) => unless(FLAG, value, true),
    wordsOf: (value) => toWord(word, value ? 1 : 0),
  };
}

/** One of some names. */
export function oneOf<T extends string, All>(
  names: readonly T[],
  { what, byDefault, wordsOf = () => [] }: Omit<Common<T, All>, 'word'> & Partial<Pick<OptionRow<T, All>, 'wordsOf'>>,
): OptionRow<T, All> {
  return {
    what,
    byDefault,
    range: names.join(', '),
    faultsOf: (value) => unless(oneOfNames(...names), value, names[0]),
    wordsOf,
  };
}

/** Fills in what is not given, which null is not, and checks all of it; where there is no problem, `words` are for the core. */
export function resolveOptions<C extends object>(
  rows: OptionRows<C>,
  rules: OptionRules<C>,
  given: Readonly<Partial<C>>,
): { values: Required<C>; problems: readonly OptionProblem[]; words: ReadonlyMap<number, number> } {
  const values = {} as Required<C>;
  const problems: OptionProblem[] = [];
  const report = (option: string, value: unknown, { text, remedy }: Fault): void => {
    problems.push({ option, message: `${valueText(value)}: ${text}`, remedy });
  };
  const names = Object.keys(rows) as (keyof C & string)[];
  for (const name of names) {
    const row = rows[name];
    const value = (given[name] === undefined ? known(row.byDefault, values) : given[name]) as Required<C>[typeof name];
    values[name] = value;
    for (const fault of row.faultsOf(value, values)) report(name, 'part' in fault ? fault.part : value, fault);
    const rule = rules[name];
    if (rule === undefined || problems.some(({ option }) => (rule.of as readonly string[]).includes(option))) continue;
    const fault = rule.problemOf(values);
    if (fault !== null) report(fault.option, values[fault.option], fault);
  }
  const words = problems.length > 0 ? [] : names.flatMap((name) => rows[name].wordsOf(values[name]));
  return { values, problems, words: new Map(words) };
}

/** The rows as a table of the documentation. */
export function optionTable(
  rows: Readonly<Record<string, Pick<OptionRow<unknown, unknown>, 'what' | 'range' | 'byDefault'>>>,
): string {
  const lines = Object.entries(rows).map(
    ([name, { what, range, byDefault }]) => `| \`${name}\` | ${what} | ${range} | ${inWords(byDefault)} |`,
  );
  return ['| option | what it is | values | default |', '|---|---|---|---|', ...lines].join('\n');
}
