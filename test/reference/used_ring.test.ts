// SPDX-License-Identifier: Apache-2.0
// Used elements that a device may write, virtio 1.4 §2.7.8.
import { expect, it } from 'vitest';

import { makeAvailable, usedFault, type OutstandingChains } from '../../src/reference/used_ring.ts';

it('each chain is used once, in any order', () => {
  const chains: OutstandingChains = new Map();
  makeAvailable(chains, 4, 100);
  makeAvailable(chains, 7, 0);
  expect(usedFault(chains, 7, 0)).toBeNull();
  expect(usedFault(chains, 4, 100)).toBeNull();
  expect(usedFault(chains, 4, 0)).toBe('used id 4: no such chain is outstanding');
  makeAvailable(chains, 4, 10);
  expect(usedFault(chains, 4, 9)).toBeNull();
  expect(chains.size).toBe(0);
});

it('no more bytes than are writable', () => {
  const chains: OutstandingChains = new Map();
  makeAvailable(chains, 0, 12);
  expect(usedFault(chains, 0, 13)).toBe('used id 0: length 13, but 12 bytes are writable');
});

it('a head that was given twice comes back twice', () => {
  const chains: OutstandingChains = new Map();
  makeAvailable(chains, 2, 5);
  makeAvailable(chains, 2, 6);
  expect(usedFault(chains, 2, 5)).toBeNull();
  expect(usedFault(chains, 2, 6)).toBeNull();
  expect(usedFault(chains, 2, 0)).not.toBeNull();
});
