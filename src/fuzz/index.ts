// SPDX-License-Identifier: Apache-2.0
// The entry `virtfn/fuzz` of the package.
/**
 * The targets of `virtfn fuzz`, its loop, and what one needs to bring a target of one's own, a driver under test against the
 * card for instance.
 *
 * @module virtfn/fuzz
 */
import { checkCreate, type CreateOptions } from '../device/nic.ts';
import { UsageError } from '../util/errors.ts';
import { CARD_TARGETS, CardTarget, type CardTargetName } from './card_target.ts';
import type { FuzzTarget } from './target.ts';
import { DriverTarget } from './targets/driver.ts';
import { UmlTarget } from './targets/uml.ts';
import { VfioUserTarget } from './targets/vfio_user.ts';

export { CARD_TARGETS, CardTarget } from './card_target.ts';
export type { CardTargetName } from './card_target.ts';
export { Fuzzer, minimise } from './engine.ts';
export type { Finding, FuzzOptions, FuzzProgress } from './engine.ts';
export type { Random } from './generate.ts';
export { FuzzCard } from './card.ts';
export type { AccessObserver } from './card.ts';
export { decodeProgram, encodeProgram } from './program.ts';
export type { Operation, OperationFields, OpName } from './program.ts';
export { replayProgram } from './replay.ts';
export type { ReplayedProgram } from './replay.ts';
export type { FuzzTarget, Violation } from './target.ts';

/** Targets by name. */
const TARGETS: Readonly<Record<string, (options: CreateOptions) => FuzzTarget>> = {
  ...Object.fromEntries(CARD_TARGETS.map((name) => [name, (options: CreateOptions) => new CardTarget(name, options)])),
  driver: () => new DriverTarget(),
  'vfio-user': () => new VfioUserTarget(),
  uml: () => new UmlTarget(),
};

/** Names that createFuzzTarget() takes. */
export const FUZZ_TARGETS: readonly string[] = Object.keys(TARGETS);

/** A target by its name. Throws UsageError for another. */
export function createFuzzTarget(name: string, options: CreateOptions = {}): FuzzTarget {
  checkCreate(options);
  const make = Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined;
  if (make !== undefined) return make(options);
  throw new UsageError(`target ${name}: the targets are ${FUZZ_TARGETS.join(', ')}`);
}

/** Is it a target whose inputs are programs for the card? */
export function isCardTarget(name: string): name is CardTargetName {
  return (CARD_TARGETS as readonly string[]).includes(name);
}
