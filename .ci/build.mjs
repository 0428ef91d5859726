// SPDX-License-Identifier: Apache-2.0
// Builds what is out of date: `node .ci/build.mjs [--force] [STEP...]`; without steps: core, library, cli.
//   core     asc      assembly/                -> build/nic.debug.wasm, build/nic.wasm, build/nic.wat
//   fuzz     asc      assembly/, instrumented  -> build/nic.fuzz.wasm, build/nic.fuzz.json (what its points stand for)
//   coverage asc      assembly/, instrumented  -> build/nic.coverage.wasm, build/nic.coverage.json (for test coverage)
//   library  tsc      src/ and assembly/abi/   -> dist/src, dist/assembly/abi (modules and declarations)
//   cli      esbuild  src/cli/main.ts          -> dist/src/cli/virtfn.mjs (one file that needs no other package)
//   bench    esbuild  bench/run.ts, ...        -> build/bench/run.mjs, build/bench/vfio_user_roundtrip.mjs
//   judges   esbuild  test/mutation/           -> build/mutation/run.mjs, build/mutation/judge.mjs, build/mutation/build.mjs
//   mutation asc      assembly/, all mutants   -> build/nic.mutation.wasm, build/nic.mutation.json (what its mutants are)
// dist/ has the shape of the checkout (dist/src, dist/assembly/abi, dist/build), so `../../build/nic.wasm`, seen from
// src/core, is right in the sources, in the library and in the bundle.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build as bundle } from 'esbuild';

import { FUZZED, instrumentProject } from './instrument.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));

const started = new Date();

const BUNDLE = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
};
const MAKE_REQUIRE = `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);`;

/** What `virtfn start` replays. */
const SAMPLE_CAPTURE = 'test/fixtures/ping_http.pcap';

