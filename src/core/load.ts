// SPDX-License-Identifier: Apache-2.0
// The compiled module, from the file in Node. A browser compiles the module itself and hands it to createNic.
import { readFileSync } from 'node:fs';

import { NicError } from '../util/errors.ts';
import { DEBUG_CORE_URL, INSTRUMENTED_CORE_URL, RELEASE_CORE_URL } from './wasm_path.ts';

/** A compiled core. */
export type CoreModule = WebAssembly.Module;

/** Builds of the core: release; debug with its asserts; instrumented, which tells what it reached and changed. */
export type CoreBuild = 'release' | 'debug' | 'instrumented';

const URLS: Readonly<Record<CoreBuild, URL>> = {
  release: RELEASE_CORE_URL,
  debug: DEBUG_CORE_URL,
  instrumented: INSTRUMENTED_CORE_URL,
};

const modules = new Map<CoreBuild, CoreModule>();

/** Compiles a build of the core once. Throws NicError CORE_MISSING if it was not built. */
export function loadCore(build: CoreBuild = 'release'): CoreModule {
  const known = modules.get(build);
  if (known !== undefined) return known;
  const url = URLS[build];
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(readFileSync(url));
  } catch {
    throw new NicError('CORE_MISSING', `${url.pathname} is not there; run "npm run build:core"`);
  }
  const module = new WebAssembly.Module(bytes);
  modules.set(build, module);
  return module;
}
