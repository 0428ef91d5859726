// SPDX-License-Identifier: Apache-2.0
// Creation: lays the arena out by the configuration, numbers the functions, puts everything into its power-on state.
import {
  ARENA_MAGIC,
  ARENA_VERSION,
  CTL_FUNCTIONS,
  CTL_IOAS_BASE,
  CTL_LAYOUT_HASH,
  CTL_MAGIC,
  CTL_MEMORY_BYTES,
  CTL_RNG,
  CTL_VERSION,
  CTL_WINDOW_BASE,
  CTL_WINDOW_BYTES,
  CTL_WIRE_LINK_UP,
  FN_COUNTER,
  FN_STRIDE,
  FUNCTIONS,
  IOAS_EXTRA,
  IOAS_STRIDE,
  IOMMU_POOL_BYTES,
  IOMMU_READ,
  IOMMU_WRITE,
  JOB_STRIDE,
  NONE,
  QUEUE_STRIDE,
} from '../abi/state_map.ts';
import {
  FN_INDEX,
  FN_IOAS,
  FN_PAIRS,
  FN_PRESENT,
  FN_QUEUE_COUNT,
  FN_ROUTING_ID,
  FN_VECTORS,
  Q_CONTEXT,
  Q_INDEX,
  Q_MAX_SIZE,
  DMA_FN,
  FN_ADMIN_QUEUE,
} from '../abi/function_state.ts';
import {
  CFG_ADMIN_QUEUE_SIZE,
  CFG_FIRST_VF_OFFSET,
  CFG_IDENTITY_DMA,
  CFG_PF_PAIRS,
  CFG_PF_ROUTING_ID,
  CFG_PF_VECTORS,
  CFG_QUEUE_SIZE,
  CFG_TOTAL_VFS,
  CFG_VF_PAIRS,
  CFG_VF_STRIDE,
  CFG_VF_VECTORS,
  CFG_WINDOW_BYTES,
} from '../abi/nic_config.ts';
import { FC_RESETS } from '../abi/counter.ts';
import { P_SEED } from '../abi/timing_param.ts';
import { config, functionAt, param } from '../mem/arena.ts';
import { initConfigMasks, resetConfigImage } from '../pci/config_image.ts';
import { resetMsix } from '../pci/msix.ts';
import { initAddressSpace, ioasMap } from '../pcie/address_space.ts';
import { initPool } from '../pcie/pool.ts';
import { initTags } from '../pcie/requests.ts';
import { initScheduler } from '../sim/scheduler.ts';
import { initOfferedFeatures } from '../virtio/features.ts';
import { resetDevice } from '../virtio/device_status.ts';
import { initJobs } from '../virtio/job.ts';
import { queueAt } from '../virtio/queue.ts';

/** Bytes of memory that a card of this configuration needs. */
export function memoryBytes(totalVfs: u32, windowBytes: u32): u32 {
  const functions = totalVfs + 1;
  const spaces = (functions + IOAS_EXTRA) * IOAS_STRIDE + IOMMU_POOL_BYTES;
  return pageAlign(FUNCTIONS + functions * FN_STRIDE + spaces) + windowBytes;
}

function pageAlign(bytes: u32): u32 {
  return (bytes + 0xfff) & ~0xfff;
}

/** Builds the card in zeroed memory whose CONFIG and PARAM are filled; true if memory is large enough. */
export function createCard(): bool {
  const functions = config(CFG_TOTAL_VFS) + 1;
  const windowBytes = config(CFG_WINDOW_BYTES);
  const total = memoryBytes(functions - 1, windowBytes);
  if ((<u64>memory.size()) << 16 < total) return false;
  const ioasBase = FUNCTIONS + functions * FN_STRIDE;
  store<u32>(CTL_MAGIC, ARENA_MAGIC);
  store<u32>(CTL_VERSION, ARENA_VERSION);
  store<u32>(CTL_LAYOUT_HASH, layoutHash());
  store<u32>(CTL_MEMORY_BYTES, total);
  store<u32>(CTL_FUNCTIONS, functions);
  store<u32>(CTL_IOAS_BASE, ioasBase);
  store<u32>(CTL_WINDOW_BASE, total - windowBytes);
  store<u32>(CTL_WINDOW_BYTES, windowBytes);
  store<u32>(CTL_WIRE_LINK_UP, 1);
  for (let ioas: u32 = 0; ioas < functions + IOAS_EXTRA; ioas++) initAddressSpace(ioas);
  initPool(ioasBase + (functions + IOAS_EXTRA) * IOAS_STRIDE);
  initScheduler();
  initJobs();
  initTags();
  store<u64>(CTL_RNG, 0x9e3779b97f4a7c15 ^ (<u64>param(P_SEED)));
  initConfigMasks();
  for (let fn: u32 = 0; fn < functions; fn++) createFunction(fn);
  return true;
}

/** Differs whenever the layout of the arena differs, so that a snapshot cannot be taken for one of another layout. */
function layoutHash(): u32 {
  let hash: u32 = 0x811c9dc5;
  hash = (hash ^ FUNCTIONS) * 0x01000193;
  hash = (hash ^ FN_STRIDE) * 0x01000193;
  hash = (hash ^ QUEUE_STRIDE) * 0x01000193;
  hash = (hash ^ JOB_STRIDE) * 0x01000193;
  hash = (hash ^ config(CFG_TOTAL_VFS)) * 0x01000193;
  return (hash ^ config(CFG_WINDOW_BYTES)) * 0x01000193;
}

function createFunction(fn: u32): void {
  const f = functionAt(fn);
  const isPf = fn == 0;
  const pairs = config(isPf ? CFG_PF_PAIRS : CFG_VF_PAIRS);
  const pfRoutingId = config(CFG_PF_ROUTING_ID);
  store<u32>(f, fn, FN_INDEX);
  store<u32>(
    f,
    isPf ? pfRoutingId : pfRoutingId + config(CFG_FIRST_VF_OFFSET) + (fn - 1) * config(CFG_VF_STRIDE),
    FN_ROUTING_ID,
  );
  store<u32>(f, pairs, FN_PAIRS);
  store<u32>(f, (pairs << 1) + 1, FN_QUEUE_COUNT);
  store<u32>(f, config(isPf ? CFG_PF_VECTORS : CFG_VF_VECTORS), FN_VECTORS);
  store<u8>(f, isPf ? 1 : 0, FN_PRESENT);
  const identity = config(CFG_IDENTITY_DMA) != 0;
  store<u32>(f, identity ? fn : NONE, FN_IOAS);
  if (identity) ioasMap(fn, 0, config(CFG_WINDOW_BYTES), 0, IOMMU_READ | IOMMU_WRITE);
  initOfferedFeatures(f);
  const queues = load<u32>(f, FN_QUEUE_COUNT);
  for (let i: u32 = 0; i <= queues; i++) {
    const q = queueAt(f, i);
    store<u32>(q, <u32>f, Q_CONTEXT + DMA_FN);
    store<u32>(q, i, Q_INDEX);
    const isAdmin = i == load<u32>(f, FN_ADMIN_QUEUE);
    store<u16>(q, <u16>config(isAdmin ? CFG_ADMIN_QUEUE_SIZE : CFG_QUEUE_SIZE), Q_MAX_SIZE);
  }
  resetConfigImage(f);
  resetMsix(f);
  resetDevice(f);
  store<u64>(f + FN_COUNTER, 0, FC_RESETS << 3); // power-on is not a reset
}
