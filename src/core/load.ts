// SPDX-License-Identifier: Apache-2.0
// The compiled module, from its file where there is Node. Elsewhere, and in bundles that left the file behind, the caller
// compiles `virtfn/nic.wasm` and hands the module to createNic.
import { NicError } from '../util/errors.ts';
import { coreUrl, type CoreBuild } from './wasm_path.ts';

export type { CoreBuild };

/** A compiled core: a WebAssembly.Module where the program that is compiled knows that type (lib.dom has it). */
export type CoreModule = typeof globalThis extends { WebAssembly: { Module: new (...args: never) => infer Module } }
  ? Module
  : object;

const modules = new Map<CoreBuild, CoreModule>();

/** Compiles a build of the core once. Throws NicError CORE_MISSING where its file cannot be read. */
export function loadCore(build: CoreBuild = 'release'): CoreModule {
  const known = modules.get(build);
  if (known !== undefined) return known;
  const module = new WebAssembly.Module(readCore(build));
  modules.set(build, module);
  return module;
}

function readCore(build: CoreBuild): Uint8Array<ArrayBuffer> {
  // not imported, so that a bundle for a browser has nothing of Node to resolve
  const fs = globalThis.process?.getBuiltinModule?.('node:fs');
  if (fs === undefined) {
    throw new NicError(
      'CORE_MISSING',
      'there are no files to read here; pass createNic { module: await WebAssembly.compileStreaming(fetch(url)) }',
    );
  }
  let place = `the ${build} core`;
  try {
    const url = coreUrl(build);
    place = url.pathname;
    return new Uint8Array(fs.readFileSync(url));
  } catch {
    throw new NicError(
      'CORE_MISSING',
      `${place} is not there: in a checkout run "npm run build:core"; in a bundle pass createNic { module }, compiled from ` +
        'the file that require.resolve("virtfn/nic.wasm") names',
    );
  }
}
