// SPDX-License-Identifier: Apache-2.0
// The core with files added and places changed, compiled as the debug build is: what an addition costs, and that it works.
import { readFileSync } from 'node:fs';

import asc from 'assemblyscript/asc';

import { repoFiles, repoPath } from '../support/repo.ts';

/** A text in a file of the core, which is there once, and what stands in its place. */
export interface Place {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Growth {
  /** New files of the core, by path, and the path of their text here. */
  readonly files: Readonly<Record<string, string>>;
  readonly places: readonly Place[];
}

/** Compiles it. Throws where a place is not there exactly once, or the compiler refuses. */
export async function grownCore({ files, places }: Growth): Promise<WebAssembly.Module> {
  const sources = new Map(
    ['asconfig.json', ...repoFiles('assembly', '.ts')].map((file) => [file, readFileSync(repoPath(file), 'utf8')]),
  );
  for (const [file, text] of Object.entries(files)) sources.set(file, readFileSync(repoPath(text), 'utf8'));
  for (const { file, find, replace } of places) {
    const parts = (sources.get(file) ?? '').split(find);
    if (parts.length !== 2) throw new Error(`${file} holds ${find} ${parts.length - 1} times, not once`);
    sources.set(file, parts.join(replace));
  }
  let wasm: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(['--target', 'debug', '--outFile', 'grown.wasm'], {
    readFile: (name) => sources.get(name) ?? null,
    writeFile: (name, contents) => {
      if (name === 'grown.wasm' && typeof contents !== 'string') wasm = new Uint8Array(contents);
    },
    listFiles: () => [],
  });
  if (error !== null || wasm === undefined) throw new Error(`the grown core does not compile: ${stderr.toString()}`);
  return new WebAssembly.Module(wasm);
}
