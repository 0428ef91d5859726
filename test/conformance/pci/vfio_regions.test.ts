// SPDX-License-Identifier: Apache-2.0
// Regions, interrupts, memory decode and power states of VfioPci as vfio-pci of Linux has them: vfio_pci_core.c (region and
// interrupt information), vfio_pci_rdwr.c (access to BARs), vfio_pci_config.c (who may reach memory), linux/vfio.h.
import { describe, expect, it } from 'vitest';

import { VfioPci } from '../../../src/vfio/vfio_pci.ts';
import { Card } from '../support/card.ts';

const CONFIG = 7;
const INTX = 0;
const MSIX = 2;
const VF = 2;
const COMMAND = 0x04;
const PMCSR = 0x44;
const D3HOT = 3;

const card = (): Card => new Card().enableVfs(3);
function open(fn: number, on = card()): VfioPci {
  const device = new VfioPci(on.nic, fn, on.bus);
  device.open();
  return device;
}
const refused = (code: string): Error => expect.objectContaining({ code }) as Error;

describe.each([
  ['of the PF', 0, 5, 1],
  ['of a VF', VF, 4, 0],
])('information %s', (_name, fn, vectors, intx) => {
  // READ 1, WRITE 2, MMAP 4, CAPS 8; capability 3: the MSI-X table may be mapped with its BAR
  it.each<[number, number, number, number[] | undefined]>([
    [0, 0, 0, undefined],
    [1, 0, 0, undefined],
    [2, 7, 0x4000, undefined],
    [3, 0, 0, undefined],
    [4, 15, 0x1000, [3]],
    [5, 0, 0, undefined],
    [6, 0, 0, undefined],
    [7, 3, 4096, undefined],
  ])('region %i', (index, flags, size, capabilities) => {
    const info = open(fn).regionInfo(index);

    expect([info.flags, info.size, info.capabilities]).toEqual([flags, size, capabilities]);
  });

  it.each([8, 9, -1, 1.5])('region %f is EINVAL', (index) => {
    expect(() => open(fn).regionInfo(index)).toThrow(refused('EINVAL'));
  });

  // EVENTFD 1, MASKABLE 2, AUTOMASKED 4, NORESIZE 8
  it.each([
    ['INTx', INTX, 7, intx],
    ['MSI', 1, 9, 0],
    ['MSI-X', MSIX, 9, vectors],
    ['ERR', 3, 9, 1],
    ['REQ', 4, 9, 1],
  ])('interrupts: %s', (_which, index, flags, count) => {
    expect(open(fn).irqInfo(index)).toEqual({ index, flags, count });
  });

  it('reads and writes across the end of a BAR are short, behind it EINVAL, beyond configuration space EFAULT', () => {
    const device = open(fn);
    const bytes = new Uint8Array(8);

    expect([device.readBytes(2, 0x3ffd, bytes), device.writeBytes(2, 0x3ffd, bytes)]).toEqual([3, 3]);
    expect([device.readBytes(4, 0xffc, bytes), device.writeBytes(4, 0xffc, bytes)]).toEqual([4, 4]);
    for (const [region, at, code] of [
      [2, 0x4000, 'EINVAL'],
      [4, 0x1000, 'EINVAL'],
      [0, 0, 'EINVAL'],
      [6, 0, 'EINVAL'],
      [8, 0, 'EINVAL'],
      [9, 0, 'EINVAL'],
      [CONFIG, 4089, 'EFAULT'],
      [CONFIG, 4096, 'EFAULT'],
    ] as const) {
      expect(() => device.readBytes(region, at, bytes)).toThrow(refused(code));
      expect(() => device.writeBytes(region, at, bytes)).toThrow(refused(code));
    }
    expect(device.readBytes(CONFIG, 4096, new Uint8Array(0))).toBe(0);
  });

  it('the MSI-X table reads ones and takes nothing, whatever is set up; the pending bits can be read', () => {
    const device = open(fn);
    device.setIrqs(MSIX, 0, [() => {}]);
    const bytes = new Uint8Array(16 * vectors);

    device.writeBytes(4, 0, bytes);
    device.write(4, 12, 4, 1);
    device.readBytes(4, 0, bytes);

    expect(new Set(bytes)).toEqual(new Set([0xff]));
    expect([device.read(4, 3, 1), device.read(4, 14, 2), device.read(4, 16, 4)]).toEqual([0xff, 0xffff, 0xffffffff]);
    expect([device.read(4, 0x800, 4), device.read(4, 16 * vectors, 4)]).toEqual([0, 0]);
  });
});

