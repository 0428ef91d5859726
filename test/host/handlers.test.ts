// SPDX-License-Identifier: Apache-2.0
// What a handler may do while an output is handed to it: wait for the next one, let time pass, throw.
import { describe, expect, it } from 'vitest';

import { Machine } from '../../src/machine/machine.ts';

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

function frame(bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  whole.set([...BROADCAST, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
  return whole;
}

describe.each(['functional', 'timed'] as const)('in %s mode', (mode) => {
  it('a legacy driver follows the link: its register reads are commands, and it reads in its interrupt', () => {
    const machine = new Machine({ mode, totalVfs: 2 });
    const seen: boolean[] = [];
    const legacy = machine.startLegacy(1, { onLinkChange: (isUp) => seen.push(isUp) });
    const modern = machine.startModern(2);

    machine.nic.setLink(false);
    machine.settle();
    machine.nic.setLink(true);
    machine.settle();

    expect(seen).toEqual([false, true]);
    expect([legacy.isLinkUp, modern.isLinkUp]).toEqual([true, true]);
  });

  it('a handler that waits gets what comes, and the frame that it has stays as it is', () => {
    const machine = new Machine({ mode, totalVfs: 1 });
    const { nic } = machine;
    const driver = machine.startModern(1);
    const seen: string[] = [];
    nic.onFrame((bytes) => {
      const { length } = bytes;
      seen.push(`in ${length}`);
      if (length === 100) {
        const before = bytes.slice();
        for (let n = 0; n < 3; n++) driver.send(frame(200 + n));
        machine.settle();
        expect(bytes).toEqual(before);
      }
      seen.push(`out ${length}`);
    });

    driver.send(frame(100));
    machine.settle();
    driver.send(frame(300));
    machine.settle();

    const inner = [200, 201, 202].flatMap((length) => [`in ${length}`, `out ${length}`]);
    expect(seen).toEqual(['in 100', ...inner, 'out 100', 'in 300', 'out 300']);
  });

  it('a handler that throws is not asked again for the same', () => {
    const machine = new Machine({ mode, totalVfs: 1 });
    const driver = machine.startModern(1);
    const seen: number[] = [];
    machine.nic.onFrame(({ length }) => {
      seen.push(length);
      if (length === 100) throw new RangeError('no');
    });

    expect(() => {
      driver.send(frame(100));
      machine.settle();
    }).toThrow('no');
    driver.send(frame(200));
    machine.settle();

    expect(seen).toEqual([100, 200]);
  });
});
