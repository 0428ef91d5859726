// SPDX-License-Identifier: Apache-2.0
// What a function is provisioned as: its profile lies in FN_PROFILE, where the host may write it while the function is
// not there. When the function comes into being the profile becomes what its driver sees; from then on it stays.
import { CTL_VLAN_PORTS } from '../abi/control.ts';
import {
  FN_ADMIN_QUEUE,
  FN_CONFIG,
  FN_COUNTER,
  FN_KIND,
  FN_PAIRS,
  FN_PROFILE,
  FN_PROFILE_NEW,
  FN_QUEUE_COUNT,
  FN_RATE,
  FN_RATE_TIME,
  FN_TX_RULES,
  FN_VECTORS,
  FN_VLAN,
} from '../abi/function.ts';
import {
  PROFILE_FEATURES,
  PROFILE_FLAGS,
  PROFILE_MTU,
  PROFILE_NOTIFY,
  PROFILE_PAIRS,
  PROFILE_QUEUE_SIZE,
  PROFILE_RATE,
  PROFILE_VECTORS,
  PROFILE_VLAN,
} from '../abi/profile.ts';
import { Q_CONTEXT, Q_INDEX, Q_MAX_SIZE } from '../abi/queue.ts';
import { DMA_FN } from '../abi/dma_context.ts';
import {
  KIND_PF,
  KIND_VF,
  PROFILE_LEGACY,
  PROFILE_SPOOF_CHECK,
  PROFILE_TRUST,
  TX_RULE_SOURCE,
  TX_RULE_UNTAGGED,
} from '../abi/state_value.ts';
import {
  CFG_ADMIN_QUEUE_SIZE,
  CFG_MTU,
  CFG_PF_PAIRS,
  CFG_PF_VECTORS,
  CFG_QUEUE_SIZE,
  CFG_TOTAL_VFS,
  CFG_VF_PAIRS,
  CFG_VF_VECTORS,
  CFG_VF_VECTOR_POOL,
} from '../abi/nic_config.ts';
import { CAP_MSIX } from '../abi/config_layout.ts';
import { FC_RESETS } from '../abi/counter.ts';
import { VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_MEM } from '../abi/virtio_admin.ts';
import { config } from '../mem/arena.ts';
import { showVectors, writeConfigImage } from '../pci/config_image.ts';
import { resetMsix } from '../pci/msix.ts';
import { isFunctional } from '../sim/time.ts';
import { initOfferedFeatures } from '../virtio/features.ts';
import { resetDevice } from '../virtio/device_status.ts';
import { queueAt } from '../virtio/queue.ts';

/** The profile that the configuration of the card gives a function. */
export function initProfile(f: usize): void {
  const isPf = load<u8>(f, FN_KIND) == KIND_PF;
  const profile = f + FN_PROFILE;
  store<u32>(profile, 0xffffffff, PROFILE_FEATURES);
  store<u32>(profile, 0xffffffff, PROFILE_FEATURES + 4);
  store<u16>(profile, <u16>config(CFG_MTU), PROFILE_MTU);
  store<u16>(profile, <u16>config(CFG_QUEUE_SIZE), PROFILE_QUEUE_SIZE);
  store<u8>(profile, <u8>config(isPf ? CFG_PF_PAIRS : CFG_VF_PAIRS), PROFILE_PAIRS);
  store<u8>(profile, <u8>defaultVectors(load<u8>(f, FN_KIND)), PROFILE_VECTORS);
  store<u8>(profile, VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_MEM, PROFILE_NOTIFY);
  store<u8>(profile, PROFILE_LEGACY | PROFILE_TRUST, PROFILE_FLAGS);
}

/** VFs begin with equal shares of a pool that is too small for all. */
function defaultVectors(kind: u8): u32 {
  if (kind == KIND_PF) return config(CFG_PF_VECTORS);
  const vectors = config(CFG_VF_VECTORS);
  return kind == KIND_VF ? min(vectors, config(CFG_VF_VECTOR_POOL) / config(CFG_TOTAL_VFS)) : vectors;
}

/** Puts the profile into effect; the function is as after power-on. */
export function applyProfile(f: usize): void {
  const profile = f + FN_PROFILE;
  const pairs = <u32>load<u8>(profile, PROFILE_PAIRS);
  const vlan = load<u16>(profile, PROFILE_VLAN);
  const flags = load<u8>(profile, PROFILE_FLAGS);
  store<u8>(f, 0, FN_PROFILE_NEW);
  store<u32>(f, pairs, FN_PAIRS);
  store<u32>(f, (pairs << 1) + 1, FN_QUEUE_COUNT);
  store<u32>(f, load<u8>(profile, PROFILE_VECTORS), FN_VECTORS);
  store<u32>(f, isFunctional() ? 0 : load<u32>(profile, PROFILE_RATE), FN_RATE);
  store<u64>(f, 0, FN_RATE_TIME);
  const hadVlan: u32 = load<u16>(f, FN_VLAN) != 0 ? 1 : 0;
  store<u16>(f, vlan, FN_VLAN);
  store<u32>(CTL_VLAN_PORTS, load<u32>(CTL_VLAN_PORTS) - hadVlan + (vlan != 0 ? 1 : 0));
  const source = (flags & PROFILE_SPOOF_CHECK) != 0 ? TX_RULE_SOURCE : 0;
  store<u8>(f, <u8>(source | (vlan != 0 ? TX_RULE_UNTAGGED : 0)), FN_TX_RULES);
  initOfferedFeatures(f);
  const queues = load<u32>(f, FN_QUEUE_COUNT);
  for (let i: u32 = 0; i <= queues; i++) {
    const q = queueAt(f, i);
    store<u32>(q, <u32>f, Q_CONTEXT + DMA_FN);
    store<u32>(q, i, Q_INDEX);
    const isAdmin = i == load<u32>(f, FN_ADMIN_QUEUE);
    const size = isAdmin ? config(CFG_ADMIN_QUEUE_SIZE) : load<u16>(profile, PROFILE_QUEUE_SIZE);
    store<u16>(q, <u16>size, Q_MAX_SIZE);
  }
  const resets = f + FN_COUNTER + (FC_RESETS << 3);
  const before = load<u64>(resets);
  writeConfigImage(f);
  resetMsix(f);
  resetDevice(f);
  store<u64>(resets, before); // no driver had a part in it
}

/** Gives a VF that no driver uses the number of vectors in its profile; the rest of it stays. */
export function applyVectors(f: usize): void {
  const vectors = load<u8>(f, FN_PROFILE + PROFILE_VECTORS);
  store<u32>(f, vectors, FN_VECTORS);
  resetMsix(f);
  showVectors(f + FN_CONFIG + CAP_MSIX, vectors);
}
