// SPDX-License-Identifier: Apache-2.0
// Does the fuzzer find the planted bugs? Builds each mutant as an instrumented core, fuzzes it on one core until an oracle
// that the mutant names breaks, and prints what was found after how long.
//
//   node test/mutants/hunt.mjs [--only ID,...] [--seconds 60] [--seed 1] [--json FILE]
//
// Seconds are of processor time. Exit code 0: at least 92 of 100 were found (23 of 25).
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';

import { build as bundle } from 'esbuild';

import { FUZZED, instrumentProject } from '../../.ci/instrument.mjs';
import { mutate, MUTANTS } from './build.mjs';

process.chdir(join(import.meta.dirname, '../..'));

const FOLDER = 'build/mutants/instrumented';
const BUNDLE = 'build/fuzz/fuzz.mjs';
/** Share of the mutants that has to be found. */
const WANTED = 0.92;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});

/** The mutant as an instrumented core; what is up to date is taken as it is. */
function instrumentedMutant(mutant) {
  const tree = mkdtempSync(join('build', '.mutant-'));
  try {
    cpSync('assembly', join(tree, 'source'), { recursive: true });
    writeFileSync(join(tree, 'source', mutant.file.replace(/^assembly\//, '')), mutate(mutant));
    instrumentProject(join(tree, 'source'), tree, FUZZED.options, FUZZED.entries);
    const file = join(FOLDER, `${mutant.id}.wasm`);
    const stamp = createHash('sha256')
      .update(hashTree(join(tree, 'assembly')))
      .digest('hex');
    if (existsSync(file) && existsSync(`${file}.stamp`) && readFileSync(`${file}.stamp`, 'utf8') === stamp) return file;
    const asc = join(process.cwd(), 'node_modules/assemblyscript/bin/asc.js');
    const { status, stderr } = spawnSync(
      process.execPath,
      [asc, '--target', 'instrumented', '--optimizeLevel', '2', '--outFile', 'mutant.wasm'],
      { cwd: tree, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`${mutant.id} does not compile: ${stderr}`);
    mkdirSync(FOLDER, { recursive: true });
    cpSync(join(tree, 'mutant.wasm'), file);
    writeFileSync(`${file}.stamp`, stamp);
    return file;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function hashTree(folder) {
  const { stdout } = spawnSync('find', [folder, '-type', 'f', '-name', '*.ts'], { encoding: 'utf8' });
  const hash = createHash('sha256');
  for (const file of stdout.trim().split('\n').sort())
    hash.update(file.slice(folder.length)).update(readFileSync(file));
  return hash.digest('hex');
}

const cpuSeconds = () => process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6;

/** Fuzzes one mutant, its targets in turn, twice as long in each round. */
function hunt({ Fuzzer, createFuzzTarget, CARD_TARGETS }, mutant, budget, seed) {
  const module = new WebAssembly.Module(readFileSync(instrumentedMutant(mutant)));
  const began = cpuSeconds();
  const elapsed = () => cpuSeconds() - began;
  const others = new Set();
  let executions = 0;
  const look = (fuzzer, target) => {
    for (const { oracle, message } of fuzzer.findings) {
      if (mutant.oracle.includes(oracle)) return { target, oracle, message };
      others.add(oracle);
    }
    return null;
  };
  const fuzzers = new Map();
  for (let slice = 1; elapsed() < budget; slice *= 2) {
    for (const target of CARD_TARGETS) {
      const until = Math.min(budget, elapsed() + slice);
      let fuzzer = fuzzers.get(target);
      if (fuzzer === undefined) {
        try {
          fuzzer = new Fuzzer(createFuzzTarget(target, { module }), { seed, thoroughEvery: 16 });
        } catch (error) {
          // good drivers alone make it trap
          return {
            target,
            oracle: /^O\d+/.exec(error.message)[0],
            message: error.message,
            seconds: elapsed(),
            executions,
          };
        }
        fuzzers.set(target, fuzzer);
      }
      let found = look(fuzzer, target);
      while (found === null && elapsed() < until) {
        executions += fuzzer.step();
        found = look(fuzzer, target);
      }
      if (found !== null) return { ...found, seconds: elapsed(), executions };
      if (elapsed() >= budget) break;
    }
  }
  return {
    target: null,
    oracle: null,
    message: `only ${[...others].join(' ') || 'nothing'}`,
    seconds: elapsed(),
    executions,
  };
}

await bundle({
  entryPoints: ['src/fuzz/index.ts'],
  outfile: BUNDLE,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  logLevel: 'warning',
  external: ['koffi'],
});
const fuzz = await import(pathToFileURL(BUNDLE).href);
const wanted = values.only?.split(',');
const mutants = MUTANTS.filter(({ id }) => wanted === undefined || wanted.some((name) => id.startsWith(name)));
const rows = [];
for (const mutant of mutants) {
  const row = hunt(fuzz, mutant, Number(values.seconds), Number(values.seed));
  rows.push({ id: mutant.id, class: mutant.class, wanted: mutant.oracle, ...row });
  const name = mutant.id.padEnd(34);
  if (row.oracle === null)
    console.log(`${name} NOT FOUND in ${row.seconds.toFixed(0)} s (${row.executions} runs): ${row.message}`);
  else
    console.log(
      `${name} ${row.oracle.padEnd(4)} ${row.target.padEnd(7)} ${row.seconds.toFixed(1).padStart(6)} s  ${row.message}`,
    );
}
const found = rows.filter(({ oracle }) => oracle !== null).length;
console.log(`${found} of ${rows.length} found`);
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ schema: 'virtfn.mutants/1', rows }, null, 2)}\n`);
process.exit(found >= WANTED * rows.length ? 0 : 1);
