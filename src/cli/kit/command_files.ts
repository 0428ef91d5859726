// SPDX-License-Identifier: Apache-2.0
// The files of one command: checked before the first is opened for writing, written by the option that names them, listed at
// the end. `-` is standard output; then no text may go there.
//
//   const files = new CommandFiles({ '<in.pcap>': input }, { '--out': out, '--json': json });
//   files.write('--out', pieces);                       // nothing where the option was not given
//   files.report(report, () => text);                   // JSON where --json says, text unless standard output is taken
import { checkFiles, isStandardOutput } from '../../files/identity.ts';
import { writeFile } from '../../files/output_file.ts';
import { fileList, jsonText, print, warn } from './output.ts';

/** Paths by the option or argument that gives them; undefined where it was not given. */
type PathsByOption = Readonly<Record<string, string | undefined>>;

export class CommandFiles {
  /** One of the outputs is what goes to standard output. */
  readonly takesStandardOutput: boolean;
  /** What lies in files by now. */
  readonly written: string[] = [];
  /** What a person should know about them. */
  readonly remarks: string[] = [];
  private readonly outputs: PathsByOption;

  /** Throws UsageError where an output is an input or another output under whatever name. */
  constructor(inputs: PathsByOption, outputs: PathsByOption) {
    checkFiles(Object.entries(inputs), Object.entries(outputs));
    this.outputs = outputs;
    this.takesStandardOutput = Object.values(outputs).some((path) => path !== undefined && isStandardOutput(path));
  }

  write(option: string, pieces: Iterable<string | Uint8Array>): void {
    const path = this.outputs[option];
    if (path === undefined) return;
    writeFile(path, pieces);
    if (!isStandardOutput(path)) this.written.push(path);
  }

  writeJson(value: object): void {
    this.write('--json', [`${jsonText(value)}\n`]);
  }

  /** The report of a verb: as JSON where --json says, and as text with the list below it unless standard output is taken. */
  report(json: object, text: () => string): void {
    this.writeJson(json);
    if (!this.takesStandardOutput) print(`${text()}${this.list()}`);
  }

  /** Where the file of an option goes; undefined where it was not given. */
  pathOf(option: string): string | undefined {
    return this.outputs[option];
  }

  /** Something about a file: comes below the list, and on standard error where no list is printed. */
  remark(text: string): void {
    this.remarks.push(text);
    if (this.takesStandardOutput) warn(text);
  }

  /** Paragraphs: the files that were written with their sizes, and remarks; empty without any. */
  list(): string {
    const list = this.written.length === 0 ? '' : `\n\nWritten\n${fileList(this.written)}`;
    return [list, ...this.remarks].join('\n\n');
  }
}
