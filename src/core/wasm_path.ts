// SPDX-License-Identifier: Apache-2.0
// Where the compiled core lies. dist/ has the shape of the checkout, so one relative address serves the sources, the
// library in dist/src/core and the program in dist/src/cli; bundlers know this form and copy the file.
import { checkOptions, oneOfNames } from '../util/options.ts';

/** Builds of the core: release; debug with its asserts; instrumented, which tells what it reached and changed. */
export type CoreBuild = 'release' | 'debug' | 'instrumented';

/** `URL` where the program that is compiled knows such a type (from lib.dom or from Node's types). */
export type CoreUrl = typeof globalThis extends { URL: new (...args: never) => infer Url }
  ? Url
  : { readonly href: string };

// Only made when it is asked for: a bundle of another format than ES modules has no import.meta.url.
const URLS: Readonly<Record<CoreBuild, () => CoreUrl>> = {
  release: () => new URL('../../build/nic.wasm', import.meta.url),
  debug: () => new URL('../../build/nic.debug.wasm', import.meta.url),
  instrumented: () => new URL('../../build/nic.fuzz.wasm', import.meta.url),
};

/** An option that names one. */
export const BUILD = oneOfNames(...Object.keys(URLS));

/**
 * Address of a build of the core; `fetch` takes it in a browser, `readFileSync` in Node. The debug build is there in a
 * checkout only.
 *
 * @throws TypeError in a bundle that is no ES module.
 */
export function coreUrl(build: CoreBuild = 'release'): CoreUrl {
  checkOptions('core', { build }, { build: BUILD });
  return URLS[build]();
}
