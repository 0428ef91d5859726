// SPDX-License-Identifier: Apache-2.0
// An open file of /dev/vfio/devices/vfioN. It gives access to the device once it is bound to an iommufd, and to one file
// only at a time; as a VfioDevice it is what drivers work with.
import type { IommufdContext } from '../iommufd/context.ts';
import { VfioError } from '../util/errors.ts';
import type {
  AccessSize,
  AddressSpace,
  IrqHandler,
  VfioDevice,
  VfioDeviceInfo,
  VfioIrqInfo,
  VfioRegionInfo,
} from '../vfio/vfio_device.ts';
import type { BindDma, DmaBinding } from './dma_binding.ts';
import type { LifecycleState } from './lifecycle_state.ts';

/** What a driver registers. */
export interface RegisteredDevice {
  /** The device behind the driver; open() and close() are the driver's own. */
  readonly device: VfioDevice;
  /** How VFIO_DEVICE_BIND_IOMMUFD makes its DMA known to an iommufd. */
  readonly bind: BindDma;
  /** Signals the request interrupt. */
  requestRelease(): void;
}

/** What a file knows of the node that it was opened by. */
export interface OpenedNode {
  readonly path: string;
  readonly registered: RegisteredDevice;
  readonly lifecycle: LifecycleState;
  /** The file that is bound to an iommufd. */
  user: VfioFile | null;
  /** Its DMA in that iommufd. */
  binding: DmaBinding | null;
  /** A file was closed. */
  closed(file: VfioFile): void;
}

/** One open file. Calls throw EBADF once it is closed, EINVAL before it is bound. */
export class VfioFile implements VfioDevice {
  readonly requesterId: number;
  private readonly node: OpenedNode;
  private isClosed = false;

  constructor(node: OpenedNode) {
    this.node = node;
    this.requesterId = node.registered.device.requesterId;
  }

  /**
   * VFIO_DEVICE_BIND_IOMMUFD: opens the device for this file. EINVAL where a file, this one or another, has it; errors of
   * the iommufd.
   */
  bind(context: IommufdContext): void {
    this.checkOpen();
    const { node } = this;
    node.lifecycle.check('bind-iommufd');
    const binding = node.registered.bind(context);
    try {
      node.registered.device.open();
    } catch (error) {
      binding.release();
      throw error;
    }
    node.binding = binding;
    node.user = this;
    node.lifecycle.step('bind-iommufd');
  }

  /** The device was opened by bind(), and cannot be once more. */
  open(): void {
    this.checkOpen();
    throw new VfioError('EINVAL', `${this.node.path} is opened by binding it to an iommufd`);
  }

  /**
   * VFIO_DEVICE_ATTACH_IOMMUFD_PT: to an IOAS or a page table of the iommufd, by its id, in place of what was attached
   * before; null is VFIO_DEVICE_DETACH_IOMMUFD_PT.
   */
  attach(pageTable: AddressSpace | null): void {
    const { node } = this;
    this.access();
    const on = pageTable === null ? 'detach' : 'attach';
    node.lifecycle.check(on);
    if (pageTable === null) node.binding!.detach();
    else node.binding!.attach(pageTable.id);
    node.lifecycle.step(on);
  }

  /** The same with VFIO_DEVICE_ATTACH_PASID. EOPNOTSUPP: no driver here gives its user PASIDs. */
  attachPasid(): void {
    this.access();
    this.node.lifecycle.step('attach:pasid');
  }

  reset(): void {
    const device = this.access();
    this.node.lifecycle.step('device-reset');
    device.reset();
  }

  close(): void {
    this.checkOpen();
    this.isClosed = true;
    this.node.closed(this);
  }

  info(): VfioDeviceInfo {
    return this.access().info();
  }

  regionInfo(index: number): VfioRegionInfo {
    return this.access().regionInfo(index);
  }

  irqInfo(index: number): VfioIrqInfo {
    return this.access().irqInfo(index);
  }

  read(region: number, offset: number, size: AccessSize): number {
    return this.access().read(region, offset, size);
  }

  write(region: number, offset: number, size: AccessSize, value: number): void {
    this.access().write(region, offset, size, value);
  }

  readBytes(region: number, offset: number, data: Uint8Array): number {
    return this.access().readBytes(region, offset, data);
  }

  writeBytes(region: number, offset: number, data: Uint8Array): number {
    return this.access().writeBytes(region, offset, data);
  }

  setIrqs(index: number, start: number, handlers: readonly (IrqHandler | null)[]): void {
    this.access().setIrqs(index, start, handlers);
  }

  disableIrqs(index: number): void {
    this.access().disableIrqs(index);
  }

  private checkOpen(): void {
    if (this.isClosed) throw new VfioError('EBADF', `the file of ${this.node.path} is closed`);
  }

  private access(): VfioDevice {
    this.checkOpen();
    if (this.node.user !== this) this.node.lifecycle.step('ioctl:other');
    return this.node.registered.device;
  }
}
