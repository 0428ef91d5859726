// SPDX-License-Identifier: Apache-2.0
// The entry `virtfn/guest` of the package.
/**
 * Guest-side drivers: what runs on top of a VfioDevice, in the order in which one would build it up.
 *
 * @module virtfn/guest
 */
export { AdminClient } from './admin_client.ts';
export type { AdminClientOptions, AdminResult } from './admin_client.ts';
export { DEVICE_PARTS_COMMANDS, LEGACY_COMMANDS } from '../../assembly/abi/admin_command.ts';
export { ControlQueue } from './control_queue.ts';
export { DeviceFaultError } from './device_fault.ts';
export type { DeviceFaultCode } from './device_fault.ts';
export type { Doorbell, DriverRing } from './driver_ring.ts';
export type { FeatureSet } from './features.ts';
export { RxQueue, TxQueue } from './net_queues.ts';
export type { NetQueueLayout, NetStatistics, ReceiveHandler, RxQueueOptions, TxQueueOptions } from './net_queues.ts';
export { probeVirtioPci } from './pci_probe.ts';
export type { VirtioPciLayout, VirtioStructure } from './pci_probe.ts';
export { PfDriver } from './pf_driver.ts';
export type { PfDriverOptions } from './pf_driver.ts';
export type { Clock, DmaMemory } from './platform.ts';
export { makeRing } from './ring_formats.ts';
export type { RingFactory, RingRequest } from './ring_formats.ts';
export { PackedRing } from './packed_ring.ts';
export type { PackedRingOptions } from './packed_ring.ts';
export { SplitRing } from './split_ring.ts';
export type { SplitRingOptions } from './split_ring.ts';
export { Sriov } from './sriov.ts';
export type { SriovOptions, VfBar } from './sriov.ts';
export type { UsedHandler, VectorPolicy, VectorUser } from './vector_policy.ts';
export { VirtioLegacy } from './virtio_legacy.ts';
export type { LegacyQueuePlan } from './virtio_legacy.ts';
export { VirtioModern } from './virtio_modern.ts';
export type { AdminQueuePlan, QueuePlan, VirtioModernOptions } from './virtio_modern.ts';
export { VirtioNet } from './virtio_net.ts';
export type { VirtioNetOptions } from './virtio_net.ts';
export { VirtioNetLegacy } from './virtio_net_legacy.ts';
export type { VirtioNetLegacyOptions } from './virtio_net_legacy.ts';
