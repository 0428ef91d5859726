// SPDX-License-Identifier: Apache-2.0
// The package as npm would publish it, in the hands of somebody who installed it: what lies in it, its types under settings
// that know neither a browser nor Node, bundles for both, the traces as docs/trace.md describes them.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';

import { buildSync } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { PATIENCE_MS } from '../support/patience.ts';
import { readRepoFile, repoPath } from '../support/repo.ts';

interface PackedFile {
  readonly path: string;
}

let files: readonly string[];
let folder: string;

beforeAll(() => {
  execFileSync(process.execPath, [repoPath('.ci/build.mjs'), 'library', 'cli'], { timeout: PATIENCE_MS });
  const list = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: repoPath('.'),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const [packed] = JSON.parse(list) as { readonly files: readonly PackedFile[] }[];
  files = packed!.files.map(({ path }) => path);
  folder = mkdtempSync(join(tmpdir(), 'virtfn-package-'));
  for (const path of files) {
    mkdirSync(dirname(join(folder, 'node_modules/virtfn', path)), { recursive: true });
    cpSync(repoPath(path), join(folder, 'node_modules/virtfn', path));
  }
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a program beside the installed package. */
function program(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function node(path: string): unknown {
  const { stdout, stderr, status } = spawnSync(process.execPath, [path], { encoding: 'utf8', timeout: PATIENCE_MS });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

describe('the files', () => {
  it('have what its documents link to', () => {
    const documents = files.filter((path) => path.endsWith('.md'));
    const links = documents.flatMap((from) =>
      [...readRepoFile(from).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path]) => ({
        from,
        to: normalize(join(dirname(from), path!)),
      })),
    );

    expect(links.length).toBeGreaterThan(100);
    // what the recipes change is not in the package, nor are they
    const ofPackage = links.filter(({ to }) => to !== 'docs/recipes.md');
    expect(ofPackage.filter(({ to }) => !files.some((path) => path === to || path.startsWith(`${to}/`)))).toEqual([]);
  });

  it("are those of today's sources, without maps to sources that are not there", () => {
    expect(files.filter((path) => path.endsWith('.map'))).toEqual([]);
    const modules = files.filter((path) => /^dist\/src\/.*\.js$/.test(path)).map((path) => path.slice('dist/'.length));
    expect(modules.length).toBeGreaterThan(100);
    expect(modules.filter((path) => !existsSync(repoPath(path.replace(/js$/, 'ts'))))).toEqual([]);
  });

  it('satisfy publint', async () => {
    const packed = files.map((path) => ({
      name: `package/${path}`,
      data: new Uint8Array(readFileSync(repoPath(path))),
    }));
    const { messages, pkg } = await publint({ pkgDir: 'package', pack: { files: packed }, strict: true });

    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });
});

describe('the types', () => {
  // Every entry at once; a type that is not exported, or one of lib.dom, is an error.
  const everything = `
    import { createNic, ConfigError, coreUrl, type AdminInjection, type FrameHandler, type ReadFault, type CoreModule } from 'virtfn';
    import { VfioPci } from 'virtfn/vfio';
    import * as guest from 'virtfn/guest';
    import { Fuzzer } from 'virtfn/fuzz';
    import { TRACE_MASK_FRAMES, tracedCard, traceRecords, vcdPieces } from 'virtfn/trace';
    const fault: ReadFault = 'lost';
    declare const answer: AdminInjection;
    const onFrame: FrameHandler = (frame, fn) => void (frame.length + fn);
    export function used(module: CoreModule): unknown[] {
      const nic = createNic({}, { module });
      nic.onFrame(onFrame);
      nic.injectReadFault(fault);
      nic.injectAdminStatus(answer);
      nic.startTrace(TRACE_MASK_FRAMES);
      const where: string = coreUrl().href;
      return [where, vcdPieces(tracedCard(nic, -1), traceRecords([nic.takeTrace()])), ConfigError, VfioPci, guest, Fuzzer];
    }`;

  it.each([
    ['without lib.dom', ['es2023']],
    ['with lib.dom', ['es2023', 'dom']],
  ])('hold %s', (_, lib) => {
    program('types.ts', everything);
    const compilerOptions = {
      lib,
      types: [],
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      target: 'es2023',
      module: 'nodenext',
      exactOptionalPropertyTypes: true,
    };
    program('tsconfig.json', JSON.stringify({ compilerOptions, files: ['types.ts'] }));

    const { stdout } = spawnSync(process.execPath, [repoPath('node_modules/typescript/bin/tsc'), '-p', folder], {
      encoding: 'utf8',
    });

    expect(stdout).toBe('');
  });

  it('have none of AssemblyScript, in tables of the core either', () => {
    const declarations = files.filter((path) => path.endsWith('.d.ts'));
    const textOf = (path: string): string => readFileSync(join(folder, 'node_modules/virtfn', path), 'utf8');

    expect(declarations.length).toBeGreaterThan(100);
    expect(declarations.filter((path) => /\bStaticArray\b/.test(textOf(path)))).toEqual([]);
  });

  it('are those of a browser where there is one', () => {
    program(
      'types.ts',
      `import { coreUrl, type CoreModule } from 'virtfn';
      export const core: Promise<CoreModule> = WebAssembly.compileStreaming(fetch(coreUrl()));`,
    );
    const compilerOptions = { lib: ['es2023', 'dom'], types: [], strict: true, noEmit: true, module: 'nodenext' };
    program('tsconfig.json', JSON.stringify({ compilerOptions, files: ['types.ts'] }));

    const { stdout } = spawnSync(process.execPath, [repoPath('node_modules/typescript/bin/tsc'), '-p', folder], {
      encoding: 'utf8',
    });

    expect(stdout).toBe('');
  });
});

describe('a program', () => {
  const MAKES_CARD = `console.log(JSON.stringify(createNic({ mode: 'functional', totalVfs: 1 }).configRead(0, 0, 4)));`;
  /** Device id 0x1041, vendor id 0x1af4. */
  const ID = 0x10411af4;

  it('finds the core', () => {
    expect(node(program('plain.mjs', `import { createNic } from 'virtfn';\n${MAKES_CARD}`))).toBe(ID);
  });

  // A bundle leaves the file behind; as CommonJS it has no import.meta either.
  it.each(['cjs', 'esm'] as const)('bundled as %s is told how to find the core, and works with it', (format) => {
    const entry = program(
      'bundled.mjs',
      `import { readFileSync } from 'node:fs';
      import { createNic } from 'virtfn';
      let code = '';
      try { createNic(); } catch (error) { code = error.code + ': ' + error.message; }
      const module = new WebAssembly.Module(readFileSync(${JSON.stringify(join(folder, 'node_modules/virtfn/dist/build/nic.wasm'))}));
      console.log(JSON.stringify([code, createNic({ mode: 'functional', totalVfs: 1 }, { module }).configRead(0, 0, 4)]));`,
    );
    const outfile = join(folder, 'deep/in/here', `out.${format === 'cjs' ? 'cjs' : 'mjs'}`);
    buildSync({ entryPoints: [entry], bundle: true, platform: 'node', format, outfile, logLevel: 'silent' });

    const [code, id] = node(outfile) as [string, number];

    expect(code).toMatch(/^CORE_MISSING: .* in a bundle pass createNic \{ module \}/);
    expect(id).toBe(ID);
  });

  it('writes the same records into two files', () => {
    const text = `
      import { Machine } from 'virtfn';
      import { framePieces, TRACE_MASK_FRAMES, TRACE_MASK_STATE, tracedCard, traceRecords, vcdPieces } from 'virtfn/trace';
      const machine = new Machine({ totalVfs: 2, traceBytes: 1 << 20 });
      const [one, other] = [machine.startModern(1), machine.startModern(2)];
      machine.nic.startTrace(TRACE_MASK_FRAMES | TRACE_MASK_STATE);
      const frame = new Uint8Array(64);
      frame.set([...other.mac, ...one.mac, 8, 0]);
      one.send(frame);
      machine.settle();
      const records = traceRecords([machine.nic.takeTrace()]);
      const card = tracedCard(machine.nic, machine.pf.transport.adminQueueIndex());
      const frames = () => Buffer.concat([...framePieces(card, records)]).length;
      console.log(JSON.stringify([frames(), frames(), [...vcdPieces(card, records)].join('').includes('$enddefinitions')]));`;

    const [first, second, isVcd] = node(program('traced.mjs', text)) as [number, number, boolean];

    expect(first).toBeGreaterThan(2 * 64);
    expect(second).toBe(first);
    expect(isVcd).toBe(true);
  });
});
