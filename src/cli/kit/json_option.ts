// SPDX-License-Identifier: Apache-2.0
// --json, alike for every verb that reports: alone it prints the report in place of the text, --json=FILE writes it into a
// file. Two words, --json FILE, are the same where the verb has no argument that the second could be; of files that are
// there they replace no other than a report of the verb (docs/decisions/0025-json.md).
import { closeSync, openSync, readSync, statSync } from 'node:fs';

import { Option, type Command } from 'commander';

import { DASH, withFile } from '../../files/errors.ts';
import { UsageError } from '../../util/errors.ts';

const FLAG = '--json';
/** How a report begins: with its schema, whose version is behind the stroke. */
const HEAD = /^\{\s*"schema":\s*"([^"/]*)\//;
const HEAD_BYTES = 64;

/** The option of a verb. Its value is the file; `-` is standard output. */
class JsonOption extends Option {
  readonly schema: string;

  constructor(schema: string) {
    super(`${FLAG} [file]`, `print the report as JSON (schema ${schema}), or write it to a file`);
    this.schema = schema;
  }
}

/** --json of a verb whose report has this schema. */
export function jsonOption(schema: string): Option {
  return new JsonOption(schema);
}

/** Flags of an option as help shows them. */
export function optionTerm(option: Option): string {
  return option instanceof JsonOption ? `${FLAG}[=<file>]` : option.flags;
}

/**
 * Arguments of the program with each --json in one word, so that the parser takes no argument of a verb for its file. Throws
 * UsageError where a file that is no report would be replaced.
 */
export function withJsonInOneWord(program: Command, args: readonly string[]): readonly string[] {
  let command = program;
  let start = 0;
  for (let verb: Command | undefined; ; command = verb, start++) {
    verb = command.commands.find((one) => one.name() === args[start]);
    if (verb === undefined) break;
  }
  const option = command.options.find((one) => one instanceof JsonOption);
  if (option === undefined) return args;

  const words = wordsOf(command, args.slice(start));
  let tooMany = words.filter(({ isArgument }) => isArgument).length - command.registeredArguments.length;
  const joined: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const { text, isJson } = words[i]!;
    const next = words[i + 1];
    if (!isJson) joined.push(text);
    else if (next?.isArgument && tooMany > 0) {
      checkReplaceable(next.text, option.schema);
      joined.push(`${FLAG}=${next.text}`);
      tooMany--;
      i++;
    } else joined.push(`${FLAG}=${DASH}`);
  }
  return [...args.slice(0, start), ...joined];
}

interface Word {
  readonly text: string;
  readonly isArgument: boolean;
  /** It is --json alone. */
  readonly isJson: boolean;
}

/** The words behind a verb, as its parser tells them apart. */
function wordsOf(command: Command, texts: readonly string[]): Word[] {
  let isLiteral = false; // behind --
  let isValue = false;
  return texts.map((text) => {
    const isOption = !isLiteral && !isValue && text.startsWith('-') && text !== DASH;
    const word = { text, isArgument: !isOption && !isValue, isJson: isOption && text === FLAG };
    if (isOption && text === '--') isLiteral = true;
    isValue = isOption && command.options.some(({ long, required }) => long === text && required);
    return word;
  });
}

/** Only what a run before has left, or nothing, is replaced by a file that two words name. */
function checkReplaceable(path: string, schema: string): void {
  if (path === DASH) return;
  const [name] = schema.split('/');
  const isOther = withFile(path, () => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isFile() === true && stats.size > 0 && HEAD.exec(headOf(path))?.[1] !== name;
  });
  if (isOther) {
    throw new UsageError(`${FLAG} ${path}: the file is there and no report of this verb; ${FLAG}=${path} replaces it`);
  }
}

function headOf(path: string): string {
  const head = Buffer.alloc(HEAD_BYTES);
  const fd = openSync(path, 'r');
  try {
    return head.toString('utf8', 0, readSync(fd, head));
  } finally {
    closeSync(fd);
  }
}
