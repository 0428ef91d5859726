// SPDX-License-Identifier: Apache-2.0
// What a driver sees of one function: regions, interrupts, DMA address space, reset. Names and numbers are those of
// linux/vfio.h. Real functions (vfio_pci.ts) and the variant driver's transitional view both implement it.

/** Region indices of linux/vfio.h. */
export const VFIO_PCI_BAR0_REGION_INDEX = 0;
/** The last BAR; those between count on. */
export const VFIO_PCI_BAR5_REGION_INDEX = 5;
/** Expansion ROM. */
export const VFIO_PCI_ROM_REGION_INDEX = 6;
/** Configuration space. */
export const VFIO_PCI_CONFIG_REGION_INDEX = 7;
/** Legacy ranges of a VGA device. */
export const VFIO_PCI_VGA_REGION_INDEX = 8;
/** Region indices of a PCI device. */
export const VFIO_PCI_NUM_REGIONS = 9;

/** Interrupt indices of linux/vfio.h. */
export const VFIO_PCI_INTX_IRQ_INDEX = 0;
/** MSI vectors. */
export const VFIO_PCI_MSI_IRQ_INDEX = 1;
/** MSI-X vectors. */
export const VFIO_PCI_MSIX_IRQ_INDEX = 2;
/** An error that the device reported. */
export const VFIO_PCI_ERR_IRQ_INDEX = 3;
/** The host asks for the device back. */
export const VFIO_PCI_REQ_IRQ_INDEX = 4;
/** Interrupt indices of a PCI device. */
export const VFIO_PCI_NUM_IRQS = 5;

/** The region can be read. */
export const VFIO_REGION_INFO_FLAG_READ = 1;
/** The region can be written. */
export const VFIO_REGION_INFO_FLAG_WRITE = 2;
/** The region can be mapped. */
export const VFIO_REGION_INFO_FLAG_MMAP = 4;
/** The region has capabilities. */
export const VFIO_REGION_INFO_FLAG_CAPS = 8;

/** The MSI-X table is not cut out of what may be mapped. */
export const VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3;

/** The device can be reset. */
export const VFIO_DEVICE_FLAGS_RESET = 1;
/** The device is a PCI device: its indices are those above. */
export const VFIO_DEVICE_FLAGS_PCI = 2;

/** The interrupt can be signalled by eventfd. */
export const VFIO_IRQ_INFO_EVENTFD = 1;
/** The interrupt can be masked by SET_IRQS. */
export const VFIO_IRQ_INFO_MASKABLE = 2;
/** The interrupt masks itself when it is signalled. */
export const VFIO_IRQ_INFO_AUTOMASKED = 4;
/** The vectors of the index are set up all at once. */
export const VFIO_IRQ_INFO_NORESIZE = 8;

/** VFIO_DEVICE_GET_INFO; `flags` are VFIO_DEVICE_FLAGS_*. */
export interface VfioDeviceInfo {
  readonly flags: number;
  readonly numRegions: number;
  readonly numIrqs: number;
}

/** VFIO_DEVICE_GET_REGION_INFO; `flags` are VFIO_REGION_INFO_FLAG_*. */
export interface VfioRegionInfo {
  readonly index: number;
  readonly flags: number;
  /** Size in bytes; 0 where the function has no such region. */
  readonly size: number;
  /** Ids of the capabilities that VFIO_REGION_INFO_FLAG_CAPS tells of. */
  readonly capabilities?: readonly number[];
}

/** VFIO_DEVICE_GET_IRQ_INFO; `flags` are VFIO_IRQ_INFO_*, `count` is the number of vectors. */
export interface VfioIrqInfo {
  readonly index: number;
  readonly flags: number;
  readonly count: number;
}

/** Width in bytes of one register access. */
export type AccessSize = 1 | 2 | 4;

/** Called when the interrupt reaches the host; `timeCycles` is the simulated time of arrival. */
export type IrqHandler = (vector: number, timeCycles: number) => void;

/** An I/O address space that a device's DMA is translated by (see src/iommufd). */
export interface AddressSpace {
  /** Number of the address space in the core. */
  readonly id: number;
}

/** One function as a user-space driver holds it. All calls are synchronous; refused ones throw VfioError. */
export interface VfioDevice {
  /** Bus, device, function of this function: `bus << 8 | device << 3 | function`. */
  readonly requesterId: number;
  /** VFIO_DEVICE_GET_INFO. */
  info(): VfioDeviceInfo;
  /** VFIO_DEVICE_GET_REGION_INFO. EINVAL: no such region. */
  regionInfo(index: number): VfioRegionInfo;
  /** VFIO_DEVICE_GET_IRQ_INFO. EINVAL: no such interrupt index. */
  irqInfo(index: number): VfioIrqInfo;

  /** One register read of `size` bytes; the value is an unsigned number. Simulated time passes until the completion is back. */
  read(region: number, offset: number, size: AccessSize): number;
  /** One register write. Memory writes are posted: they arrive later in simulated time. */
  write(region: number, offset: number, size: AccessSize, value: number): void;
  /** pread(2) on a region: any length and alignment; returns the number of bytes read, fewer where a BAR ends before. */
  readBytes(region: number, offset: number, data: Uint8Array): number;
  /** pwrite(2) on a region; returns the number of bytes written. */
  writeBytes(region: number, offset: number, data: Uint8Array): number;

  /**
   * SET_IRQS with eventfds: handlers for vectors `start ..`; null leaves a vector without one. Enables the index; INTx and
   * MSI-X exclude each other.
   */
  setIrqs(index: number, start: number, handlers: readonly (IrqHandler | null)[]): void;
  /** SET_IRQS with DATA_NONE and count 0: disables the index. */
  disableIrqs(index: number): void;

  /** Attach to an address space; null detaches (all DMA then fails). */
  attach(ioas: AddressSpace | null): void;
  /** VFIO_DEVICE_RESET: function level reset, then the saved configuration is restored. */
  reset(): void;
  /** The first open of the device: a reset, bus mastering off, the configuration saved. */
  open(): void;
  /** The last close: interrupts off, a reset, the configuration as open() left it. */
  close(): void;
}
