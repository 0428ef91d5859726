// SPDX-License-Identifier: Apache-2.0
// What each command answers to each misuse, typed from the documented behaviour of Linux's iommufd (linux/iommufd.h, the
// kernel's Documentation/userspace-api/iommufd.rst) and from vfio's device file.
import { beforeEach, describe, expect, it } from 'vitest';

import { IommufdContext } from '../../src/iommufd/context.ts';
import type { IommufdAccess } from '../../src/iommufd/access.ts';
import type { IommufdDevice } from '../../src/iommufd/device.ts';
import { errno, IommufdBench, PAGE } from './support/bench.ts';

const RW = { read: true, write: true } as const;
const IOVA = 0x1000_0000;
const MSI = 0xfee0_0000;
const NOTHING = 4711;

/** One of each: IOAS with a mapping of four pages, which a device, an access and an empty IOAS stand beside. */
class Fixture {
  readonly bench = new IommufdBench(4);
  readonly context = this.bench.context;
  readonly device: IommufdDevice = this.bench.bind(1);
  readonly ioas = this.context.ioasAlloc();
  readonly empty = this.context.ioasAlloc();
  readonly access: IommufdAccess = this.context.createAccess({ unmap: () => undefined });
  readonly hwpt = this.context.hwptAlloc({ device: this.device.id, pt: this.ioas });
  readonly tracked = this.context.hwptAlloc({ device: this.device.id, pt: this.ioas, dirtyTracking: true });
  readonly parent = this.context.hwptAlloc({ device: this.device.id, pt: this.ioas, nestParent: true });
  readonly forPasid = this.context.hwptAlloc({ device: this.device.id, pt: this.ioas, pasid: true });

  constructor() {
    this.context.ioasMap(this.ioas, { iova: IOVA, length: 4 * PAGE, source: { window: 0 }, ...RW });
  }

  map(options: object): unknown {
    return this.context.ioasMap(this.ioas, { length: PAGE, source: { window: 0 }, ...RW, ...options });
  }

  copy(options: object, to = this.empty): unknown {
    return this.context.ioasCopy(to, { srcIoas: this.ioas, srcIova: IOVA, length: PAGE, ...RW, ...options });
  }

  dirty(options: object, hwpt = this.tracked): unknown {
    const bitmap = new Uint8Array(8);
    return this.context.hwptGetDirtyBitmap(hwpt, { iova: IOVA, length: PAGE, pageSize: PAGE, bitmap, ...options });
  }

  port(pasid: number | null, requesterId = this.device.requesterId) {
    return this.bench.pasidPort(3, requesterId, pasid);
  }
}

