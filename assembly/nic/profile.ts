// SPDX-License-Identifier: Apache-2.0
// What a function is provisioned as: its profile lies in FN.PROFILE, where the host may write it while the function is
// not there. When the function comes into being the profile becomes what its driver sees; from then on it stays.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as PROFILE from '../abi/profile.ts';
import * as Q from '../abi/queue.ts';
import * as DMA from '../abi/dma_context.ts';
import {
  KIND_PF,
  KIND_VF,
  PROFILE_LEGACY,
  PROFILE_SPOOF_CHECK,
  PROFILE_TRUST,
  TX_RULE_SOURCE,
  TX_RULE_UNTAGGED,
} from '../abi/state_value.ts';
import * as CFG from '../abi/nic_config.ts';
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
import { netFeatures } from '../net/features.ts';
import { applyDeviceEffects } from './device_effects.ts';

/** The profile that the configuration of the card gives a function. */
export function initProfile(f: usize): void {
  const isPf = load<u8>(f, FN.KIND) == KIND_PF;
  const profile = f + FN.PROFILE;
  store<u32>(profile, 0xffffffff, PROFILE.FEATURES);
  store<u32>(profile, 0xffffffff, PROFILE.FEATURES + 4);
  store<u16>(profile, <u16>config(CFG.MTU), PROFILE.MTU);
  store<u16>(profile, <u16>config(CFG.QUEUE_SIZE), PROFILE.QUEUE_SIZE);
  store<u8>(profile, <u8>config(isPf ? CFG.PF_PAIRS : CFG.VF_PAIRS), PROFILE.PAIRS);
  store<u8>(profile, <u8>defaultVectors(load<u8>(f, FN.KIND)), PROFILE.VECTORS);
  store<u8>(profile, VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_MEM, PROFILE.NOTIFY);
  store<u8>(profile, PROFILE_LEGACY | PROFILE_TRUST, PROFILE.FLAGS);
}

/** VFs begin with equal shares of a pool that is too small for all. */
function defaultVectors(kind: u8): u32 {
  if (kind == KIND_PF) return config(CFG.PF_VECTORS);
  const vectors = config(CFG.VF_VECTORS);
  return kind == KIND_VF ? min(vectors, config(CFG.VF_VECTOR_POOL) / config(CFG.TOTAL_VFS)) : vectors;
}

/** Puts the profile into effect; the function is as after power-on. */
export function applyProfile(f: usize): void {
  const profile = f + FN.PROFILE;
  const pairs = <u32>load<u8>(profile, PROFILE.PAIRS);
  const vlan = load<u16>(profile, PROFILE.VLAN);
  const flags = load<u8>(profile, PROFILE.FLAGS);
  store<u8>(f, 0, FN.PROFILE_NEW);
  store<u32>(f, pairs, FN.PAIRS);
  store<u32>(f, (pairs << 1) + 1, FN.QUEUE_COUNT);
  store<u32>(f, load<u8>(profile, PROFILE.VECTORS), FN.VECTORS);
  store<u32>(f, isFunctional() ? 0 : load<u32>(profile, PROFILE.RATE), FN.RATE);
  store<u64>(f, 0, FN.RATE_TIME);
  const hadVlan: u32 = load<u16>(f, FN.VLAN) != 0 ? 1 : 0;
  store<u16>(f, vlan, FN.VLAN);
  store<u32>(CTL.VLAN_PORTS, load<u32>(CTL.VLAN_PORTS) - hadVlan + (vlan != 0 ? 1 : 0));
  const source = (flags & PROFILE_SPOOF_CHECK) != 0 ? TX_RULE_SOURCE : 0;
  store<u8>(f, <u8>(source | (vlan != 0 ? TX_RULE_UNTAGGED : 0)), FN.TX_RULES);
  initOfferedFeatures(f, netFeatures(f));
  const queues = load<u32>(f, FN.QUEUE_COUNT);
  for (let i: u32 = 0; i <= queues; i++) {
    const q = queueAt(f, i);
    store<u32>(q, <u32>f, Q.CONTEXT + DMA.FN);
    store<u32>(q, i, Q.INDEX);
    const isAdmin = i == load<u32>(f, FN.ADMIN_QUEUE);
    const size = isAdmin ? config(CFG.ADMIN_QUEUE_SIZE) : load<u16>(profile, PROFILE.QUEUE_SIZE);
    store<u16>(q, <u16>size, Q.MAX_SIZE);
  }
  const resets = f + FN.COUNTER + (FC_RESETS << 3);
  const before = load<u64>(resets);
  writeConfigImage(f);
  resetMsix(f);
  applyDeviceEffects(f, resetDevice(f));
  store<u64>(resets, before); // no driver had a part in it
}

/** Gives a VF that no driver uses the number of vectors in its profile; the rest of it stays. */
export function applyVectors(f: usize): void {
  const vectors = load<u8>(f, FN.PROFILE + PROFILE.VECTORS);
  store<u32>(f, vectors, FN.VECTORS);
  resetMsix(f);
  showVectors(f + FN.CONFIG + CAP_MSIX, vectors);
}
