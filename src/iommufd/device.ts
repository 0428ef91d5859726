// SPDX-License-Identifier: Apache-2.0
// The DEVICE object: a function of the card by its requester id, and PASIDs on it. Attaching binds the function's
// requests to the address space of a page table; without one every request faults, and is reported here.
import type { DmaFault, DmaFaults } from '../device/iommu.ts';
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { Hwpt, HwptPaging } from './hwpt.ts';
import { IoPageTable } from './io_page_table.ts';
import { IommufdObject, type ObjectTable } from './object_table.ts';

/** Where requests come from: a requester id, or a requester id with a PASID. */
export interface DmaPort {
  readonly requesterId: number;
  /** Null: requests without PASID. */
  readonly pasid: number | null;
  /** Binds the requests to an address space of the card, null to none. */
  attach(ioas: number | null): void;
  /** Takes the requests that met an address that was not mapped. */
  takeFaults(): DmaFaults;
}

/** A function of a card as a port. */
export class FunctionPort implements DmaPort {
  readonly requesterId: number;
  readonly pasid: number | null;
  private readonly nic: Nic;
  private readonly fn: number;

  /** `pasid`: for a function that shares its requester id with another one. */
  constructor(nic: Nic, fn: number, pasid: number | null = null) {
    this.nic = nic;
    this.fn = fn;
    this.requesterId = nic.routingId(fn);
    this.pasid = pasid;
  }

  attach(ioas: number | null): void {
    this.nic.attachIoas(this.fn, ioas);
  }

  takeFaults(): DmaFaults {
    return this.nic.iommu.takeFaults(this.fn);
  }
}

/** A fault with its owner. */
export interface OwnedFault extends DmaFault {
  readonly device: IommufdDevice;
  readonly requesterId: number;
  readonly pasid: number | null;
}

/** Largest PASID: 20 bits (PCIe 6.0 §6.20). */
export const PASID_MAX = 0xf_ffff;

interface Attachment {
  readonly port: DmaPort;
  hwpt: Hwpt;
}

/** A function bound to an iommufd, with the page tables that its requests go through, by PASID or without one. */
export class IommufdDevice extends IommufdObject {
  readonly requesterId: number;
  private readonly port: DmaPort;
  private readonly nic: Nic;
  private readonly onUnbind: () => void;
  private main: Attachment | null = null;
  private readonly byPasid = new Map<number, Attachment>();
  private faults: OwnedFault[] = [];
  private lost = 0;

  constructor(table: ObjectTable, nic: Nic, port: DmaPort, onUnbind: () => void) {
    super(table);
    this.users = 1; // the driver that bound it
    this.requesterId = port.requesterId;
    this.port = port;
    this.nic = nic;
    this.onUnbind = onUnbind;
  }

  /** Id of the page table that requests without PASID go through, null if there is none. */
  get attached(): number | null {
    return this.main?.hwpt.id ?? null;
  }

  /** PASIDs that are attached, with the id of the page table of each. */
  get pasids(): ReadonlyMap<number, number> {
    return new Map([...this.byPasid].map(([pasid, { hwpt }]) => [pasid, hwpt.id]));
  }

  /**
   * iommufd_device_attach(): to a HWPT, or to an IOAS, which makes a page table or takes the one made so before; returns
   * the id of the page table. ENOENT: no such object; EINVAL: it is neither, the device is attached already, or PASIDs are
   * attached and the page table is not for PASIDs; EADDRINUSE: what the device reserves is mapped; ENOMEM: no room.
   */
  attach(ptId: number): number {
    if (this.main !== null) throw new VfioError('EINVAL', `device ${this.id} is attached; replace or detach`);
    return this.change(null, this.port, ptId);
  }

  /** iommufd_device_replace(): without a moment between. Errors as attach(); EINVAL: not attached. */
  replace(ptId: number): number {
    if (this.main === null) throw new VfioError('EINVAL', `device ${this.id} is not attached`);
    return this.change(this.main, this.port, ptId);
  }

  /** iommufd_device_detach(): every request without PASID faults from now on; nothing if it is not attached. */
  detach(): void {
    if (this.main === null) return;
    const { hwpt } = this.main;
    this.port.attach(null);
    this.main = null;
    hwpt.ioas.devices--;
    this.drop(hwpt);
  }

