// SPDX-License-Identifier: Apache-2.0
// The entry `virtfn` of the package.
/**
 * The card, the machine around it, and what one needs to work with both. Drivers by themselves are in `virtfn/guest`, the
 * interface they run on in `virtfn/vfio`.
 *
 * @module virtfn
 */

// The card: registers, time, outputs, snapshots.
export { createNic } from './device/nic.ts';
export type {
  AdvanceReason,
  CompletionHandler,
  CreateOptions,
  DmaRead,
  DmaWrite,
  FrameHandler,
  InterruptHandler,
  LinkTraffic,
  MsiMessage,
  Nic,
} from './device/nic.ts';
export { ConfigError } from './device/config.ts';
export type { NicConfig, ResolvedConfig } from './device/config.ts';
export type { OptionProblem } from './device/option_rows.ts';
export type { AdminInjection, ReadFault } from './device/injection.ts';
export { lookAheadCycles, profileParameters } from './device/profile.ts';
export { PROFILES } from './device/profiles.ts';
export type { NamedProfile } from './device/profiles.ts';
export { generateTraffic } from './device/generator.ts';
export type { GeneratorOperation, GeneratorResult, GeneratorRun } from './device/generator.ts';
export type {
  MemorySide,
  NicMode,
  ProfileOverrides,
  ProfileParameter,
  ProfileUnit,
  ResolvedProfile,
} from './device/profile.ts';
export type { FunctionProfile, NotifyPlace, ProvisionedFunction } from './device/function_profile.ts';
export type { AdminRecord, ReadLife, ReadLives } from './device/admin_record.ts';
export type { Counters } from './device/counters.ts';
export { coreUrl } from './core/wasm_path.ts';
export type { CoreUrl } from './core/wasm_path.ts';
export type { CoreBuild, CoreModule } from './core/load.ts';

// The host around it: enumeration, address spaces, the variant driver, a machine with all of it.
export { enumerate } from './device/bus.ts';
export type { Bar, BusLayout } from './device/bus.ts';
export { NicClock } from './device/clock.ts';
export { Ioas } from './iommufd/ioas.ts';
export type { MapOptions } from './iommufd/ioas.ts';
export { DmaBuffer } from './iommufd/dma_buffer.ts';
export type { WindowMapping } from './iommufd/dma_buffer.ts';
export type { MemorySource } from './iommufd/memory_source.ts';
export type { ForeignAnswer, ForeignMemory, LateRead } from './device/foreign.ts';
export { IommufdContext } from './iommufd/context.ts';
export type { HwInfo, HwptAlloc, IoasCopy } from './iommufd/context.ts';
export type { IovaRange } from './iommufd/area_list.ts';
export type { IoasMap } from './iommufd/io_page_table.ts';
export type { DirtyBitmapRequest, HwptFlags } from './iommufd/hwpt.ts';
export type { VtdStage1 } from './iommufd/hwpt_nested.ts';
export { FunctionPort } from './iommufd/device.ts';
export type { DmaPort, IommufdDevice, OwnedFault } from './iommufd/device.ts';
export type { AccessOps, IommufdAccess, PinnedRun } from './iommufd/access.ts';
export type { DmaFault, DmaFaults } from './device/iommu.ts';
export { VirtioVfioPci } from './variant/virtio_vfio_pci.ts';
export type { VariantKind } from './variant/probe.ts';
export type { PfAdmin, PfAdminResult } from './variant/pf_admin.ts';
export { Machine } from './machine/machine.ts';
export type { MachineOptions } from './machine/machine.ts';

// Provisioning: profiles of functions in files, plans, described cards.
export { ProvisionedCard } from './provisioning/card.ts';
export type { CardOptions } from './provisioning/card.ts';
export { readProvisionFile } from './provisioning/file.ts';
export type { CardLimits, ProvisionFile, WantedFunction } from './provisioning/file.ts';
export { checkHealth } from './provisioning/inspect.ts';
export type { HealthCheck } from './provisioning/inspect.ts';
export { executePlan, machineTarget, makePlan, planText } from './provisioning/plan.ts';
export type { Plan, PlanStep, ProvisionTarget } from './provisioning/plan.ts';
export { FileProblems } from './util/problems.ts';
export type { Problem } from './util/problems.ts';
export type { NamedProfiles } from './provisioning/profile.ts';

// The lives of functions: SR-IOV as Linux has it, mediated devices, and one interface for all.
export { SriovLifecycle } from './provisioning/sriov_lifecycle.ts';
export type { SriovVf, VfDriver } from './provisioning/sriov_vf.ts';
export { MdevParent } from './provisioning/mdev.ts';
export { MDEV_TYPES } from './provisioning/mdev_type.ts';
export type { MdevType, MdevTypeView } from './provisioning/mdev_type.ts';
export type { MdevDevice } from './provisioning/mdev_device.ts';
export { OnDemandFunctions } from './provisioning/on_demand.ts';
export type { OnDemandOptions } from './provisioning/on_demand.ts';
export type { FunctionKind, OnDemandFunction } from './provisioning/on_demand_function.ts';
export type { VfioFile } from './provisioning/vfio_file.ts';
export type { VfioNode } from './provisioning/vfio_node.ts';
export type { Pending } from './provisioning/tasks.ts';
export { guestMemory } from './provisioning/guest_memory.ts';
export { LIFECYCLE_RULES } from './provisioning/lifecycle_rules.ts';
export type { MachineName, Rule } from './provisioning/lifecycle_rules.ts';

// Captures, and sending them through a card.
export type { ByteSource } from './wire/byte_reader.ts';
export { openCapture } from './wire/capture.ts';
export type { Capture } from './wire/capture.ts';
export { CaptureDamage } from './wire/frame_reader.ts';
export type { PcapFrame, SkipHandler } from './wire/frame_reader.ts';
export { encodePcap, pcapPieces } from './wire/pcap.ts';
export { Replay } from './machine/replay.ts';
export type { DriverKind, FrameSource, ReplayOptions, ReplayReport, ReplayTarget, Traffic } from './machine/replay.ts';
export type { TooLong } from './machine/survey.ts';

// Register blocks by name.
export { findRegisterBlock, REGISTER_BLOCKS } from './registers/blocks.ts';
export { bitsText, decodeBlock, registersText } from './registers/decode.ts';
export type { DecodedBits, DecodedRegister } from './registers/decode.ts';
export type { RegisterAccess, RegisterBits, RegisterBlock, RegisterDescriptor } from './registers/describe.ts';

// Errors.
export { CoreTrap } from './core/trap.ts';
export { ERRNO, NicError, UsageError, VfioError } from './util/errors.ts';
export type { ErrnoName } from './util/errors.ts';
