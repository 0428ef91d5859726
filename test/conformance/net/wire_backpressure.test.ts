// SPDX-License-Identifier: Apache-2.0
// A sender that is faster than the wire: frames wait inside the card, the driver's ring fills, nothing is lost and time
// goes on (the wire ring of the card is smaller than what the driver offers).
import { describe, expect, it } from 'vitest';

import { Machine } from '../../../src/machine/machine.ts';

describe.each(['timed', 'functional'] as const)('a sender faster than the wire, %s', (mode) => {
  it('gets every frame out, in order', () => {
    const machine = new Machine({ mode, totalVfs: 1, profile: { 'wire.rate_gbps': 1 } });
    const driver = machine.startModern(1);
    const seen: number[] = [];
    machine.nic.onFrame((frame) => seen.push(frame[20]! | (frame[21]! << 8)));
    const frame = new Uint8Array(1514);
    frame.set([2, 0, 0, 0, 0, 9, ...driver.mac, 0x88, 0xb5]);

    let sent = 0;
    while (sent < 1500) {
      frame[20] = sent & 0xff;
      frame[21] = sent >> 8;
      if (driver.send(frame)) sent++;
      else machine.nic.runToOutput();
      driver.poll();
    }
    machine.settle();

    expect(seen).toEqual(Array.from({ length: 1500 }, (_, i) => i));
    expect(machine.nic.counters()['wire_tx_frames']).toBe(1500);
  });
});
