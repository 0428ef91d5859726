// SPDX-License-Identifier: Apache-2.0
// `virtfn bench linux`: the figures of Linux' drivers, the same in every run, and those of the card equal to what the drivers
// of this process see.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { orWhyNot, umlKernel, UmlRuns } from './support/uml_runs.ts';

const kernel = umlKernel('plain');
let guest: UmlRuns;
beforeAll(() => {
  guest = new UmlRuns(kernel!);
});
afterAll(() => guest.remove());

interface Report {
  readonly accesses: readonly {
    readonly access: string;
    readonly linuxNs: number;
    readonly doorbellToInterruptNs: number;
    readonly ownDoorbellToInterruptNs: number;
  }[];
  readonly steps: readonly { readonly step: string; readonly ns: number }[];
}

function bench(...args: string[]): string {
  const { code, stdout, stderr } = guest.program.runWith(
    guest.env,
    'bench',
    'linux',
    '--kernel',
    kernel!,
    '--json',
    ...args,
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe.skipIf(kernel === null)(orWhyNot('virtfn bench linux', 'plain'), () => {
  it('gives the same report each time, with the figures of the card in it', () => {
    const [one, other] = [bench('--vfs', '2'), bench('--vfs', '2')];
    const { accesses, steps } = JSON.parse(one) as Report;

    expect(other).toBe(one);
    expect(accesses).toHaveLength(3);
    for (const row of accesses) {
      expect(row.doorbellToInterruptNs).toBe(row.ownDoorbellToInterruptNs);
      expect(Math.abs(row.linuxNs - row.doorbellToInterruptNs)).toBeLessThan(256); // a step of the guest's clock
    }
    expect(steps.map(({ step }) => step)).toEqual([
      'enable 1 VF',
      'disable 1 VF',
      'enable 2 VFs',
      'disable 2 VFs',
      'bind to virtio_vfio_pci',
      'open and close',
      'legacy bring-up, open to close',
      'unbind',
    ]);
    // PCIe 6.0 section 9.3.3.3.1: software waits 100 ms behind VF Enable, and a second behind its end
    const [enable, disable] = steps.map(({ ns }) => ns);
    expect(enable).toBeGreaterThanOrEqual(100e6);
    expect(disable).toBeGreaterThanOrEqual(1e9);
  });

  it('is about the card that the options say', () => {
    const { accesses } = JSON.parse(bench('--vfs', '1', '--set', 'admin.legacy_read_ns=5000')) as Report;

    expect(accesses[0]!.doorbellToInterruptNs).toBeGreaterThan(5000);
    expect(accesses[0]!.doorbellToInterruptNs).toBe(accesses[0]!.ownDoorbellToInterruptNs);
  });
});
