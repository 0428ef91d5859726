// SPDX-License-Identifier: Apache-2.0
// iommufd once more, as plainly as possible: lists of mappings in pages, who is attached to what, who holds pins. It
// counts nothing: what is in use is found by looking at everybody. Written from the documentation of the uAPI.

export interface ModelArea {
  iova: number;
  pages: number;
  /** Page of the guest window. */
  memory: number;
  read: boolean;
  write: boolean;
  /** The first mapping of this memory was for writing. */
  isMemoryWritable: boolean;
  isClosing: boolean;
}

interface Pin {
  iova: number;
  pages: number;
  areas: ModelArea[];
}

interface ModelIoas {
  kind: 'ioas';
  areas: ModelArea[];
}

interface ModelHwpt {
  kind: 'hwpt';
  ioas: number;
  isAuto: boolean;
  isPasid: boolean;
}

interface ModelDevice {
  kind: 'device';
  main: number | null;
  pasids: Map<number, number>;
}

interface ModelAccess {
  kind: 'access';
  ioas: number | null;
  letsGo: boolean;
  pins: Pin[];
}

type ModelObject = ModelIoas | ModelHwpt | ModelDevice | ModelAccess;
export type Answer = string | number | undefined;
export type Permissions = { readonly read: boolean; readonly write: boolean };

/** Thrown inside of the model only. */
class Refusal {
  readonly code: string;
  constructor(code: string) {
    this.code = code;
  }
}

function refuse(code: string): never {
  throw new Refusal(code);
}

export class Model {
  readonly objects = new Map<number, ModelObject>();

  /** Errno name, or what the call returns. */
  answer(call: () => Answer | void): Answer {
    try {
      return call() ?? undefined;
    } catch (refusal) {
      if (refusal instanceof Refusal) return refusal.code;
      throw refusal;
    }
  }

  add(object: ModelObject): number {
    let id = 1;
    while (this.objects.has(id)) id++;
    this.objects.set(id, object);
    return id;
  }

  ids(kind: ModelObject['kind']): number[] {
    return [...this.objects].filter(([, object]) => object.kind === kind).map(([id]) => id);
  }

  // ---- IOAS -----------------------------------------------------------------------------------------------------------

  map(id: number, iova: number | null, pages: number, memory: number, { read, write }: Permissions): number {
    const { areas } = this.ioas(id);
    if (!read && !write) refuse('EINVAL');
    const at = iova ?? place(areas, pages, memory);
    if (overlapping(areas, at, pages).length > 0) refuse('EEXIST');
    areas.push({ iova: at, pages, memory, read, write, isMemoryWritable: write, isClosing: false });
    return at;
  }

  copy(to: number, from: number, source: number, pages: number, iova: number | null, permissions: Permissions): number {
    if (!permissions.read && !permissions.write) refuse('EINVAL');
    const found = this.whole(this.ioas(from).areas, source, pages);
    const { areas } = this.ioas(to);
    const first = found[0]!;
    const at = iova ?? place(areas, pages, first.memory + source - first.iova);
    if (overlapping(areas, at, pages).length > 0) refuse('EEXIST');
    if (permissions.write && found.some((area) => !area.isMemoryWritable)) refuse('EPERM');
    for (const area of found) {
      const start = Math.max(area.iova, source);
      const end = Math.min(area.iova + area.pages, source + pages);
      areas.push({
        ...permissions,
        iova: at + start - source,
        pages: end - start,
        memory: area.memory + start - area.iova,
        isMemoryWritable: area.isMemoryWritable,
        isClosing: false,
      });
    }
    return at;
  }

  /** Pages unmapped. */
  unmap(id: number, iova: number, pages: number): number {
    const ioas = this.ioas(id);
    let count = 0;
    for (const area of overlapping(ioas.areas, iova, pages)) {
      if (area.iova < iova || area.iova + area.pages > iova + pages) refuse('ENOENT');
      if (this.isPinned(area)) {
        area.isClosing = true;
        for (const access of this.accessesOf(id)) if (access.letsGo) letGo(access, area.iova, area.pages);
        if (this.isPinned(area)) refuse('EDEADLK');
      }
      ioas.areas.splice(ioas.areas.indexOf(area), 1);
      count += area.pages;
    }
    return count === 0 ? refuse('ENOENT') : count;
  }

  destroy(id: number): void {
    const object = this.objects.get(id) ?? refuse('ENOENT');
    if (object.kind === 'device' || object.kind === 'access' || this.isUsed(id)) refuse('EBUSY');
    this.objects.delete(id);
  }

  // ---- page tables and devices ------------------------------------------------------------------------------------------

  hwptAlloc(device: number, pt: number, isPasid: boolean): number {
    this.get(device, 'device');
    const object = this.objects.get(pt) ?? refuse('ENOENT');
    if (object.kind === 'hwpt') refuse('EOPNOTSUPP'); // a nested one needs a first stage
    if (object.kind !== 'ioas') refuse('EINVAL');
    return this.add({ kind: 'hwpt', ioas: pt, isAuto: false, isPasid });
  }

  attach(id: number, pasid: number | null, pt: number): number {
    const device = this.get(id, 'device');
    if (this.attachment(device, pasid) !== null) refuse('EINVAL');
    return this.change(device, pasid, pt);
  }

  replace(id: number, pasid: number | null, pt: number): number {
    const device = this.get(id, 'device');
    const old = this.attachment(device, pasid) ?? refuse('EINVAL');
    const table = this.change(device, pasid, pt);
    this.removeIfUnused(old);
    return table;
  }

  detach(id: number, pasid: number | null): void {
    const device = this.get(id, 'device');
    const old = this.attachment(device, pasid);
    if (pasid === null) device.main = null;
    else device.pasids.delete(pasid);
    if (old !== null) this.removeIfUnused(old);
  }

