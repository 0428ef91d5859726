// SPDX-License-Identifier: Apache-2.0
// One open /dev/iommu: the objects of iommufd, by id, with the commands of linux/iommufd.h and its errno for each misuse.
// All of it works on one card; a page table is an address space that the card's DMA really goes through.
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { ANYTHING, FLAG, HANDLER, needed, type OptionChecks } from '../util/options.ts';
import { IommufdAccess, type AccessOps } from './access.ts';
import { APERTURE, type IovaRange } from './area_list.ts';
import { IommufdDevice, PASID_MAX, type DmaPort, type OwnedFault } from './device.ts';
import { Hwpt, HwptPaging, type DirtyBitmapRequest, type HwptFlags } from './hwpt.ts';
import { HwptNested, type VtdStage1 } from './hwpt_nested.ts';
import { IoPageTable, rangeOf, type IoasMap } from './io_page_table.ts';
import { MAP_OPTIONS, type MapOptions } from './ioas.ts';
import { checkArguments, PAGE_BYTES } from './memory_source.ts';
import { IommufdObject, ObjectTable } from './object_table.ts';

/** IOMMU_IOAS_COPY; `read` and `write` are off if left out. */
export interface IoasCopy extends MapOptions {
  readonly srcIoas: number;
  readonly srcIova: number;
  readonly length: number;
  /** FIXED_IOVA in the target; chosen if left out. */
  readonly dstIova?: number;
}

/** IOMMU_HWPT_ALLOC. */
export interface HwptAlloc extends HwptFlags {
  /** Device that it is for. */
  readonly device: number;
  /** IOAS for a paging HWPT; paging HWPT with nestParent for a nested one. */
  readonly pt: number;
  /** First stage of a nested HWPT. */
  readonly data?: VtdStage1;
}

/** IOMMU_GET_HW_INFO. */
export interface HwInfo {
  /** IOMMU_HW_CAP_DIRTY_TRACKING. */
  readonly dirtyTracking: boolean;
  /** Bits of a PASID. */
  readonly maxPasidLog2: number;
  /** Bits of an address in the first stage of a nested HWPT. */
  readonly addrWidth: number;
}

// Names and flags of the requests; numbers have errors of their own.
const IOAS_COPY: OptionChecks<IoasCopy> = {
  ...MAP_OPTIONS,
  srcIoas: ANYTHING,
  srcIova: ANYTHING,
  length: ANYTHING,
  dstIova: ANYTHING,
};
const HWPT_ALLOC: OptionChecks<HwptAlloc> = {
  dirtyTracking: FLAG,
  pasid: FLAG,
  nestParent: FLAG,
  device: ANYTHING,
  pt: ANYTHING,
  data: ANYTHING,
};
const STAGE_1: OptionChecks<VtdStage1> = { pgtblAddr: ANYTHING, addrWidth: ANYTHING };
const DIRTY_BITMAP: OptionChecks<DirtyBitmapRequest> = {
  iova: ANYTHING,
  length: ANYTHING,
  pageSize: ANYTHING,
  bitmap: needed({ what: 'a Uint8Array', isGood: (value) => value instanceof Uint8Array }),
  noClear: FLAG,
};

/** Numbers of requester ids there are. */
const REQUESTER_IDS = 0x10000;
/** Requester ids that are bound, on each card, and by whom; those of one PASID lie behind them. */
const owners = new WeakMap<Nic, Map<number, IommufdContext>>();

const ADDRESS_BITS = 48;

/**
 * An open /dev/iommu: IOASes, page tables, and the devices and accesses that are bound to it. Ids are those of its objects;
 * what the kernel refuses throws VfioError with its error number.
 */
export class IommufdContext {
  private readonly nic: Nic;
  private readonly objects = new ObjectTable();

  constructor(nic: Nic) {
    this.nic = nic;
  }

  /** Objects that exist. */
  get objectCount(): number {
    return this.objects.size;
  }

  /** IOMMU_DESTROY. ENOENT: no such object; EBUSY: something refers to it; a device or an access has a driver that does. */
  destroy(id: number): void {
    const object = this.objects.get(id, IommufdObject);
    if (object.users > 0) throw new VfioError('EBUSY', `object ${id} is in use by ${object.users} others`);
    object.release();
  }

  /** The last close of the file: accesses and devices go, then everything else. */
  close(): void {
    for (const object of this.objects) if (object instanceof IommufdAccess) object.destroy();
    for (const object of this.objects) if (object instanceof IommufdDevice) object.unbind();
    while (this.objects.size > 0) for (const object of this.objects) if (object.users === 0) object.release();
  }

  // ---- IOAS -----------------------------------------------------------------------------------------------------------

