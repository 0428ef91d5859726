// SPDX-License-Identifier: Apache-2.0
// JSON (RFC 8259) as people write it into files, with the place of what is wrong: by line and column where it is no JSON, as
// a pointer where it is JSON that means nothing, or two things. JSON.parse() takes the last of two members of one name, makes
// infinity of 1e999, and tells places in ways that differ from one version of Node to the next.
import { below, FileProblems, type Problem } from './problems.ts';

const DEPTH_MAX = 64;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z_$][\w$]*/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);
const BYTE_ORDER_MARK = '\ufeff';

/** The value of a JSON text, or of the bytes of a file. Throws FileProblems. */
export function parseJson(content: string | Uint8Array): unknown {
  const text = typeof content === 'string' ? content : decode(content);
  if (text.startsWith(BYTE_ORDER_MARK)) refuse('it begins with a byte order mark; save it as UTF-8 without one');
  if (text.trim() === '') refuse('it is empty; a JSON object is needed');
  return new JsonReader(text).whole();
}

function refuse(message: string): never {
  throw new FileProblems([{ path: '', message }]);
}

function decode(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const isWide = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (isWide || (bytes.length > 1 && (first === 0 || second === 0))) refuse('this is UTF-16; save it as UTF-8');
  const text = decodeUtf8(bytes);
  if (text !== null) return text;
  let line = 1;
  for (let start = 0; ; line++) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0 || decodeUtf8(bytes.subarray(start, end)) === null) break;
    start = end + 1;
  }
  return refuse(`line ${line}: this is not UTF-8; save the file as UTF-8`);
}

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

class JsonReader {
  private readonly text: string;
  private readonly problems: Problem[] = [];
  private at = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  whole(): unknown {
    const value = this.value('');
    this.skipSpace();
    if (this.at < this.text.length) this.fail('the end of the file');
    if (this.problems.length > 0) throw new FileProblems(this.problems);
    return value;
  }

  private value(path: string): unknown {
    this.skipSpace();
    const next = this.text[this.at];
    if (next === '"') return this.string();
    if (next === '{' || next === '[') {
      if (++this.depth > DEPTH_MAX) refuse(`${this.place()}: more than ${DEPTH_MAX} brackets inside each other`);
      const value = next === '{' ? this.object(path) : this.array(path);
      this.depth--;
      return value;
    }
    const digits = this.match(NUMBER);
    if (digits !== '') return this.number(digits, path);
    const start = this.at;
    const word = this.match(WORD);
    if (WORDS.has(word)) return WORDS.get(word);
    this.at = start;
    if (word !== '') refuse(`${this.place()}: ${word} is no value of JSON`);
    return this.fail('a value');
  }

  private number(digits: string, path: string): number {
    const value = Number(digits);
    if (!Number.isFinite(value)) this.problems.push({ path, message: `${digits}: larger than a number can be` });
    return value;
  }

  private object(path: string): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    const lines = new Map<string, number>();
    this.list('}', () => {
      this.skipSpace();
      if (this.text[this.at] !== '"') this.fail('a name in double quotes');
      const line = this.line();
      const name = this.string();
      this.expect(':', 'a colon');
      const place = below(path, name);
      const value = this.value(place);
      const before = lines.get(name);
      lines.set(name, line);
      if (before !== undefined) {
        this.problems.push({
          path: place,
          message: `given twice, in line ${before} and in line ${line}; give it once`,
        });
      } else if (name === '__proto__') {
        this.problems.push({ path: place, message: 'no member may have this name' });
      } else members[name] = value;
    });
    return members;
  }

  private array(path: string): unknown[] {
    const items: unknown[] = [];
    this.list(']', () => items.push(this.value(below(path, items.length))));
    return items;
  }

  /** What stands between brackets, with commas between. */
  private list(close: string, item: () => void): void {
    this.at++;
    this.skipSpace();
    if (this.take(close)) return;
    for (;;) {
      item();
      this.skipSpace();
      if (this.take(close)) return;
      if (!this.take(',')) this.fail(`a comma or ${close}`);
      this.skipSpace();
      if (this.text[this.at] === close) refuse(`${this.place()}: JSON has no comma before ${close}`);
    }
  }

  private string(): string {
    const start = this.at;
    for (this.at++; this.text[this.at] !== '"'; this.at++) {
      const code = this.text.charCodeAt(this.at); // NaN at the end
      if (!(code >= 0x20)) this.fail('a double quote at the end of the text');
      if (code === 0x5c) this.at++;
    }
    this.at++;
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      this.at = start;
      return refuse(`${this.place()}: a text with a backslash that means nothing in JSON; write \\\\ for the letter`);
    }
  }

  private expect(sign: string, what: string): void {
    this.skipSpace();
    if (!this.take(sign)) this.fail(what);
  }

  private take(sign: string): boolean {
    if (this.text[this.at] !== sign) return false;
    this.at++;
    return true;
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.at += found.length;
    return found;
  }

  private skipSpace(): void {
    this.match(SPACE);
  }

  private line(): number {
    return this.text.slice(0, this.at).split('\n').length;
  }

  private place(): string {
    return `line ${this.line()}, column ${this.at - this.text.lastIndexOf('\n', this.at - 1)}`;
  }

  private fail(wanted: string): never {
    const [there] = this.text.slice(this.at, this.at + 2);
    const hint = there === '/' || there === '#' ? '; JSON has no comments' : '';
    return refuse(`${this.place()}: ${wanted} is needed, there is ${there ?? 'the end of the file'}${hint}`);
  }
}