  /** Window page behind a page of a device's addresses, null if there is none. */
  translate(id: number, pasid: number | null, iova: number, permission: 'read' | 'write'): number | null {
    const table = this.attachment(this.get(id, 'device'), pasid);
    if (table === null) return null;
    const [area] = overlapping(this.ioas(this.get(table, 'hwpt').ioas).areas, iova, 1);
    return area?.[permission] === true ? area.memory + iova - area.iova : null;
  }

  // ---- accesses -----------------------------------------------------------------------------------------------------------

  accessAttach(id: number, ioas: number): void {
    const access = this.get(id, 'access');
    if (access.ioas !== null) refuse('EINVAL');
    this.ioas(ioas);
    access.ioas = ioas;
  }

  accessReplace(id: number, ioas: number | null): void {
    const access = this.get(id, 'access');
    if (ioas !== null) {
      if (access.ioas === null) refuse('ENOENT');
      this.ioas(ioas);
      if (ioas === access.ioas) return;
    }
    if (access.letsGo) access.pins = [];
    if (access.pins.length > 0) refuse('EBUSY');
    access.ioas = ioas;
  }

  pin(id: number, iova: number, pages: number, isWrite: boolean): number {
    const access = this.get(id, 'access');
    if (access.ioas === null) refuse('ENOENT');
    const areas = this.whole(this.ioas(access.ioas).areas, iova, pages);
    for (const area of areas) {
      if (area.isClosing) refuse('EINVAL');
      if (isWrite ? !area.write : !area.read) refuse('EPERM');
    }
    access.pins.push({ iova, pages, areas });
    return areas.length;
  }

  unpin(id: number, iova: number, pages: number): void {
    const access = this.get(id, 'access');
    const at = access.pins.findIndex((pin) => pin.iova === iova && pin.pages === pages);
    if (at < 0) refuse('EINVAL');
    access.pins.splice(at, 1);
  }

  pinsOf(id: number): readonly { iova: number; pages: number }[] {
    return this.get(id, 'access').pins;
  }

  // ---- who uses what --------------------------------------------------------------------------------------------------------

  private get<K extends ModelObject['kind']>(id: number, kind: K): Extract<ModelObject, { kind: K }> {
    const object = this.objects.get(id);
    if (object?.kind !== kind) refuse('ENOENT');
    return object as Extract<ModelObject, { kind: K }>;
  }

  private ioas(id: number): ModelIoas {
    return this.get(id, 'ioas');
  }

  private whole(areas: readonly ModelArea[], iova: number, pages: number): ModelArea[] {
    for (let page = iova; page < iova + pages; page++) {
      if (overlapping(areas, page, 1).length === 0) refuse('ENOENT');
    }
    return overlapping(areas, iova, pages);
  }

  private change(device: ModelDevice, pasid: number | null, pt: number): number {
    const object = this.objects.get(pt) ?? refuse('ENOENT');
    if (object.kind !== 'ioas' && object.kind !== 'hwpt') refuse('EINVAL');
    const isPasid = object.kind === 'hwpt' && object.isPasid;
    const old = this.attachment(device, pasid);
    if (old !== null && old === pt) return pt;
    const made = [...this.objects].find(([, hwpt]) => hwpt.kind === 'hwpt' && hwpt.isAuto && hwpt.ioas === pt)?.[0];
    if (old !== null && old === made) return old;
    if ((pasid !== null || device.pasids.size > 0) && !isPasid) refuse('EINVAL');
    if (pasid !== null && device.main !== null && !this.get(device.main, 'hwpt').isPasid) refuse('EINVAL');
    const table =
      object.kind === 'hwpt' ? pt : (made ?? this.add({ kind: 'hwpt', ioas: pt, isAuto: true, isPasid: false }));
    if (pasid === null) device.main = table;
    else device.pasids.set(pasid, table);
    return table;
  }

  private attachment(device: ModelDevice, pasid: number | null): number | null {
    return pasid === null ? device.main : (device.pasids.get(pasid) ?? null);
  }

  private isUsed(id: number): boolean {
    return [...this.objects.values()].some(
      (object) =>
        ((object.kind === 'hwpt' || object.kind === 'access') && object.ioas === id) ||
        (object.kind === 'device' && (object.main === id || [...object.pasids.values()].includes(id))),
    );
  }

  private removeIfUnused(id: number): void {
    if (this.get(id, 'hwpt').isAuto && !this.isUsed(id)) this.objects.delete(id);
  }

  private accessesOf(ioas: number): ModelAccess[] {
    return [...this.objects.values()].filter(
      (object): object is ModelAccess => object.kind === 'access' && object.ioas === ioas,
    );
  }

  private isPinned(area: ModelArea): boolean {
    return [...this.objects.values()].some(
      (object) => object.kind === 'access' && object.pins.some(({ areas }) => areas.includes(area)),
    );
  }
}

function overlapping(areas: readonly ModelArea[], iova: number, pages: number): ModelArea[] {
  return areas
    .filter((area) => area.iova < iova + pages && iova < area.iova + area.pages)
    .sort((a, b) => a.iova - b.iova);
}

function letGo(access: ModelAccess, iova: number, pages: number): void {
  access.pins = access.pins.filter((pin) => pin.iova >= iova + pages || iova >= pin.iova + pin.pages);
}

/** The lowest free place but 0, aligned to the next power of two of the length, or to the memory if that is less. */
function place(areas: readonly ModelArea[], pages: number, memory: number): number {
  let alignment = 1;
  while (alignment < pages) alignment *= 2;
  while (memory % alignment !== 0) alignment /= 2;
  let at = alignment;
  while (overlapping(areas, at, pages).length > 0) at += alignment;
  return at;
}