  /** IOMMU_IOAS_ALLOC; returns the id. */
  ioasAlloc(): number {
    return new IoPageTable(this.objects, this.nic).id;
  }

  /** IOMMU_IOAS_IOVA_RANGES: what may be mapped now, and the granule. */
  ioasIovaRanges(ioas: number): { readonly ranges: readonly IovaRange[]; readonly alignment: number } {
    return { ranges: this.ioas(ioas).ranges(), alignment: PAGE_BYTES };
  }

  /**
   * IOMMU_IOAS_ALLOW_IOVAS: where ioasMap() may choose; an empty list means anywhere. EINVAL: a range is empty or
   * overlaps another; EADDRINUSE: it has addresses that a device reserves.
   */
  ioasAllowIovas(ioas: number, ranges: readonly IovaRange[]): void {
    this.ioas(ioas).allow(ranges);
  }

  /**
   * IOMMU_IOAS_MAP; returns the IOVA. `read` and `write` are off if left out. EINVAL: nothing allowed, unaligned, empty,
   * reserved or beyond the aperture; EEXIST: overlaps; ENOSPC: no free place; EOVERFLOW: beyond 2^53; EFAULT: the guest
   * window ends before; ENOMEM: the card has no room.
   */
  ioasMap(ioas: number, map: IoasMap): number {
    return this.ioas(ioas).map(map);
  }

  /** IOMMU_IOAS_COPY: the same memory in another IOAS, or at another place; returns the IOVA. Errors as ioasMap(); ENOENT: not mapped throughout; EPERM: writable, where the first mapping was not. */
  ioasCopy(dstIoas: number, request: IoasCopy): number {
    checkArguments('IOAS_COPY', request, IOAS_COPY);
    const { srcIoas, srcIova, length, dstIova, ...options } = request;
    const range = rangeOf(srcIova, length);
    if (options.read !== true && options.write !== true) {
      throw new VfioError('EINVAL', 'a mapping that may neither be read nor written');
    }
    const parts = this.ioas(srcIoas).partsOf(range);
    return this.ioas(dstIoas).copyFrom(parts, dstIova, options);
  }

  /**
   * IOMMU_IOAS_UNMAP: every mapping of the range; returns the bytes. When it returns, no request reaches the memory any
   * more. ENOENT: nothing is mapped there, or a mapping would be cut; EINVAL: empty; EOVERFLOW; EDEADLK: an access holds
   * pins after its callback; EBUSY: called by such a callback. Mappings below one that is in the way are gone.
   */
  ioasUnmap(ioas: number, iova: number, length: number): number {
    const object = this.ioas(ioas);
    const bytes = object.unmap(rangeOf(iova, length));
    if (bytes === 0) throw new VfioError('ENOENT', `nothing is mapped in ${length} bytes at 0x${iova.toString(16)}`);
    return bytes;
  }

  /** IOMMU_IOAS_UNMAP of all, which may be nothing. */
  ioasUnmapAll(ioas: number): number {
    return this.ioas(ioas).unmap(APERTURE);
  }

  // ---- HWPT -----------------------------------------------------------------------------------------------------------

  /**
   * IOMMU_HWPT_ALLOC; returns the id. ENOENT: no such device or object; EINVAL: `pt` is neither an IOAS nor a paging HWPT
   * that was allocated as a parent, or data is missing or too much; EOPNOTSUPP: flags that do not go together, or another
   * address width; ENOMEM: the card has no room.
   */
  hwptAlloc(request: HwptAlloc): number {
    checkArguments('HWPT_ALLOC', request, HWPT_ALLOC);
    const { device, pt, data, ...flags } = request;
    if (data !== undefined) checkArguments('HWPT_ALLOC: data', data, STAGE_1);
    this.device(device);
    const parent = this.objects.get(pt, IommufdObject);
    if (parent instanceof IoPageTable) {
      if (data !== undefined) throw new VfioError('EINVAL', `IOAS ${pt} takes no first stage; give a parent HWPT`);
      if (flags.nestParent === true && flags.dirtyTracking === true) {
        throw new VfioError('EOPNOTSUPP', 'dirty pages of a second stage are not tracked; ask for one of the two');
      }
      return new HwptPaging(this.objects, this.nic, parent, flags, false).id;
    }
    if (!(parent instanceof HwptPaging)) {
      throw new VfioError('EINVAL', `object ${pt} is neither an IOAS nor a paging HWPT`);
    }
    if (flags.nestParent === true || flags.dirtyTracking === true || data === undefined) {
      throw new VfioError('EOPNOTSUPP', 'a nested HWPT has a first stage, and of the flags only that for PASIDs');
    }
    if (data.addrWidth !== ADDRESS_BITS) {
      throw new VfioError('EOPNOTSUPP', `a first stage of ${data.addrWidth} bits; ${ADDRESS_BITS} are possible`);
    }
    if (parent.flags.nestParent !== true) throw new VfioError('EINVAL', `HWPT ${pt} was not allocated as a parent`);
    if (!Number.isSafeInteger(data.pgtblAddr) || data.pgtblAddr < 0 || data.pgtblAddr % PAGE_BYTES !== 0) {
      throw new VfioError('EINVAL', `a first stage at ${data.pgtblAddr}, which is no page`);
    }
    return new HwptNested(this.objects, this.nic, parent, data, flags.pasid ?? false).id;
  }

