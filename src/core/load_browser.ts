// SPDX-License-Identifier: Apache-2.0
// What bundlers for browsers take instead of load.ts (package.json, "browser"): there are no files to read here, so the
// caller compiles `virtfn/nic.wasm` and hands the module to createNic.
import { NicError } from '../util/errors.ts';
import type { CoreBuild, CoreModule } from './load.ts';

/** Throws NicError CORE_MISSING: in a browser createNic needs `options.module`. */
export function loadCore(_build: CoreBuild = 'release'): CoreModule {
  throw new NicError(
    'CORE_MISSING',
    'a browser reads no files; pass createNic { module: await WebAssembly.compileStreaming(fetch(url)) }',
  );
}
