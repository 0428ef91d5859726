// SPDX-License-Identifier: Apache-2.0
// The library bundled for a browser: it asks for no module of Node, and the bundle works with a core that the caller
// compiled. A real browser is not started here; the bundle runs in a context that has nothing of Node.
import { readFileSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';

import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const CODE = `
  import { createNic } from './src/device/nic.ts';
  globalThis.result = (module) => {
    const nic = createNic({ mode: 'functional', totalVfs: 1 }, { module });
    return nic.configRead(0, 0, 4);
  };
  globalThis.withoutModule = () => {
    try {
      createNic();
      return '';
    } catch (error) {
      return error.code;
    }
  };
`;

describe('the library in a browser', () => {
  it('bundles without modules of Node and answers with a module that the caller compiled', async () => {
    const { outputFiles } = await build({
      stdin: { contents: CODE, resolveDir: process.cwd(), loader: 'ts' },
      bundle: true,
      platform: 'browser',
      format: 'iife',
      target: 'es2023',
      write: false,
      logLevel: 'silent',
    });
    const context = createContext({ WebAssembly, URL }) as {
      result(module: WebAssembly.Module): number;
      withoutModule(): string;
    };
    runInContext(outputFiles[0]!.text.replaceAll('import.meta', '({ url: "https://example.invalid/" })'), context);

    // device id 0x1041, vendor id 0x1af4
    expect(context.result(new WebAssembly.Module(readFileSync('build/nic.wasm')))).toBe(0x10411af4);
    expect(context.withoutModule()).toBe('CORE_MISSING');
  });
});