  /**
   * Attaches the requests with a PASID. The page table has to be one for PASIDs, as that of the requester id, if it has
   * one; those that an IOAS makes are not. EINVAL: PASID 0, not 20 bits, attached already, of another requester.
   */
  attachPasid(port: DmaPort, ptId: number): number {
    const { pasid, requesterId } = port;
    if (pasid === null || !Number.isInteger(pasid) || pasid <= 0 || pasid > PASID_MAX) {
      throw new VfioError('EINVAL', `PASID ${pasid}: 1..${PASID_MAX} can be attached`);
    }
    if (requesterId !== this.requesterId) {
      throw new VfioError('EINVAL', `PASID ${pasid} is of requester ${requesterId}, the device of ${this.requesterId}`);
    }
    if (this.byPasid.has(pasid)) throw new VfioError('EINVAL', `PASID ${pasid} is attached; replace or detach`);
    port.attach(null);
    port.takeFaults(); // those of an earlier owner
    return this.change(null, port, ptId);
  }

  /** Errors as attachPasid(); EINVAL: not attached. */
  replacePasid(pasid: number, ptId: number): number {
    const old = this.byPasid.get(pasid);
    if (old === undefined) throw new VfioError('EINVAL', `PASID ${pasid} of device ${this.id} is not attached`);
    return this.change(old, old.port, ptId);
  }

  /** Every request with the PASID faults from now on; nothing if it is not attached. */
  detachPasid(pasid: number): void {
    const old = this.byPasid.get(pasid);
    if (old === undefined) return;
    old.port.attach(null);
    this.collect(old.port);
    this.byPasid.delete(pasid);
    this.drop(old.hwpt);
  }

  /** iommufd_device_unbind(), after detaching all. */
  unbind(): void {
    for (const pasid of this.byPasid.keys()) this.detachPasid(pasid);
    this.detach();
    this.onUnbind();
    this.release();
  }

  /** Takes the faults of this device and of its PASIDs that are or were attached, each with its owner. */
  takeFaults(): { readonly faults: readonly OwnedFault[]; readonly lost: number } {
    for (const port of [this.port, ...[...this.byPasid.values()].map((attachment) => attachment.port)])
      this.collect(port);
    const { faults, lost } = this;
    this.faults = [];
    this.lost = 0;
    return { faults, lost };
  }

  private collect(port: DmaPort): void {
    const { faults, lost } = port.takeFaults();
    const { requesterId } = this;
    for (const fault of faults) this.faults.push({ ...fault, device: this, requesterId, pasid: port.pasid });
    this.lost += lost;
  }

  /** Binds a port to a page table; `old` is what it was bound to. Nothing is changed if it fails. */
  private change(old: Attachment | null, port: DmaPort, ptId: number): number {
    const hwpt = this.pageTable(ptId);
    if (hwpt === old?.hwpt) return hwpt.id;
    try {
      this.checkPasid(hwpt, port.pasid);
      if (port.pasid === null) hwpt.ioas.checkDevice();
      port.attach(hwpt.space.id);
    } catch (error) {
      removeIfUnused(hwpt);
      throw error;
    }
    if (port.pasid === null) hwpt.ioas.devices++;
    hwpt.users++;
    if (old === null) {
      const attachment = { port, hwpt };
      if (port.pasid === null) this.main = attachment;
      else this.byPasid.set(port.pasid, attachment);
    } else {
      const before = old.hwpt;
      old.hwpt = hwpt;
      if (port.pasid === null) before.ioas.devices--;
      this.drop(before);
    }
    return hwpt.id;
  }

  private pageTable(ptId: number): Hwpt {
    const object = this.table.get(ptId, IommufdObject);
    if (object instanceof Hwpt) return object;
    if (!(object instanceof IoPageTable)) {
      throw new VfioError('EINVAL', `object ${ptId} is neither an IOAS nor a page table`);
    }
    const made = [...object.hwpts].filter((hwpt) => hwpt instanceof HwptPaging).find(({ isAuto }) => isAuto);
    return made ?? new HwptPaging(this.table, this.nic, object, {}, true);
  }

  /** A requester that uses PASIDs has page tables for PASIDs throughout. */
  private checkPasid(hwpt: Hwpt, pasid: number | null): void {
    const needsPasid = pasid !== null || this.byPasid.size > 0;
    if (needsPasid && !hwpt.isPasid) {
      throw new VfioError('EINVAL', `page table ${hwpt.id} is not for PASIDs; allocate one with the flag`);
    }
    if (pasid !== null && this.main !== null && !this.main.hwpt.isPasid) {
      throw new VfioError('EINVAL', `page table ${this.main.hwpt.id} of the requester id is not for PASIDs`);
    }
  }

  private drop(hwpt: Hwpt): void {
    hwpt.users--;
    removeIfUnused(hwpt);
  }
}

function removeIfUnused(hwpt: Hwpt): void {
  if (hwpt instanceof HwptPaging && hwpt.isAuto && hwpt.users === 0) hwpt.release();
}