describe('INTx and MSI-X', () => {
  it('exclude each other', () => {
    const device = open(0);
    const handler = (): void => {};

    device.setIrqs(INTX, 0, [handler]);
    expect(() => device.setIrqs(MSIX, 0, [handler])).toThrow(refused('EINVAL'));
    device.disableIrqs(INTX);
    device.setIrqs(MSIX, 0, [handler]);
    expect(() => device.setIrqs(INTX, 0, [handler])).toThrow(refused('EINVAL'));
  });

  it('are set up while the user of the PF has memory decode off', () => {
    const on = card();
    const device = open(0, on);
    device.write(CONFIG, COMMAND, 2, 0);

    device.setIrqs(MSIX, 0, [() => {}]);

    expect(on.nic.configRead(0, COMMAND, 2)).toBe(0);
    on.nic.configWrite(0, COMMAND, 2, 2);
    expect([0, 4, 8, 12].map((at) => on.nic.read(0, 4, at, 4))).toEqual([0xfee00000, 0, 0, 0]);
  });
});

describe('memory decode', () => {
  const attempts = (device: VfioPci): (() => unknown)[] => [
    () => device.read(2, 0x12, 2),
    () => device.write(2, 0x14, 1, 0),
    () => device.readBytes(2, 0, new Uint8Array(8)),
    () => device.writeBytes(4, 0x800, new Uint8Array(3)),
  ];

  it('of the PF: without Memory Space every access is EIO, but to the MSI-X table', () => {
    const device = open(0);

    device.write(CONFIG, COMMAND, 1, 0x04);

    for (const attempt of attempts(device)) expect(attempt).toThrow(refused('EIO'));
    expect(device.read(4, 0, 4)).toBe(0xffffffff);
    device.write(CONFIG, COMMAND, 2, 0x0006);
    expect(device.read(2, 0x12, 2)).toBe(3);
  });

  it('of the PF: stays off over a reset, and is on for the next user', () => {
    const device = open(0);
    device.write(CONFIG, COMMAND, 2, 0);

    device.reset();
    expect(attempts(device)[0]).toThrow(refused('EIO'));
    device.close();
    device.open();

    expect(device.read(2, 0x12, 2)).toBe(3);
  });

  it("of a VF: is the PF's, whatever its user writes", () => {
    const device = open(VF);

    device.write(CONFIG, COMMAND, 2, 0);

    expect(device.read(2, 0x12, 2)).toBe(3);
  });
});

describe('power states', () => {
  it('in D3hot accesses to BARs are EIO; D0 and a reset end that', () => {
    const device = open(VF);

    device.write(CONFIG, PMCSR, 2, D3HOT);
    expect(device.read(CONFIG, PMCSR, 2) & 3).toBe(3);
    expect(() => device.read(2, 0x12, 2)).toThrow(refused('EIO'));
    device.write(CONFIG, PMCSR, 1, 0);
    expect(device.read(2, 0x12, 2)).toBe(3);
    device.write(CONFIG, PMCSR, 2, D3HOT);
    device.reset();
    expect(device.read(2, 0x12, 2)).toBe(3);
  });

  it.each([1, 2])('D%i does not exist', (state) => {
    const device = open(VF);

    device.write(CONFIG, PMCSR, 2, state);

    expect(device.read(CONFIG, PMCSR, 2) & 3).toBe(0);
  });

  it('a PF with VFs stays in D0', () => {
    const device = open(0);

    device.write(CONFIG, PMCSR, 2, D3HOT);

    expect(device.read(CONFIG, PMCSR, 2) & 3).toBe(0);
    expect(device.read(2, 0x12, 2)).toBe(3);
  });

  it('what the function was set to is there after D3hot, whether it keeps it or not', () => {
    const on = new Card();
    const device = open(0, on);
    device.write(CONFIG, COMMAND, 2, 6);
    device.write(CONFIG, 0x0c, 1, 0x10);
    device.setIrqs(MSIX, 0, [() => {}]);
    const before = Array.from({ length: 64 }, (_, i) => on.nic.configRead(0, 4 * i, 4));

    device.write(CONFIG, PMCSR, 2, D3HOT);
    device.write(CONFIG, PMCSR, 2, 0);

    expect(Array.from({ length: 64 }, (_, i) => on.nic.configRead(0, 4 * i, 4))).toEqual(before);
    expect(on.nic.read(0, 4, 0, 4)).toBe(0xfee00000);
  });
});

describe('a reset of a PF', () => {
  it('by its user leaves the VFs enabled, as they were placed', () => {
    const on = card();
    const device = open(0, on);
    const sriov = (): number[] => Array.from({ length: 16 }, (_, i) => on.nic.configRead(0, 0x140 + 4 * i, 4));
    const before = sriov();

    device.reset();

    expect(sriov()).toEqual(before);
    expect([1, 2, 3, 4].map((fn) => on.nic.isPresent(fn))).toEqual([true, true, true, false]);
  });
});