const STEPS = {
  core: {
    inputs: ['assembly', 'asconfig.json'],
    outputs: ['build/nic.debug.wasm', 'build/nic.wasm', 'build/nic.wat'],
    run() {
      compileCore('debug', 'nic.debug');
      compileCore('release', 'nic', (folder, name) => {
        inlineCalls(folder, name);
        writeText(folder, name);
      });
    },
  },
  fuzz: {
    inputs: ['assembly', 'asconfig.json', '.ci/instrument.mjs'],
    outputs: ['build/nic.fuzz.wasm', 'build/nic.fuzz.json'],
    run() {
      compileInstrumented('nic.fuzz', FUZZED.options, FUZZED.entries);
    },
  },
  coverage: {
    inputs: ['assembly', 'asconfig.json', '.ci/instrument.mjs'],
    outputs: ['build/nic.coverage.wasm', 'build/nic.coverage.json'],
    run() {
      compileInstrumented('nic.coverage', { report: true }, []);
    },
  },
  library: {
    needs: ['core', 'fuzz'],
    inputs: [
      'src',
      'assembly/abi',
      'tsconfig.base.json',
      'tsconfig.build.json',
      'build/nic.wasm',
      'build/nic.fuzz.wasm',
    ],
    outputs: ['dist/src/index.js', 'dist/src/index.d.ts', 'dist/build/nic.wasm', 'dist/build/nic.fuzz.wasm'],
    run() {
      // what earlier sources left would be published too
      rmSync('dist/assembly', { recursive: true, force: true });
      for (const folder of existsSync('dist/src') ? readdirSync('dist/src') : [])
        if (folder !== 'cli') rmSync(join('dist/src', folder), { recursive: true });
      runTool('typescript/bin/tsc', '-p', 'tsconfig.build.json');
      plainTypes('dist/assembly/abi');
      shipCore();
      shipLinux();
    },
  },
  cli: {
    needs: ['core', 'fuzz'],
    inputs: ['src', 'assembly/abi', 'build/nic.wasm', 'build/nic.fuzz.wasm', 'package.json', SAMPLE_CAPTURE],
    outputs: [
      'dist/src/cli/virtfn.mjs',
      'dist/third_party_licenses.txt',
      'dist/build/nic.wasm',
      'dist/build/nic.fuzz.wasm',
    ],
    async run() {
      rmSync('dist/src/cli', { recursive: true, force: true });
      const { metafile } = await bundle({
        ...BUNDLE,
        entryPoints: ['src/cli/main.ts'],
        outfile: 'dist/src/cli/virtfn.mjs',
        // Bundled CommonJS packages call require() for Node's own modules; an ES module has to make one for them.
        // An optional package with code for the processor: loaded when it is needed, and only then missed.
        external: ['koffi'],
        banner: { js: `#!/usr/bin/env node\n${MAKE_REQUIRE}` },
        metafile: true,
      });
      chmodSync('dist/src/cli/virtfn.mjs', 0o755);
      writeFileSync('dist/third_party_licenses.txt', licencesOf(Object.keys(metafile.inputs)));
      shipCore();
      shipLinux();
      mkdirSync(join('dist', dirname(SAMPLE_CAPTURE)), { recursive: true });
      copyFileSync(SAMPLE_CAPTURE, join('dist', SAMPLE_CAPTURE));
    },
  },
  bench: {
    needs: ['core', 'fuzz'],
    inputs: ['src', 'assembly/abi', 'bench', 'test/soak', 'build/nic.wasm'],
    outputs: ['build/bench/run.mjs', 'build/bench/soak.mjs', 'build/bench/vfio_user_roundtrip.mjs'],
    async run() {
      await bundle({
        ...BUNDLE,
        entryPoints: ['bench/run.ts', 'bench/soak.ts', 'bench/vfio_user_roundtrip.ts'],
        outdir: 'build/bench',
        outExtension: { '.js': '.mjs' },
        // benchmark.js decompiles functions, its own among them.
        packages: 'external',
      });
    },
  },
  judges: {
    inputs: ['test/mutation', 'src', 'assembly/abi'],
    outputs: ['build/mutation/run.mjs', 'build/mutation/judge.mjs', 'build/mutation/build.mjs'],
    async run() {
      await bundle({
        ...BUNDLE,
        entryPoints: {
          run: 'test/mutation/run.ts',
          judge: 'test/mutation/judge/worker.ts',
          build: 'test/mutation/build.ts',
        },
        outdir: 'build/mutation',
        outExtension: { '.js': '.mjs' },
        packages: 'external',
      });
    },
  },
  mutation: {
    needs: ['core', 'fuzz', 'judges'],
    // what the mutants are made by, not what judges them
    inputs: [
      'assembly',
      'asconfig.json',
      ...['abi_fields', 'alternative', 'build', 'mutants', 'operators', 'schemata'].map(
        (name) => `test/mutation/${name}.ts`,
      ),
    ],
    outputs: ['build/nic.mutation.wasm', 'build/nic.mutation.json'],
    async run() {
      const { mutateProject } = await import(pathToFileURL(resolve('build/mutation/build.mjs')).href);
      intoBuild((folder) => {
        const tree = join(folder, 'tree');
        const mutants = mutateProject('assembly', tree);
        runToolIn(tree, 'assemblyscript/bin/asc.js', '--target', 'release', '--outFile', '../nic.mutation.wasm');
        rmSync(tree, { recursive: true });
        writeFileSync(join(folder, 'nic.mutation.json'), mutants);
      });
    },
  },
};

function runTool(tool, ...args) {
  runToolIn('.', tool, ...args);
}

function runToolIn(folder, tool, ...args) {
  const options = { stdio: 'inherit', cwd: folder };
  const { status, error } = spawnSync(process.execPath, [resolve('node_modules', tool), ...args], options);
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** Compiles beside build/ and moves the result in at the end: who reads build/ meanwhile sees only whole files. */
function compileCore(target, name, finish = () => {}) {
  intoBuild((folder) => {
    runTool('assemblyscript/bin/asc.js', '--target', target, '--outFile', join(folder, `${name}.wasm`));
    finish(folder, name);
  });
}

/** The core that watches itself, with the release build's options and the debug build's asserts. */
function compileInstrumented(name, watch, moreEntries) {
  intoBuild((folder) => {
    const tree = join(folder, 'tree');
    const points = instrumentProject('assembly', tree, watch, moreEntries);
    runToolIn(tree, 'assemblyscript/bin/asc.js', '--target', 'instrumented', '--outFile', `../${name}.wasm`);
    rmSync(tree, { recursive: true });
    inlineCalls(folder, name);
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(points));
  });
}

