// SPDX-License-Identifier: Apache-2.0
// Creation: lays the arena out by the configuration, numbers the functions, puts everything into its power-on state.
import { FUNCTIONS, IOAS_EXTRA, IOMMU_POOL_BYTES } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import { LAYOUT_HASH } from '../abi/layout_hash.ts';
import { IOAS_STRIDE } from '../abi/address_space.ts';
import {
  ARENA_MAGIC,
  ARENA_VERSION,
  IOMMU_READ,
  IOMMU_WRITE,
  KIND_ON_DEMAND,
  KIND_PF,
  KIND_VF,
  NONE,
} from '../abi/state_value.ts';
import * as CFG from '../abi/nic_config.ts';
import * as P from '../abi/timing_param.ts';
import { config, functionAt, param } from '../mem/arena.ts';
import { initConfigMasks } from '../pci/config_image.ts';
import { initAddressSpace, ioasMap } from '../host/address_space.ts';
import { initPool } from '../host/pool.ts';
import { initOwedReads } from '../pcie/owed_reads.ts';
import { initScheduler } from '../sim/scheduler.ts';
import { initJobs } from '../virtio/job.ts';
import { initRequests } from './request.ts';
import { applyProfile, initProfile } from './profile.ts';

/** Bytes of memory that a card with so many functions needs, `holdBytes` of each for frames that wait. */
export function memoryBytes(functions: u32, windowBytes: u32, holdBytes: u32): u32 {
  const spaces = (functions + IOAS_EXTRA) * IOAS_STRIDE + IOMMU_POOL_BYTES;
  return pageAlign(FUNCTIONS + functions * (FN.STRIDE + holdBytes) + spaces) + windowBytes;
}

function pageAlign(bytes: u32): u32 {
  return (bytes + 0xfff) & ~0xfff;
}

/** Builds the card in zeroed memory whose CONFIG and PARAM are filled; true if memory is large enough. */
export function createCard(): bool {
  const functions = config(CFG.TOTAL_VFS) + 1 + config(CFG.ON_DEMAND_FUNCTIONS);
  const windowBytes = config(CFG.WINDOW_BYTES);
  const holdBytes = config(CFG.RECEIVE_HOLD_BYTES);
  const total = memoryBytes(functions, windowBytes, holdBytes);
  if ((<u64>memory.size()) << 16 < total) return false;
  const ioasBase = FUNCTIONS + functions * FN.STRIDE;
  store<u32>(CTL.MAGIC, ARENA_MAGIC);
  store<u32>(CTL.VERSION, ARENA_VERSION);
  store<u32>(CTL.LAYOUT_HASH, LAYOUT_HASH);
  store<u32>(CTL.CONFIG_HASH, configHash());
  store<u32>(CTL.MEMORY_BYTES, total);
  store<u32>(CTL.FUNCTIONS, functions);
  store<u32>(CTL.IOAS_BASE, ioasBase);
  store<u32>(CTL.WINDOW_BASE, total - windowBytes);
  store<u32>(CTL.WINDOW_BYTES, windowBytes);
  store<u32>(CTL.WIRE_LINK_UP, 1);
  for (let ioas: u32 = 0; ioas < functions + IOAS_EXTRA; ioas++) initAddressSpace(ioas);
  initPool(ioasBase + (functions + IOAS_EXTRA) * IOAS_STRIDE);
  initScheduler();
  initJobs();
  initRequests();
  initOwedReads();
  store<u64>(CTL.RNG, 0x9e3779b97f4a7c15 ^ (<u64>param(P.SEED)));
  initConfigMasks();
  for (let fn: u32 = 0; fn < functions; fn++) initFunction(fn);
  return true;
}

/** Differs where the configuration makes another card for who holds it, so that a snapshot is not put into such a card. */
function configHash(): u32 {
  let hash: u32 = 0x811c9dc5;
  hash = (hash ^ config(CFG.TOTAL_VFS)) * 0x01000193;
  hash = (hash ^ config(CFG.ON_DEMAND_FUNCTIONS)) * 0x01000193;
  hash = (hash ^ config(CFG.WINDOW_BYTES)) * 0x01000193;
  hash = (hash ^ config(CFG.MEMORY_OUTSIDE)) * 0x01000193;
  return (hash ^ config(CFG.RECEIVE_HOLD_BYTES)) * 0x01000193;
}

function initFunction(fn: u32): void {
  const f = functionAt(fn);
  const totalVfs = config(CFG.TOTAL_VFS);
  const kind = fn == 0 ? KIND_PF : fn <= totalVfs ? KIND_VF : KIND_ON_DEMAND;
  const pfRoutingId = config(CFG.PF_ROUTING_ID);
  const vfRoutingId = pfRoutingId + config(CFG.FIRST_VF_OFFSET) + (fn - 1) * config(CFG.VF_STRIDE);
  store<u32>(f, fn, FN.INDEX);
  store<u8>(f, <u8>kind, FN.KIND);
  store<u32>(f, kind == KIND_VF ? vfRoutingId : pfRoutingId, FN.ROUTING_ID);
  store<u32>(f, NONE, FN.PASID);
  store<u8>(f, fn == 0 ? 1 : 0, FN.PRESENT);
  const identity = config(CFG.IDENTITY_DMA) != 0;
  store<u32>(f, identity ? fn : NONE, FN.IOAS);
  if (identity) ioasMap(fn, 0, config(CFG.WINDOW_BYTES), 0, IOMMU_READ | IOMMU_WRITE);
  initProfile(f);
  applyProfile(f);
}
