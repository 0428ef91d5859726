// SPDX-License-Identifier: Apache-2.0
// What the judges work with, made by `node .ci/build.mjs mutation`: the sources of the core with all mutants, and every test
// file as one script that can be run again and again, each time with fresh modules.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { build, type Plugin } from 'esbuild';

import { MUTANTS_MAX } from './core/switch.ts';
import { mutateCore } from './schemata.ts';

/** Fills `tree` with what asc compiles to the core with all mutants; the list of them as JSON. */
export function mutateProject(from: string, tree: string): string {
  const { mutants, texts } = mutateCore(from);
  if (mutants.length > MUTANTS_MAX) {
    throw new Error(
      `${mutants.length} mutants, and room for the marks of ${MUTANTS_MAX}; give core/switch.ts more of it`,
    );
  }
  for (const [name, text] of texts) {
    const path = join(tree, 'assembly', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  writeFileSync(join(tree, 'asconfig.json'), readFileSync('asconfig.json', 'utf8'));
  return `[\n${mutants.map((mutant) => JSON.stringify(mutant)).join(',\n')}\n]\n`;
}

/** Bundles test files, `test/a/b.test.ts` to `folder/a/b.test.cjs`; packages stay outside. */
export async function bundleTests(files: readonly string[], folder: string): Promise<void> {
  await build({
    entryPoints: [...files],
    outbase: 'test',
    outdir: folder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    packages: 'external',
    minifyWhitespace: true,
    logLevel: 'error',
    plugins: [ofTheMutatedCore],
  });
}

/** The stand-in for wasm_path.ts, and import.meta.url, which scripts do not have, as the address of each source. */
const ofTheMutatedCore: Plugin = {
  name: 'of-the-mutated-core',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/wasm_path\.ts$/ }, ({ importer }) =>
      importer.endsWith('mutation/core/wasm_path.ts')
        ? null
        : { path: join(process.cwd(), 'test/mutation/core/wasm_path.ts') },
    );
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!text.includes('import.meta')) return null;
      const url = JSON.stringify(pathToFileURL(path).href);
      const contents = text
        .replaceAll('import.meta.url', url)
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)));
      return { contents, loader: 'ts' };
    });
  },
};
