// SPDX-License-Identifier: Apache-2.0
// The witnesses of all planted bugs, by the number of the mutant.
import { ADMIN_WITNESSES } from './admin_witnesses.ts';
import { REGISTER_WITNESSES } from './register_witnesses.ts';
import { RING_WITNESSES } from './ring_witnesses.ts';
import type { Witnesses } from './witness.ts';

export const WITNESSES: Witnesses = { ...REGISTER_WITNESSES, ...RING_WITNESSES, ...ADMIN_WITNESSES };
