// SPDX-License-Identifier: Apache-2.0
// Runs cases and judges them. After the act: nothing was written where nobody had offered it, the neighbour noticed
// nothing, the function does what its status says, nothing comes late after a reset, and a good request is served again.
import { isTrap } from '../core/trap.ts';
import { NicError } from '../util/errors.ts';
import { Bench, type RunOptions } from './bench.ts';
import type { Case, CaseResult } from './case.ts';
import { serviceFault } from './frames.ts';
import type { PathDriver } from './path.ts';
import { CONFIG_VECTOR } from './raw_function.ts';
import { must, Skip, verdictOn, Misbehaviour, Wedged, type Outcome, type Verdict } from './verdict.ts';

/** Runs cases on each path; `onResult` hears how far it is. */
export function runCases(
  cases: readonly Case[],
  drivers: readonly PathDriver[],
  options: RunOptions,
  onResult: (done: number, total: number) => void = () => {},
): CaseResult[] {
  const results: CaseResult[] = [];
  for (const one of cases) {
    for (const driver of drivers) {
      results.push(runCase(one, driver, options));
      onResult(results.length, cases.length * drivers.length);
    }
  }
  return results;
}

/** Runs one case on a card of its own. */
export function runCase(one: Case, driver: PathDriver, options: RunOptions): CaseResult {
  const { id, act, clause } = one;
  const report = (verdict: Verdict, outcome: Outcome | null, detail = ''): CaseResult => ({
    id,
    path: driver.name,
    act,
    clause,
    verdict,
    outcome,
    detail,
  });
  const idle = reasonToSkip(one, driver, options);
  if (idle !== null) return report('SKIP', null, idle);
  let outcome: Outcome | null = null;
  let bench: Bench | null = null;
  try {
    bench = new Bench(one, driver, options);
    const missing = one.needs?.(bench) ?? null;
    if (missing !== null) throw new Skip(missing);
    outcome = one.run(bench);
    examine(one, bench, outcome);
    const verdict = verdictOn(outcome, one.allowed);
    const allowed = one.allowed.join(', ');
    return report(verdict, outcome, verdict === 'FAIL' ? `${outcome}, and only ${allowed} is allowed` : '');
  } catch (error) {
    if (error instanceof Skip) return report('SKIP', outcome, error.message);
    if (error instanceof Wedged) return report('WEDGED', outcome, error.message);
    if (error instanceof Misbehaviour) return report('FAIL', outcome, error.message);
    if (isTrap(error)) return report('FAIL', outcome, `the core trapped: ${error.message}`);
    // a call was refused that the case does not mean to be refused
    if (error instanceof NicError) return report('FAIL', outcome, `${error.code}: ${error.message}`);
    throw error;
  } finally {
    bench?.close();
  }
}

function reasonToSkip(one: Case, driver: PathDriver, options: RunOptions): string | null {
  if (driver.missing !== null) return driver.missing;
  if (driver.name === 'vfio-user' && one.directOnly !== undefined) return one.directOnly;
  if (one.isTimed === true && options.mode === 'functional') return 'needs time to pass: --mode timed';
  return null;
}

/** Everything that has to hold whatever the case is about. */
function examine(one: Case, bench: Bench, outcome: Outcome): void {
  bench.settle();
  mustBeFine('', bench.trespass());
  for (const [index, ring] of bench.rings) mustBeFine(`queue ${index}: `, ring.fault());
  mustBeFine('the neighbour: ', bench.bystanderFault());
  if (bench.isLegacy) examineLegacy(one, bench, outcome);
  else examineModern(one, bench, outcome);
}

/** Throws Misbehaviour for a fault that a look at something has found. */
function mustBeFine(where: string, fault: string | null): void {
  if (fault !== null) throw new Misbehaviour(`${where}${fault}`);
}

function examineModern(one: Case, bench: Bench, outcome: Outcome): void {
  const { bad } = bench;
  if (outcome === 'needs-reset') {
    must(bad.needsReset, 'DEVICE_NEEDS_RESET is gone again without a reset');
    must(bench.interrupts(bad.fn, CONFIG_VECTOR) === 1, 'DEVICE_NEEDS_RESET without one configuration interrupt');
    mustRest(bench);
  } else if (one.leavesDown !== true) {
    must(bad.isRunning, `${outcome}, and the status is 0x${bad.status.toString(16)}`);
    mustBeFine(`${outcome}, and after it `, serviceFault(bench, bad));
  }
  bad.switchOn();
  afterReset(bench, () => bad.reset());
  bad.start();
  const fault = serviceFault(bench, bad);
  if (fault !== null) throw new Wedged(`after a reset ${fault}`);
  if (bad.fn === 0 && !bench.admin.answers()) throw new Wedged('after a reset no administration command is answered');
}

function examineLegacy(one: Case, bench: Bench, outcome: Outcome): void {
  const { legacy } = bench;
  if (outcome !== 'needs-reset' && one.leavesDown !== true) {
    mustBeFine(`${outcome}, and after it `, legacy.serviceFault());
  }
  afterReset(bench, () => legacy.reset());
  legacy.start();
  const fault = legacy.serviceFault();
  if (fault !== null) throw new Wedged(`after a reset ${fault}`);
}

/** A stopped function asks nothing more of the host's memory, however often its doorbells are rung. */
function mustRest(bench: Bench): void {
  const view = (): string => {
    const { dma_reads, dma_writes } = bench.nic.counters();
    return `${dma_reads} ${dma_writes}`;
  };
  const before = view();
  for (const queue of bench.rings.keys()) bench.bad.kick(queue);
  must(view() === before, 'DEVICE_NEEDS_RESET, and it goes on working');
}

/** GEN-RESET-02: once the status reads 0, no write and no interrupt comes any more. */
function afterReset(bench: Bench, reset: () => void): void {
  reset();
  const { memory } = bench;
  const image = memory.u8.slice();
  const messages = bench.interrupts(bench.badFn);
  bench.settle();
  must(Buffer.compare(memory.u8, image) === 0, 'memory is written after the reset');
  must(bench.interrupts(bench.badFn) === messages, 'an interrupt comes after the reset');
}
