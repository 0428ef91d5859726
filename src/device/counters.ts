// SPDX-License-Identifier: Apache-2.0
// Counters of the card and of its functions, by name.
import * as K from '../../assembly/abi/counter.ts';
import { COUNTER, FUNCTIONS, LINK_DOWN, LINK_UP } from '../../assembly/abi/state_map.ts';
import * as FN from '../../assembly/abi/function.ts';
import * as LINK from '../../assembly/abi/link.ts';
import type { CoreInstance } from '../core/instance.ts';
import type { LinkTraffic } from './outputs.ts';

/** Counter values by name; exact up to 2^53. */
export type Counters = Readonly<Record<string, number>>;

/** In the order of the card, not in that of a module's names, which depends on who loads it. */
function named(prefix: string): [string, number][] {
  return Object.entries(K)
    .filter(([name]) => name.startsWith(prefix) && !name.endsWith('_COUNT'))
    .map(([name, index]): [string, number] => [name.slice(prefix.length).toLowerCase(), index])
    .sort(([, a], [, b]) => a - b);
}

const CARD = named('C_');
const FUNCTION = named('FC_');

function read(core: CoreInstance, at: number, names: readonly [string, number][]): Counters {
  return Object.fromEntries(names.map(([name, index]) => [name, Number(core.view.getBigUint64(at + index * 8, true))]));
}

/** Counters of the whole card. */
export function cardCounters(core: CoreInstance): Counters {
  return read(core, COUNTER, CARD);
}

/** Counters of one function, 0 for the PF. */
export function functionCounters(core: CoreInstance, fn: number): Counters {
  return read(core, FUNCTIONS + fn * FN.STRIDE + FN.COUNTER, FUNCTION);
}

/** Traffic on the link, both directions. */
export function linkTraffic({ view }: CoreInstance): LinkTraffic {
  const wide = (address: number): number => Number(view.getBigUint64(address, true));
  return {
    tlpsUp: wide(LINK_UP + LINK.TLPS),
    tlpsDown: wide(LINK_DOWN + LINK.TLPS),
    bytesUp: wide(LINK_UP + LINK.BYTES),
    bytesDown: wide(LINK_DOWN + LINK.BYTES),
  };
}
