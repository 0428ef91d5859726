// SPDX-License-Identifier: Apache-2.0
// Writes what is made of the layout table: `npm run layout`, after a change of src/layout/. Tests refuse what is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));

const { outputFiles } = await build({
  stdin: {
    contents: `
      export { generatedFiles } from './src/layout/generate.ts';
      export { STORED_VALUES } from './src/layout/hash.ts';
      export { layoutFaults } from './src/layout/resolve.ts';
      export { TABLE } from './src/layout/table.ts';`,
    resolveDir: process.cwd(), // esbuild's own is the one that it was loaded in
  },
  bundle: true,
  format: 'esm',
  write: false,
});
const { generatedFiles, layoutFaults, STORED_VALUES, TABLE } = await import(
  `data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`
);

const faults = layoutFaults(TABLE);
if (faults.length > 0) {
  console.error(faults.map((fault) => `layout: ${fault}`).join('\n'));
  process.exit(1);
}
for (const [file, text] of generatedFiles(TABLE, STORED_VALUES)) {
  if (readIfThere(file) === text) continue;
  writeFileSync(file, text);
  console.log(`layout: ${file}`);
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
