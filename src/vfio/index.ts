// SPDX-License-Identifier: Apache-2.0
// The entry `virtfn/vfio` of the package.
/**
 * The interface by which drivers hold a function, and the functions of a card behind it. Numbers are those of linux/vfio.h.
 *
 * @module virtfn/vfio
 */
export {
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_MASKABLE,
  VFIO_IRQ_INFO_NORESIZE,
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_BAR5_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_REQ_IRQ_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_PCI_VGA_REGION_INDEX,
  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from './vfio_device.ts';
export type {
  AccessSize,
  AddressSpace,
  IrqHandler,
  VfioDevice,
  VfioDeviceInfo,
  VfioIrqInfo,
  VfioRegionInfo,
} from './vfio_device.ts';
export { VfioPci } from './vfio_pci.ts';
export type { ConfigViewKind } from './vfio_pci.ts';