/** Command: cases of what is wrong, the errno (or what comes where nothing is), and the call. */
type Case = readonly [what: string, expected: unknown, call: (at: Fixture) => unknown];
const COMMANDS: Readonly<Record<string, readonly Case[]>> = {
  IOMMU_DESTROY: [
    ['no such object', 'ENOENT', (at) => at.context.destroy(NOTHING)],
    ['an IOAS with page tables', 'EBUSY', (at) => at.context.destroy(at.ioas)],
    ['an IOAS with an access', 'EBUSY', (at) => (at.access.attach(at.empty), at.context.destroy(at.empty))],
    ['a page table with a device', 'EBUSY', (at) => (at.device.attach(at.hwpt), at.context.destroy(at.hwpt))],
    ['a device, whose driver holds it', 'EBUSY', (at) => at.context.destroy(at.device.id)],
    ['an access, whose driver holds it', 'EBUSY', (at) => at.context.destroy(at.access.id)],
    ['a parent with a nested page table', 'EBUSY', (at) => (nested(at), at.context.destroy(at.parent))],
    ['an IOAS that nobody uses', undefined, (at) => at.context.destroy(at.empty)],
    ['the same twice', 'ENOENT', (at) => (at.context.destroy(at.empty), at.context.destroy(at.empty))],
  ],
  IOMMU_IOAS_MAP: [
    ['no such IOAS', 'ENOENT', (at) => at.context.ioasMap(NOTHING, { length: PAGE, source: { window: 0 }, ...RW })],
    ['the id of a device', 'ENOENT', (at) => at.context.ioasMap(at.device.id, { length: 1, source: { window: 0 } })],
    ['neither read nor write', 'EINVAL', (at) => at.map({ read: false, write: false })],
    ['length 0', 'EINVAL', (at) => at.map({ length: 0 })],
    ['half a page', 'EINVAL', (at) => at.map({ length: 2048 })],
    ['an unaligned IOVA', 'EINVAL', (at) => at.map({ iova: 0x800 })],
    ['unaligned memory', 'EINVAL', (at) => at.map({ source: { window: 512 } })],
    ['the same address again', 'EEXIST', (at) => at.map({ iova: IOVA })],
    ['the last page of a mapping', 'EEXIST', (at) => at.map({ iova: IOVA + 3 * PAGE, length: 2 * PAGE })],
    ['around a mapping', 'EEXIST', (at) => at.map({ iova: IOVA - PAGE, length: 8 * PAGE })],
    ['beyond what numbers hold', 'EOVERFLOW', (at) => at.map({ iova: 2 ** 53 - PAGE, length: 2 * PAGE })],
    ['a length that overflows', 'EOVERFLOW', (at) => at.map({ length: 2 ** 54 })],
    ['beyond the aperture', 'EINVAL', (at) => at.map({ iova: 2 ** 52 })],
    ['beyond the guest window', 'EFAULT', (at) => at.map({ source: { window: 1 << 20 } })],
    ['the interrupt window, no device attached', MSI, (at) => at.map({ iova: MSI })],
    ['the interrupt window of a device', 'EINVAL', (at) => (at.device.attach(at.ioas), at.map({ iova: MSI }))],
    ['beside a mapping', IOVA + 4 * PAGE, (at) => at.map({ iova: IOVA + 4 * PAGE })],
    ['anywhere: never at 0', PAGE, (at) => at.map({ source: { window: PAGE } })],
    ['anywhere, aligned for large pages', 0x8000, (at) => at.map({ length: 8 * PAGE })],
    [
      'no room where it is allowed',
      'ENOSPC',
      (at) => (at.context.ioasAllowIovas(at.ioas, [{ start: 0x4000, last: 0x4fff }]), at.map({ length: 2 * PAGE })),
    ],
    [
      'more pieces than the card can hold',
      'ENOMEM',
      (at) => {
        for (let i = 0; i < 1 << 16; i++) at.map({ iova: 2 * i * PAGE + 2 ** 32 });
      },
    ],
  ],
  IOMMU_IOAS_COPY: [
    ['no such source', 'ENOENT', (at) => at.copy({ srcIoas: NOTHING })],
    ['no such target', 'ENOENT', (at) => at.copy({}, NOTHING)],
    ['nothing mapped there', 'ENOENT', (at) => at.copy({ srcIova: 0 })],
    ['a hole at the end', 'ENOENT', (at) => at.copy({ length: 5 * PAGE })],
    ['length 0', 'EINVAL', (at) => at.copy({ length: 0 })],
    ['neither read nor write', 'EINVAL', (at) => at.copy({ read: false, write: false })],
    ['half a page', 'EINVAL', (at) => at.copy({ length: 100 })],
    ['from the middle of a page', 'EINVAL', (at) => at.copy({ srcIova: IOVA + 8 })],
    ['to the middle of a page', 'EINVAL', (at) => at.copy({ dstIova: 8 })],
    ['beyond what numbers hold', 'EOVERFLOW', (at) => at.copy({ srcIova: 2 ** 53 })],
    ['onto a mapping', 'EEXIST', (at) => at.copy({ dstIova: IOVA }, at.ioas)],
    [
      'writable from what was for reading',
      'EPERM',
      (at) => (at.map({ iova: 0, write: false }), at.copy({ srcIova: 0 })),
    ],
    [
      'readable from what was for reading',
      0,
      (at) => (readOnly(at), at.copy({ srcIova: 0, write: false, dstIova: 0 })),
    ],
    ['a part', 0x7000, (at) => at.copy({ srcIova: IOVA + PAGE, length: 2 * PAGE, dstIova: 0x7000 })],
    ['into the same IOAS', 0x7000, (at) => at.copy({ dstIova: 0x7000 }, at.ioas)],
  ],
  IOMMU_IOAS_UNMAP: [
    ['no such IOAS', 'ENOENT', (at) => at.context.ioasUnmap(NOTHING, 0, PAGE)],
    ['nothing there', 'ENOENT', (at) => at.context.ioasUnmap(at.ioas, 0, PAGE)],
    ['length 0', 'EINVAL', (at) => at.context.ioasUnmap(at.ioas, IOVA, 0)],
    ['beyond what numbers hold', 'EOVERFLOW', (at) => at.context.ioasUnmap(at.ioas, IOVA, 2 ** 53)],
    ['the front of a mapping', 'ENOENT', (at) => at.context.ioasUnmap(at.ioas, IOVA, PAGE)],
    ['the back of a mapping', 'ENOENT', (at) => at.context.ioasUnmap(at.ioas, IOVA + PAGE, 3 * PAGE)],
    ['the middle of a mapping', 'ENOENT', (at) => at.context.ioasUnmap(at.ioas, IOVA + PAGE, PAGE)],
    ['what an access does not let go', 'EDEADLK', (at) => (pin(at), at.context.ioasUnmap(at.ioas, IOVA, 4 * PAGE))],
    ['all of a mapping', 4 * PAGE, (at) => at.context.ioasUnmap(at.ioas, IOVA, 4 * PAGE)],
    ['around mappings', 4 * PAGE, (at) => at.context.ioasUnmap(at.ioas, 0, 2 ** 40)],
    ['all', 4 * PAGE, (at) => at.context.ioasUnmapAll(at.ioas)],
    ['all of nothing', 0, (at) => at.context.ioasUnmapAll(at.empty)],
  ],
  IOMMU_IOAS_ALLOW_IOVAS: [
    ['no such IOAS', 'ENOENT', (at) => at.context.ioasAllowIovas(NOTHING, [])],
    ['an empty range', 'EINVAL', (at) => at.context.ioasAllowIovas(at.ioas, [{ start: 8, last: 8 }])],
    ['ranges that overlap', 'EINVAL', (at) => at.context.ioasAllowIovas(at.ioas, [range(0, PAGE), range(0x800, PAGE)])],
    [
      'what a device reserves',
      'EADDRINUSE',
      (at) => (at.device.attach(at.ioas), at.context.ioasAllowIovas(at.ioas, [range(MSI, PAGE)])),
    ],
  ],
  IOMMU_IOAS_IOVA_RANGES: [
    ['no such IOAS', 'ENOENT', (at) => at.context.ioasIovaRanges(NOTHING)],
    ['no device', [range(0, 2 ** 52)], (at) => at.context.ioasIovaRanges(at.ioas).ranges],
    [
      'a device',
      [range(0, MSI), range(MSI + 0x10_0000, 2 ** 52 - MSI - 0x10_0000)],
      (at) => (at.device.attach(at.ioas), at.context.ioasIovaRanges(at.ioas).ranges),
    ],
  ],
  IOMMU_HWPT_ALLOC: [
    ['no such device', 'ENOENT', (at) => at.context.hwptAlloc({ device: NOTHING, pt: at.ioas })],
    ['an IOAS for a device', 'ENOENT', (at) => at.context.hwptAlloc({ device: at.ioas, pt: at.ioas })],
    ['no such parent', 'ENOENT', (at) => at.context.hwptAlloc({ device: at.device.id, pt: NOTHING })],
    ['a device as parent', 'EINVAL', (at) => at.context.hwptAlloc({ device: at.device.id, pt: at.device.id })],
    ['an IOAS with a first stage', 'EINVAL', (at) => nested(at, { pt: at.ioas })],
    ['a page table that is no parent', 'EINVAL', (at) => nested(at, { pt: at.hwpt })],
    ['a nested one as parent', 'EINVAL', (at) => nested(at, { pt: nested(at) })],
    ['nested without a first stage', 'EOPNOTSUPP', (at) => nested(at, { data: undefined })],
    ['nested with dirty tracking', 'EOPNOTSUPP', (at) => nested(at, { dirtyTracking: true })],
    ['nested of nested', 'EOPNOTSUPP', (at) => nested(at, { nestParent: true })],
    ['a first stage of 57 bits', 'EOPNOTSUPP', (at) => nested(at, { data: { pgtblAddr: IOVA, addrWidth: 57 } })],
    ['a first stage at no page', 'EINVAL', (at) => nested(at, { data: { pgtblAddr: 12, addrWidth: 48 } })],
    ['parent with dirty tracking', 'EOPNOTSUPP', (at) => nested(at, { pt: at.ioas, data: undefined, ...BOTH })],
    [
      'more than the card has',
      'ENOMEM',
      (at) => {
        for (;;) at.context.hwptAlloc({ device: at.device.id, pt: at.ioas });
      },
    ],
  ],
  IOMMU_HWPT_INVALIDATE: [
    ['no such page table', 'ENOENT', (at) => at.context.hwptInvalidate(NOTHING)],
    ['an IOAS', 'ENOENT', (at) => at.context.hwptInvalidate(at.ioas)],
    ['a page table that is not nested', 'EINVAL', (at) => at.context.hwptInvalidate(at.hwpt)],
    ['a nested one', undefined, (at) => at.context.hwptInvalidate(nested(at))],
  ],
  IOMMU_HWPT_SET_DIRTY_TRACKING: [
    ['no such page table', 'ENOENT', (at) => at.context.hwptSetDirtyTracking(NOTHING, true)],
    ['a nested one', 'ENOENT', (at) => at.context.hwptSetDirtyTracking(nested(at), true)],
    ['allocated without', 'EOPNOTSUPP', (at) => at.context.hwptSetDirtyTracking(at.hwpt, true)],
    ['off, where it is off', undefined, (at) => at.context.hwptSetDirtyTracking(at.tracked, false)],
    [
      'more pages than there are marks for',
      'ENOMEM',
      (at) => (huge(at, 2 ** 40), at.context.hwptSetDirtyTracking(at.tracked, true)),
    ],
  ],
  IOMMU_HWPT_GET_DIRTY_BITMAP: [
    ['no such page table', 'ENOENT', (at) => at.dirty({}, NOTHING)],
    ['allocated without', 'EOPNOTSUPP', (at) => at.dirty({}, at.hwpt)],
    ['not started', 'EINVAL', (at) => at.dirty({})],
    ['length 0', 'EINVAL', (at) => (track(at), at.dirty({ length: 0 }))],
    ['half a page', 'EINVAL', (at) => (track(at), at.dirty({ length: 100 }))],
    ['an unaligned IOVA', 'EINVAL', (at) => (track(at), at.dirty({ iova: IOVA + 8 }))],
    ['pages of 0', 'EINVAL', (at) => (track(at), at.dirty({ pageSize: 0 }))],
    ['pages of 3 KiB', 'EINVAL', (at) => (track(at), at.dirty({ pageSize: 3072 }))],
    ['a hole', 'EINVAL', (at) => (track(at), at.dirty({ length: 5 * PAGE }))],
    ['beyond what numbers hold', 'EOVERFLOW', (at) => (track(at), at.dirty({ length: 2 ** 53 }))],
    ['too short a bitmap', 'EFAULT', (at) => (track(at), at.dirty({ bitmap: new Uint8Array(0) }))],
    ['started', undefined, (at) => (track(at), at.dirty({}))],
  ],
  IOMMU_GET_HW_INFO: [
    ['no such device', 'ENOENT', (at) => at.context.hwInfo(NOTHING)],
    ['an access', 'ENOENT', (at) => at.context.hwInfo(at.access.id)],
    ['a device', 20, (at) => at.context.hwInfo(at.device.id).maxPasidLog2],
  ],
  VFIO_DEVICE_BIND_IOMMUFD: [
    ['bound here', 'EINVAL', (at) => at.bench.bind(1)],
    ['bound by another context', 'EPERM', (at) => at.bench.bind(1, new IommufdContext(at.bench.nic))],
    ['a port of a PASID', 'EINVAL', (at) => at.context.bind(at.port(5, 99))],
    ['unbound', 'number', (at) => (at.device.unbind(), typeof at.bench.bind(1).id)],
  ],
  VFIO_DEVICE_ATTACH_IOMMUFD_PT: [
    ['no such page table', 'ENOENT', (at) => at.device.attach(NOTHING)],
    ['a device', 'EINVAL', (at) => at.device.attach(at.device.id)],
    ['an access', 'EINVAL', (at) => at.device.attach(at.access.id)],
    ['attached to another', 'EINVAL', (at) => (at.device.attach(at.hwpt), at.device.attach(at.tracked))],
    ['attached to the same', 'EINVAL', (at) => (at.device.attach(at.hwpt), at.device.attach(at.hwpt))],
    ['what it reserves is mapped', 'EADDRINUSE', (at) => (at.map({ iova: MSI }), at.device.attach(at.ioas))],
    [
      'what it reserves is allowed',
      'EADDRINUSE',
      (at) => (at.context.ioasAllowIovas(at.ioas, [range(MSI, PAGE)]), at.device.attach(at.ioas)),
    ],
    ['not for PASIDs, one is attached', 'EINVAL', (at) => (withPasid(at), at.device.attach(at.hwpt))],
    ['an IOAS, a PASID is attached', 'EINVAL', (at) => (withPasid(at), at.device.attach(at.ioas))],
    ['for PASIDs, one is attached', 'number', (at) => (withPasid(at), typeof at.device.attach(at.forPasid))],
    ['replace: not attached', 'EINVAL', (at) => at.device.replace(at.hwpt)],
    ['replace: no such page table', 'ENOENT', (at) => (at.device.attach(at.hwpt), at.device.replace(NOTHING))],
    ['replace: the same', 'same', (at) => at.device.attach(at.hwpt) === at.device.replace(at.hwpt) && 'same'],
  ],
  VFIO_DEVICE_DETACH_IOMMUFD_PT: [
    ['not attached', undefined, (at) => at.device.detach()],
    ['twice', undefined, (at) => (at.device.attach(at.hwpt), at.device.detach(), at.device.detach())],
    ['a PASID that is not attached', undefined, (at) => at.device.detachPasid(5)],
  ],
  'VFIO_DEVICE_ATTACH_IOMMUFD_PT with VFIO_DEVICE_ATTACH_PASID': [
    ['PASID 0', 'EINVAL', (at) => at.device.attachPasid(at.port(0), at.forPasid)],
    ['PASID of 21 bits', 'EINVAL', (at) => at.device.attachPasid(at.port(0x10_0000), at.forPasid)],
    ['no PASID', 'EINVAL', (at) => at.device.attachPasid(at.port(null), at.forPasid)],
    ['of another requester', 'EINVAL', (at) => at.device.attachPasid(at.port(5, 99), at.forPasid)],
    ['no such page table', 'ENOENT', (at) => at.device.attachPasid(at.port(5), NOTHING)],
    ['not for PASIDs', 'EINVAL', (at) => at.device.attachPasid(at.port(5), at.hwpt)],
    ['an IOAS, whose page table is not for PASIDs', 'EINVAL', (at) => at.device.attachPasid(at.port(5), at.ioas)],
    [
      'the requester id is attached to one that is not for PASIDs',
      'EINVAL',
      (at) => (at.device.attach(at.hwpt), at.device.attachPasid(at.port(5), at.forPasid)),
    ],
    ['attached', 'EINVAL', (at) => (withPasid(at), at.device.attachPasid(at.port(5), at.forPasid))],
    ['replace: not attached', 'EINVAL', (at) => at.device.replacePasid(5, at.forPasid)],
    ['replace: not for PASIDs', 'EINVAL', (at) => (withPasid(at), at.device.replacePasid(5, at.hwpt))],
    ['the largest', 'number', (at) => typeof at.device.attachPasid(at.port(0xf_ffff), at.forPasid)],
  ],
  iommufd_access_attach: [
    ['no such IOAS', 'ENOENT', (at) => at.access.attach(NOTHING)],
    ['a page table', 'ENOENT', (at) => at.access.attach(at.hwpt)],
    ['attached', 'EINVAL', (at) => (at.access.attach(at.ioas), at.access.attach(at.empty))],
    ['replace: not attached', 'ENOENT', (at) => at.access.replace(at.ioas)],
    ['replace: no such IOAS', 'ENOENT', (at) => (at.access.attach(at.ioas), at.access.replace(NOTHING))],
    ['replace: pins are held', 'EBUSY', (at) => (pin(at), at.access.replace(at.empty))],
    ['replace: the same, pins are held', undefined, (at) => (pin(at), at.access.replace(at.ioas))],
    ['detach: pins are held', 'EBUSY', (at) => (pin(at), at.access.detach())],
    ['destroy: pins are held', 'EBUSY', (at) => (pin(at), at.access.destroy())],
    ['detach: not attached', undefined, (at) => at.access.detach()],
  ],
  iommufd_access_pin_pages: [
    ['not attached', 'ENOENT', (at) => at.access.pinPages(IOVA, PAGE)],
    ['no unmap callback', 'EINVAL', (at) => withoutCallback(at).pinPages(IOVA, PAGE)],
    ['length 0', 'EINVAL', (at) => attached(at).pinPages(IOVA, 0)],
    ['half a page', 'EINVAL', (at) => attached(at).pinPages(IOVA, 100)],
    ['an unaligned IOVA', 'EINVAL', (at) => attached(at).pinPages(IOVA + 8, PAGE)],
    ['nothing there', 'ENOENT', (at) => attached(at).pinPages(0, PAGE)],
    ['a hole', 'ENOENT', (at) => attached(at).pinPages(IOVA, 5 * PAGE)],
    [
      'for writing, mapped for reading',
      'EPERM',
      (at) => (readOnly(at), attached(at).pinPages(0, PAGE, { write: true })),
    ],
    ['beyond what numbers hold', 'EOVERFLOW', (at) => attached(at).pinPages(2 ** 53 - PAGE, 2 * PAGE)],
    ['what is being unmapped', 'EINVAL', (at) => (pin(at), unmap(at), at.access.pinPages(IOVA, PAGE))],
    ['unpin: not pinned', 'EINVAL', (at) => attached(at).unpinPages(IOVA, PAGE)],
    ['unpin: a part', 'EINVAL', (at) => (pin(at), at.access.unpinPages(IOVA, PAGE))],
    ['pages', 1, (at) => attached(at).pinPages(IOVA, PAGE, { write: true }).length],
  ],
  iommufd_access_rw: [
    ['not attached', 'ENOENT', (at) => at.access.rw(IOVA, new Uint8Array(1))],
    ['no bytes', 'EINVAL', (at) => attached(at).rw(IOVA, new Uint8Array(0))],
    ['nothing there', 'ENOENT', (at) => attached(at).rw(0, new Uint8Array(1))],
    ['over the end', 'ENOENT', (at) => attached(at).rw(IOVA + 4 * PAGE - 1, new Uint8Array(2))],
    [
      'writing, mapped for reading',
      'EPERM',
      (at) => (readOnly(at), attached(at).rw(0, new Uint8Array(1), { write: true })),
    ],
    ['reading, mapped for writing', 'EPERM', (at) => (writeOnly(at), attached(at).rw(0, new Uint8Array(1)))],
    [
      'foreign memory that has nothing',
      'EFAULT',
      (at) => (huge(at, PAGE), attached(at).rw(2 ** 41, new Uint8Array(1))),
    ],
    ['without callback', undefined, (at) => withoutCallback(at).rw(IOVA + 1, new Uint8Array(3))],
  ],
};

