// SPDX-License-Identifier: Apache-2.0
// Mediated devices the legacy way, as /sys/class/mdev_bus shows them: a parent with types, created by writing a GUID to a
// type, bound to the parent's driver at once, removed by writing to `remove`. A mediated device here is a function of the
// card without routing id and PASID.
import { VfioError } from '../util/errors.ts';
import type { Host, PfChild } from './host.ts';
import { MdevDevice } from './mdev_device.ts';
import { MDEV_TYPES, type MdevType, type MdevTypeView } from './mdev_type.ts';
import type { Steps } from './tasks.ts';

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\n?$/i;

/** The card as a parent of mediated devices. */
export class MdevParent implements PfChild {
  readonly types: readonly MdevType[];
  private readonly host: Host;
  private readonly maxInstances: number;
  private readonly devices = new Map<string, MdevDevice>();
  private isRegistered = true;
  private isLeaving = false;

  /** `maxInstances`: devices of all types together; default as many as the card has functions on demand. */
  constructor(host: Host, types: readonly MdevType[] = MDEV_TYPES, maxInstances: number = host.functions.free) {
    this.host = host;
    this.types = types;
    this.maxInstances = maxInstances;
  }

  /** What mdev_supported_types shows; nothing while the PF has no driver. */
  supportedTypes(): MdevTypeView[] {
    if (!this.isRegistered) return [];
    return this.types.map(({ id, name, description }) => ({
      id,
      name,
      description,
      deviceApi: 'vfio-pci',
      availableInstances: this.maxInstances - this.devices.size,
      devices: [...this.devices.values()].filter(({ type }) => type.id === id).map(({ guid }) => guid),
    }));
  }

  /**
   * Writes a GUID to `create` of a type. ENOENT: no such type; EINVAL: no GUID; EEXIST: another device has it; EUSERS: no
   * instance left; ENODEV: the parent is going; ENOSPC: the card has no function left for it.
   */
  create(typeId: string, guid: string): MdevDevice {
    const type = this.types.find(({ id }) => id === typeId);
    if (type === undefined) throw new VfioError('ENOENT', `the parent has no type ${typeId}`);
    return this.add(type, guid);
  }

  /** The same for a type of the caller's own, which the parent does not list. */
  add(type: MdevType, guid: string): MdevDevice {
    if (!this.isRegistered) throw new VfioError('ENOENT', 'the PF has no driver, so there is no mdev_supported_types');
    const name = guid.trim().toLowerCase();
    const device = this.devices.get(name) ?? new MdevDevice(this.host, type, name, () => this.devices.delete(name));
    if (!GUID.test(guid)) device.lifecycle.check('create:no-guid');
    if (this.devices.has(name)) device.lifecycle.check('create');
    if (this.devices.size >= this.maxInstances) device.lifecycle.check('create:no-instance');
    if (this.isLeaving) device.lifecycle.check('create:parent-leaving');
    this.devices.set(name, device);
    device.create();
    return device;
  }

  /** The device of a GUID. Throws ENOENT. */
  device(guid: string): MdevDevice {
    const device = this.devices.get(guid.toLowerCase());
    if (device === undefined) throw new VfioError('ENOENT', `no mediated device ${guid}`);
    return device;
  }

  /** Every device that exists. */
  all(): MdevDevice[] {
    return [...this.devices.values()];
  }

  *unregister(): Steps {
    this.isLeaving = true;
    for (const device of this.all()) yield* device.removal();
    this.isLeaving = false;
    this.isRegistered = false;
  }

  register(): void {
    this.isRegistered = true;
  }

  restore(): void {
    for (const device of this.devices.values()) device.restore();
  }
}
