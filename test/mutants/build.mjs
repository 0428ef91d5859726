// SPDX-License-Identifier: Apache-2.0
// Compiles the planted bugs of mutants.json: `node test/mutants/build.mjs [--only ID] [--list] [--out DIR] [-- ASC...]`.
//   --only ID    this one, by its id or the part before the first hyphen (M07); `original` is the core as it is
//   --list       prints ids, oracles and classes, builds nothing
//   --out DIR    where ID.wasm goes, default build/mutants
//   -- ASC...    further arguments of asc, --transform x.mjs for instance; --target is release unless given here
// A mutant is built again when the sources, the mutant, the arguments or the compiler changed. At most two at a time.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const ASC = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
const MOST_AT_ONCE = 2;

/** The planted bugs, in the order of their ids. */
export const MUTANTS = JSON.parse(readFileSync(join(ROOT, 'test/mutants/mutants.json'), 'utf8'));

/** The core without a bug, built like the mutants: what a fuzzer must find nothing in. */
export const ORIGINAL = { id: 'original' };

/** The text of the mutant's file with the bug in it. Throws where the text to replace is not there exactly once. */
export function mutate({ id, file, find, replace }) {
  const parts = readFileSync(join(ROOT, file), 'utf8').split(find);
  if (parts.length !== 2)
    throw new Error(`${id}: ${file} holds the text to replace ${parts.length - 1} times, not once`);
  return parts.join(replace);
}

/** Hash of everything that a build depends on. */
function stampOf({ id, file, find, replace }, ascArguments) {
  const hash = createHash('sha256');
  const files = readdirSync(join(ROOT, 'assembly'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const paths = ['asconfig.json', 'package-lock.json', ...files.sort().map((name) => join('assembly', name))];
  // files named among the arguments, a transform for instance
  const named = ascArguments.filter((argument) => /\.[cm]?js$/.test(argument) && existsSync(argument));
  for (const path of [...paths.map((name) => join(ROOT, name)), ...named]) hash.update(path).update(readFileSync(path));
  return hash.update(JSON.stringify([id, file, find, replace, ascArguments])).digest('hex');
}

function compile(folder, ascArguments, environment) {
  const target = ascArguments.includes('--target') ? [] : ['--target', 'release'];
  const options = ['--baseDir', folder, '--outFile', join(folder, 'mutant.wasm'), ...target, ...ascArguments];
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [ASC, ...options], { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (text += piece));
    child.once('error', fail);
    child.once('close', (code) => (code === 0 ? done() : fail(new Error(`asc ended with ${code}\n${text}`))));
  });
}

/**
 * Compiles a mutant to `outFile`, in a copy of the sources; paths among `ascArguments` are those of the caller. Returns
 * false if the file was up to date. `env`: environment of asc, for transforms that look there.
 */
export async function buildMutant(mutant, { outFile, ascArguments = [], env = process.env }) {
  const stampFile = `${outFile}.stamp`;
  const stamp = stampOf(mutant, ascArguments);
  if (existsSync(outFile) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return false;
  const text = mutant.file === undefined ? null : mutate(mutant);
  // the name of the folder must not lead through a link: asc compares paths
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'virtfn-mutant-')));
  try {
    cpSync(join(ROOT, 'assembly'), join(folder, 'assembly'), { recursive: true });
    copyFileSync(join(ROOT, 'asconfig.json'), join(folder, 'asconfig.json'));
    if (text !== null) writeFileSync(join(folder, mutant.file), text);
    await compile(folder, ascArguments, env);
    mkdirSync(dirname(outFile), { recursive: true });
    // beside its place first: who reads the folder meanwhile sees only whole files
    copyFileSync(join(folder, 'mutant.wasm'), `${outFile}.new`);
    renameSync(`${outFile}.new`, outFile);
    writeFileSync(stampFile, stamp);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return true;
}

/** Builds several mutants into `folder`, two at a time; `onBuilt` hears of each. */
export async function buildMutants(mutants, { folder, ascArguments = [], onBuilt = () => {} }) {
  const left = [...mutants];
  const work = async () => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const isNew = await buildMutant(mutant, { outFile: join(folder, `${mutant.id}.wasm`), ascArguments });
      onBuilt(mutant, isNew);
    }
  };
  await Promise.all(Array.from({ length: MOST_AT_ONCE }, work));
}

function findMutants(name) {
  const found = [ORIGINAL, ...MUTANTS].filter(({ id }) => id === name || id.split('-')[0] === name);
  if (found.length === 0) throw new Error(`no mutant ${name}; --list shows them`);
  return found;
}

async function main(words) {
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  const options = words.slice(0, end);
  const ascArguments = words.slice(end + 1);
  let folder = join(ROOT, 'build/mutants');
  let mutants = [ORIGINAL, ...MUTANTS];
  while (options.length > 0) {
    const option = options.shift();
    if (option === '--list') {
      for (const { id, oracle, class: kind } of MUTANTS)
        console.log(`${id.padEnd(34)} ${oracle.join(' ').padEnd(12)} ${kind}`);
      return;
    }
    if (option === '--only' && options.length > 0) mutants = findMutants(options.shift());
    else if (option === '--out' && options.length > 0) folder = resolve(options.shift());
    else throw new Error(`${option}: --only ID, --list, --out DIR, -- arguments of asc`);
  }
  await buildMutants(mutants, {
    folder,
    ascArguments,
    onBuilt: ({ id }, isNew) => console.log(`${id}: ${isNew ? 'built' : 'up to date'}`),
  });
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exitCode = 2;
  });
}
