// SPDX-License-Identifier: Apache-2.0
// What-ifs that this card has no reason for: answers of administration commands, and completions that go wrong.
import * as CTL from '../../assembly/abi/control.ts';
import { NONE, READ_FAULT_LOST, READ_FAULT_POISONED, READ_FAULT_UNSUPPORTED } from '../../assembly/abi/state_value.ts';
import type { CoreInstance } from '../core/instance.ts';
import { NicError } from '../util/errors.ts';
import { checkOptions, checkWhole, needed, wholeFrom, type OptionChecks } from '../util/options.ts';

/** An answer to put into the mouth of the card. */
export interface AdminInjection {
  /** Opcode to answer so; any if left out. */
  readonly opcode?: number;
  readonly status: number;
  readonly qualifier?: number;
  /** Commands to answer so. Default 1; 0 ends an injection. */
  readonly count?: number;
}

const WORD = wholeFrom(0, 0xffff);
const ADMIN_INJECTION: OptionChecks<AdminInjection> = {
  opcode: WORD,
  status: needed(WORD),
  qualifier: WORD,
  count: wholeFrom(0, NONE),
};

/** Puts an answer into the mouth of a card. Throws NicError ADMIN_STATUS for values of more than 16 bits. */
export function injectAdmin({ u32 }: CoreInstance, answer: AdminInjection): void {
  checkOptions('injected answer', answer, ADMIN_INJECTION, 'ADMIN_STATUS');
  const { opcode = NONE, status, qualifier = 0, count = 1 } = answer;
  u32[CTL.INJECT_OPCODE >> 2] = opcode;
  u32[CTL.INJECT_STATUS >> 2] = status + qualifier * 0x10000;
  u32[CTL.INJECT_COUNT >> 2] = count;
}

/** How a completion can go wrong: Unsupported Request, poisoned data, or lost on the way. */
export type ReadFault = 'unsupported' | 'poisoned' | 'lost';

/** READ_FAULT_* of the core by name. */
const READ_FAULTS: Readonly<Record<ReadFault, number>> = {
  unsupported: READ_FAULT_UNSUPPORTED,
  poisoned: READ_FAULT_POISONED,
  lost: READ_FAULT_LOST,
};

/** READ_FAULT_* of the core. Throws NicError READ_FAULT for a kind that does not exist. */
export function readFaultCode(fault: ReadFault): number {
  if (Object.hasOwn(READ_FAULTS, fault)) return READ_FAULTS[fault];
  const kinds = Object.keys(READ_FAULTS).join(', ');
  throw new NicError('READ_FAULT', `a completion cannot be ${String(fault)}; it can be ${kinds}`);
}

/**
 * Has the next `count` completions spoilt. Throws NicError READ_FAULT for a kind that does not exist, or a count that is
 * none.
 */
export function putReadFault({ u32 }: CoreInstance, fault: ReadFault, count: number): void {
  const code = readFaultCode(fault);
  checkWhole('READ_FAULT', 'count', count, 0, NONE);
  u32[CTL.READ_FAULT_KIND >> 2] = code;
  u32[CTL.READ_FAULTS >> 2] = count;
}
