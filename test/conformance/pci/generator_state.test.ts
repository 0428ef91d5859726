// SPDX-License-Identifier: Apache-2.0
// The traffic generator keeps to the state of the card: below the control words lie tables of the compiler, which nothing
// writes while the card runs.
import { describe, expect, it } from 'vitest';

import { TRACE_CONTROL } from '../../../assembly/abi/state_map.ts';
import { generateTraffic } from '../../../src/device/generator.ts';
import { createNic } from '../../../src/device/nic.ts';

describe('a run of the traffic generator', () => {
  it.each(['read', 'write', 'readwrite', 'write-read', 'simplenic'] as const)(
    'of %s writes nothing else',
    (operation) => {
      const nic = createNic({ mode: 'timed', totalVfs: 1, windowBytes: 0x40_0000 });
      const tables = (): Uint8Array => nic.core.u8.slice(0, TRACE_CONTROL);
      const before = tables();

      const { operations } = generateTraffic(nic, { operation, bytes: 64, operations: 20 });

      expect(operations).toBe(20);
      expect(tables()).toEqual(before);
    },
  );
});