  /** IOMMU_HWPT_INVALIDATE of a nested HWPT, all of it. ENOENT: no such HWPT; EINVAL: not nested; ENOMEM: no room. */
  hwptInvalidate(hwpt: number): void {
    const object = this.objects.get(hwpt, Hwpt);
    if (!(object instanceof HwptNested)) throw new VfioError('EINVAL', `HWPT ${hwpt} is not nested`);
    object.invalidate();
  }

  /** IOMMU_HWPT_SET_DIRTY_TRACKING, see HwptPaging. */
  hwptSetDirtyTracking(hwpt: number, isOn: boolean): void {
    this.objects.get(hwpt, HwptPaging).setDirtyTracking(isOn);
  }

  /** IOMMU_HWPT_GET_DIRTY_BITMAP, see HwptPaging. */
  hwptGetDirtyBitmap(hwpt: number, request: DirtyBitmapRequest): void {
    checkArguments('GET_DIRTY_BITMAP', request, DIRTY_BITMAP);
    this.objects.get(hwpt, HwptPaging).getDirtyBitmap(request);
  }

  // ---- devices and accesses ---------------------------------------------------------------------------------------------

  /**
   * iommufd_device_bind(), VFIO_DEVICE_BIND_IOMMUFD: takes a requester id; its requests fault until it is attached.
   * EPERM: another context has it; EINVAL: this one has, or the port is of a PASID.
   */
  bind(port: DmaPort): IommufdDevice {
    const { requesterId, pasid } = port;
    if (pasid !== null) throw new VfioError('EINVAL', `PASID ${pasid} is attached to its device, not bound`);
    return this.claim(port, requesterId);
  }

  /**
   * Takes one PASID of a requester id, whose other requests stay with their driver: for devices that share the requester id
   * of a PF. attachPasid() is all that it can do. Errors as bind(); EINVAL: the port has no PASID.
   */
  bindPasid(port: DmaPort): IommufdDevice {
    const { requesterId, pasid } = port;
    if (pasid === null) throw new VfioError('EINVAL', `requester ${requesterId} without PASID is bound by bind()`);
    return this.claim(port, requesterId + (pasid + 1) * REQUESTER_IDS);
  }

  /** `key`: what nobody else may have. */
  private claim(port: DmaPort, key: number): IommufdDevice {
    const bound = owners.get(this.nic) ?? new Map<number, IommufdContext>();
    owners.set(this.nic, bound);
    const owner = bound.get(key);
    if (owner !== undefined) {
      const what = port.pasid === null ? '' : `, PASID ${port.pasid},`;
      throw new VfioError(
        owner === this ? 'EINVAL' : 'EPERM',
        `requester ${port.requesterId}${what} is bound; unbind it first`,
      );
    }
    port.attach(null);
    port.takeFaults(); // those of an earlier owner
    bound.set(key, this);
    return new IommufdDevice(this.objects, this.nic, port, () => bound.delete(key));
  }

  /** iommufd_access_create(). */
  createAccess(ops: AccessOps = {}): IommufdAccess {
    checkArguments('access', ops, { unmap: HANDLER });
    return new IommufdAccess(this.objects, this.nic, ops);
  }

  /** IOMMU_GET_HW_INFO. ENOENT: no such device. */
  hwInfo(device: number): HwInfo {
    this.device(device);
    return { dirtyTracking: true, maxPasidLog2: Math.log2(PASID_MAX + 1), addrWidth: ADDRESS_BITS };
  }

  /** Takes the faults of all devices of this context, in the order of time. */
  takeFaults(): { readonly faults: readonly OwnedFault[]; readonly lost: number } {
    const taken = [...this.objects].flatMap((object) => (object instanceof IommufdDevice ? [object.takeFaults()] : []));
    return {
      faults: taken.flatMap(({ faults }) => faults).sort((a, b) => a.cycle - b.cycle),
      lost: taken.reduce((sum, { lost }) => sum + lost, 0),
    };
  }

  private ioas(id: number): IoPageTable {
    return this.objects.get(id, IoPageTable);
  }

  private device(id: number): IommufdDevice {
    return this.objects.get(id, IommufdDevice);
  }
}
