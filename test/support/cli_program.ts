// SPDX-License-Identifier: Apache-2.0
// The program as it ships: bundled into a folder of the package's shape, and run as a process of its own.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { buildSync } from 'esbuild';

import { PATIENCE_MS } from './patience.ts';
import { repoPath } from './repo.ts';

const MAKE_REQUIRE = `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);`;
/** What has to lie where the bundle looks for it, as dist/ has it. */
const SHIPPED = ['build/nic.wasm', 'build/nic.fuzz.wasm', 'test/fixtures/ping_http.pcap', 'src/linux/shipped'];

/** How a run of the program ended. */
export interface ProgramRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A bundled program with an empty working directory; remove() deletes both. */
export class CliProgram {
  /** Working directory of the runs. */
  readonly folder: string;
  readonly file: string;
  private readonly root: string;

  /** `packages`: those that the program finds installed beside it. */
  constructor(packages: readonly string[] = []) {
    this.root = mkdtempSync(join(tmpdir(), 'virtfn-cli-'));
    this.folder = join(this.root, 'work');
    this.file = join(this.root, 'dist/src/cli/virtfn.mjs');
    mkdirSync(this.folder);
    buildSync({
      entryPoints: [repoPath('src/cli/main.ts')],
      outfile: this.file,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      external: ['koffi'],
      banner: { js: MAKE_REQUIRE },
      logLevel: 'error',
    });
    for (const path of SHIPPED) {
      const copy = join(this.root, 'dist', path);
      mkdirSync(dirname(copy), { recursive: true });
      cpSync(repoPath(path), copy, { recursive: true });
    }
    const modules = join(this.root, 'node_modules');
    mkdirSync(modules);
    for (const name of packages) symlinkSync(repoPath(`node_modules/${name}`), join(modules, name));
  }

  run(...args: readonly string[]): ProgramRun {
    return this.runWith({}, ...args);
  }

  /** Runs it with changes of the environment. */
  runWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): ProgramRun {
    const { status, stdout, stderr } = spawnSync(process.execPath, [this.file, ...args], {
      cwd: this.folder,
      env: { ...process.env, ...env },
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      timeout: PATIENCE_MS,
    });
    return { code: status, stdout, stderr };
  }

  /** Writes a file into the working directory: text as it is, anything else as JSON. */
  write(name: string, content: unknown): void {
    writeFileSync(join(this.folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }

  /** Runs it beside the caller. */
  start(...args: readonly string[]): ChildProcess {
    return this.startWith({}, ...args);
  }

  startWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): ChildProcess {
    const options = { cwd: this.folder, env: { ...process.env, ...env } };
    return spawn(process.execPath, [this.file, ...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
