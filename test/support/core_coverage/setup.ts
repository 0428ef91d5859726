// SPDX-License-Identifier: Apache-2.0
// Runs in every test file of a coverage run: hands the import to each instance of the core and writes down, at the end of
// the file, which points were passed.
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll } from 'vitest';

import { PARTS_FOLDER } from './report.ts';

const passed = new Set<number>();
const report = { firstPassed: (point: number) => passed.add(point >>> 0) };

const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  constructor(module: WebAssembly.Module, imports: WebAssembly.Imports = {}) {
    super(module, { ...imports, report });
  }
};

afterAll(() => {
  mkdirSync(PARTS_FOLDER, { recursive: true });
  writeFileSync(join(PARTS_FOLDER, `${randomUUID()}.json`), JSON.stringify([...passed]));
});
