// SPDX-License-Identifier: Apache-2.0
// What-ifs that this card has no reason for: answers of administration commands, and completions that go wrong.
import { READ_FAULT_LOST, READ_FAULT_POISONED, READ_FAULT_UNSUPPORTED } from '../../assembly/abi/state_map.ts';

/** An answer to put into the mouth of the card. */
export interface AdminInjection {
  /** Opcode to answer so; any if left out. */
  readonly opcode?: number;
  readonly status: number;
  readonly qualifier?: number;
  /** Commands to answer so. Default 1; 0 ends an injection. */
  readonly count?: number;
}

/** How a completion can go wrong: Unsupported Request, poisoned data, or lost on the way. */
export type ReadFault = 'unsupported' | 'poisoned' | 'lost';

/** READ_FAULT_* of the core by name. */
export const READ_FAULTS: Readonly<Record<ReadFault, number>> = {
  unsupported: READ_FAULT_UNSUPPORTED,
  poisoned: READ_FAULT_POISONED,
  lost: READ_FAULT_LOST,
};