const BOTH = { nestParent: true, dirtyTracking: true } as const;

function range(start: number, length: number) {
  return { start, last: start + length - 1 };
}

function nested(at: Fixture, options: object = {}): number {
  const data = { pgtblAddr: IOVA, addrWidth: 48 };
  return at.context.hwptAlloc({ device: at.device.id, pt: at.parent, data, ...options });
}

function attached(at: Fixture): IommufdAccess {
  at.access.attach(at.ioas);
  return at.access;
}

function withoutCallback(at: Fixture): IommufdAccess {
  const access = at.context.createAccess();
  access.attach(at.ioas);
  return access;
}

function pin(at: Fixture): void {
  attached(at).pinPages(IOVA, 2 * PAGE);
}

function unmap(at: Fixture): void {
  errno(() => at.context.ioasUnmapAll(at.ioas));
}

function withPasid(at: Fixture): void {
  at.device.attachPasid(at.port(5), at.forPasid);
}

function track(at: Fixture): void {
  at.context.hwptSetDirtyTracking(at.tracked, true);
}

function readOnly(at: Fixture): void {
  at.map({ iova: 0, write: false });
}

function writeOnly(at: Fixture): void {
  at.map({ iova: 0, read: false });
}

/** Foreign memory that answers nothing. */
function huge(at: Fixture, length: number): void {
  const foreign = { read: () => false, write: () => false };
  at.map({ iova: 2 ** 41, length, source: { foreign } });
}

describe.each(Object.entries(COMMANDS))('%s', (_command, cases) => {
  let at: Fixture;

  beforeEach(() => {
    at = new Fixture();
  });

  it.each(cases)('%s: %s', (_what, expected, call) => {
    expect(errno(() => call(at))).toEqual(expected);
  });
});
