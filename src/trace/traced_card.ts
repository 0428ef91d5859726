// SPDX-License-Identifier: Apache-2.0
// What the writers of trace files have to know of the card that recorded.
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import type { Nic } from '../device/nic.ts';
import type { ResolvedProfile } from '../device/profile.ts';
import { checkWhole } from '../util/options.ts';
import { CREDIT_POOLS, type TracedCard } from './records.ts';

/** The card behind a handle; `adminQueue`: index of the PF's administration queue, -1 if there is none. */
export function tracedCard(nic: Nic, adminQueue: number): TracedCard {
  checkWhole('TRACE', 'adminQueue', adminQueue, -1, 0xffff);
  return {
    clockPs: nic.profile.clockPs,
    functions: nic.functions(),
    vfs: nic.config.totalVfs,
    adminQueue,
    routingId: (fn) => nic.routingId(fn),
    creditLimit: (pool) => creditLimit(nic.profile, pool),
  };
}

/** What the receiver of a pool lets its sender have out; undefined for infinite credits, which the profile writes as 0. */
function creditLimit({ values }: ResolvedProfile, pool: number): number | undefined {
  const receiver = pool < TRACE.CREDIT_DOWN ? 'host' : 'card';
  return values.get(`credit.${receiver}_${CREDIT_POOLS[pool % TRACE.CREDIT_DOWN]}`) || undefined;
}
