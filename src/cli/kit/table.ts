// SPDX-License-Identifier: Apache-2.0
// Tables and sentences that fit: as wide as the terminal, 80 columns where there is none. Nothing is left out: names and
// texts are wrapped, and what is still too wide goes on in further tables that begin with the same columns.
import { Table } from 'console-table-printer';

const WIDTH = 80;
const WIDTH_MIN = 40;
/** Columns of a text that is wrapped, where its words are no longer. */
const TEXT_WIDTH = 24;
/** Border and spaces of a column, and the border behind the last. */
const FRAME = 3;
const LAST_FRAME = 1;

/** Where a text may be broken: between words; and where that is not enough, behind the underscores of a name, too. */
const BREAKS = [/ /, / |(?<=_)/] as const;

type Row = Readonly<Record<string, string>>;

/** How many columns a line may take. */
export function textWidth(): number {
  return Math.max(process.stdout.columns ?? WIDTH, WIDTH_MIN);
}

/** A text in lines of at most `width` columns, broken between words. */
export function wrapped(text: string, width = textWidth()): string {
  return text.split('\n').map(wrappedLine).join('\n');

  function wrappedLine(line: string): string {
    const lines = [''];
    for (const word of line.split(' ')) {
      const last = lines.at(-1)!;
      if (last === '') lines[lines.length - 1] = word;
      else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
      else lines.push(word);
    }
    return lines.join('\n');
  }
}

/** Width of a table whose cells are sentences: the terminal's. In a file or a pipe they are searched, and stay in one piece. */
export function sentenceWidth(): number {
  return process.stdout.isTTY ? textWidth() : Number.POSITIVE_INFINITY;
}

/** A table whose columns are the keys of the rows: the first `textColumns` to the left, all others to the right. */
export function tableText(rows: readonly Row[], textColumns = 1, width = textWidth()): string {
  const names = Object.keys(rows[0] ?? {});
  const texts = names.slice(0, textColumns);
  const values = names.slice(textColumns);
  const widths = new Map(names.map((name) => [name, widest(rows, name, (text) => text)]));
  if (total(names, widths) > width) {
    for (const name of values)
      widths.set(
        name,
        widest(rows, name, (text) => longestWord(text)),
      );
    const least = values.length === 0 ? 0 : TEXT_WIDTH; // values can go on in further tables
    shrink(texts, rows, widths, width - total(values, widths) + LAST_FRAME, least);
  }
  return groups(texts, values, widths, width)
    .map((group) => rendered(rows, [...texts, ...group], textColumns, widths))
    .join('\n');
}

/** Columns of the longest cell, and of the longest part of the name that stays on one line. */
function widest(rows: readonly Row[], name: string, part: (name: string) => string): number {
  return Math.max(part(name).length, ...rows.map((row) => row[name]!.length));
}

function longestWord(text: string, breaks: RegExp = BREAKS[0]): string {
  return text.split(breaks).reduce((longest, word) => (word.length > longest.length ? word : longest), '');
}

function total(names: readonly string[], widths: ReadonlyMap<string, number>): number {
  return names.reduce((sum, name) => sum + widths.get(name)! + FRAME, LAST_FRAME);
}

/** Makes texts narrower, the widest first, until they take no more than `room`; no column narrower than a word or `least`. */
function shrink(
  texts: readonly string[],
  rows: readonly Row[],
  widths: Map<string, number>,
  room: number,
  least: number,
): void {
  for (const breaks of BREAKS) {
    const leasts = new Map(
      texts.map((name) => {
        const cells = rows.map((row) => longestWord(row[name]!, breaks));
        const word = Math.max(...[longestWord(name), ...cells].map(({ length }) => length));
        return [name, Math.max(word, Math.min(least, widths.get(name)!))];
      }),
    );
    for (let wide = texts; total(texts, widths) > room;) {
      wide = wide.filter((name) => widths.get(name)! > leasts.get(name)!);
      if (wide.length === 0) break;
      const name = wide.reduce((one, other) => (widths.get(other)! > widths.get(one)! ? other : one));
      widths.set(name, widths.get(name)! - 1);
    }
  }
}

/** A text whose words all have room, cut behind underscores where they have not. */
function cut(text: string, width: number): string {
  return text
    .split(' ')
    .map((word) => (word.length <= width ? word : cutName(word, width)))
    .join(' ');
}

function cutName(name: string, width: number): string {
  const pieces = [''];
  for (const part of name.split(BREAKS[1])) {
    const last = pieces.at(-1)!;
    if (last === '' || last.length + part.length <= width) pieces[pieces.length - 1] = last + part;
    else pieces.push(part);
  }
  return pieces.join(' ');
}

/** Columns of values by table, as many in each as have room beside the texts. */
function groups(
  texts: readonly string[],
  values: readonly string[],
  widths: ReadonlyMap<string, number>,
  width: number,
): string[][] {
  const filled = (most: number): string[][] => {
    const made: string[][] = [[]];
    for (const name of values) {
      const group = made.at(-1)!;
      const isFull = group.length === most || total([...texts, ...group, name], widths) > width;
      if (isFull && group.length > 0) made.push([name]);
      else group.push(name);
    }
    return made;
  };
  const tables = filled(values.length).length;
  return filled(Math.ceil(values.length / tables)); // no last table of one column
}

function rendered(
  rows: readonly Row[],
  names: readonly string[],
  textColumns: number,
  widths: ReadonlyMap<string, number>,
): string {
  const table = new Table({
    shouldDisableColors: true,
    columns: names.map((name, i) => ({
      name,
      alignment: i < textColumns ? 'left' : 'right',
      maxLen: widths.get(name)!,
    })),
  });
  table.addRows(rows.map((row) => Object.fromEntries(names.map((name) => [name, cut(row[name]!, widths.get(name)!)]))));
  return table.render();
}