function intoBuild(make) {
  const folder = join('build', `.${process.pid}`);
  mkdirSync(folder, { recursive: true });
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  make(folder);
  for (const file of readdirSync(folder)) renameSync(join(folder, file), join('build', file));
}

const FEATURES = ['simd', 'bulk-memory', 'sign-ext', 'mutable-globals', 'nontrapping-float-to-int'].map(
  (feature) => `--enable-${feature}`,
);

/**
 * asc has no say in how far Binaryen inlines; the small functions of the hot path cost up to a third of the time as calls
 * (docs/decisions/0004-inlining.md has the measurement).
 */
function inlineCalls(folder, name) {
  const file = join(folder, `${name}.wasm`);
  const limits = [
    '--always-inline-max-function-size=100',
    '--flexible-inline-max-function-size=700',
    '--one-caller-inline-max-function-size=2000',
    '--inline-functions-with-loops',
  ];
  runTool('binaryen/bin/wasm-opt', ...FEATURES, '-O4', ...limits, file, '-o', file);
}

function writeText(folder, name) {
  runTool('binaryen/bin/wasm-dis', ...FEATURES, join(folder, `${name}.wasm`), '-o', join(folder, `${name}.wat`));
}

/** Tables of the core are arrays of numbers to whoever uses the package, who has no types of AssemblyScript. */
function plainTypes(folder) {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.d.ts'))) {
    const path = join(folder, file);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('StaticArray<u32>', 'readonly number[]'));
  }
}

/** What the modules of dist/ look for at `../../build`: release core, declaration of its exports, instrumented core. */
function shipCore() {
  mkdirSync('dist/build', { recursive: true });
  for (const file of ['nic.wasm', 'nic.fuzz.wasm', 'nic.fuzz.json'])
    copyFileSync(join('build', file), join('dist/build', file));
  // Types of the exports alone: instantiate() names WebAssembly.Module, which lib.dom has and not every consumer.
  const declarations = readFileSync('build/nic.d.ts', 'utf8');
  const ofExports = declarations.slice(0, declarations.indexOf('/** Instantiates the compiled'));
  writeFileSync('dist/build/nic.d.ts', ofExports.replace(/^declare/, 'export declare'));
}

/** Fragments, the guest's programs: what `virtfn uml` hands on as it is. The program and the library look in the same place. */
function shipLinux() {
  cpSync('src/linux/shipped', 'dist/src/linux/shipped', { recursive: true });
}

/** Licence texts of the packages that a bundle contains, which their licences ask to go along. */
function licencesOf(bundledFiles) {
  const packages = new Set(bundledFiles.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []));
  return [...packages]
    .sort()
    .map(licenceOf)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`${name} has no licence file that the bundle could carry`);
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
}

/** Change times of files and of everything below folders; `absent` stands for what does not exist. */
function changeTimes(paths, absent) {
  return paths.flatMap((path) => {
    if (!existsSync(path)) return [absent];
    const below = statSync(path).isDirectory() ? readdirSync(path, { recursive: true, encoding: 'utf8' }) : [];
    return [path, ...below.map((name) => join(path, name))].map((name) => statSync(name).mtimeMs);
  });
}

function isStale({ inputs, outputs }) {
  const newestInput = Math.max(...changeTimes([...inputs, '.ci/build.mjs', 'package-lock.json'], 0));
  return newestInput > Math.min(...changeTimes(outputs, -1));
}

async function bringUpToDate(name, isForced) {
  const step = STEPS[name];
  for (const needed of step.needs ?? []) await bringUpToDate(needed, false);
  if (!isForced && !isStale(step)) return;
  console.log(`build: ${name}`);
  await step.run();
  // A source that changes while its step runs must be newer than the outputs.
  for (const output of step.outputs) utimesSync(output, started, started);
}

const names = process.argv.slice(2).filter((argument) => argument !== '--force');
const unknown = names.filter((name) => !(name in STEPS));
if (unknown.length > 0) {
  console.error(`build: no step '${unknown.join("', '")}'; the steps are ${Object.keys(STEPS).join(', ')}`);
  process.exit(2);
}
for (const name of names.length > 0 ? names : ['core', 'library', 'cli']) {
  await bringUpToDate(name, process.argv.includes('--force'));
}
