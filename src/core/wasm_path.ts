// SPDX-License-Identifier: Apache-2.0
// Where the compiled core lies. dist/ has the shape of the checkout, so one relative address serves the sources, the
// library in dist/src/core and the program in dist/src/cli; bundlers know this form and copy the file.

/** Address of the release core; `fetch` takes it in a browser, `readFileSync` in Node. */
export const RELEASE_CORE_URL: URL = new URL('../../build/nic.wasm', import.meta.url);

/** Address of the core with its asserts, in a checkout only. */
export const DEBUG_CORE_URL: URL = new URL('../../build/nic.debug.wasm', import.meta.url);

/** Address of the core that tells which points of its code it reached and which pages it changed. */
export const INSTRUMENTED_CORE_URL: URL = new URL('../../build/nic.fuzz.wasm', import.meta.url);
