// SPDX-License-Identifier: Apache-2.0
// virtio_net_config (virtio 1.4 §5.1.4) as an image, and its writes: read-only for modern drivers; a legacy driver may
// write the six bytes of mac, which take effect at once.
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as PROFILE from '../abi/profile.ts';
import { PROFILE_TRUST } from '../abi/state_value.ts';
import { FC_IGNORED_WRITES } from '../abi/counter.ts';
import * as CFG from '../abi/nic_config.ts';
import {
  VIRTIO_NET_CFG_DUPLEX,
  VIRTIO_NET_CFG_MAC,
  VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS,
  VIRTIO_NET_CFG_MTU,
  VIRTIO_NET_CFG_SIZE,
  VIRTIO_NET_CFG_SPEED,
  VIRTIO_NET_CFG_STATUS,
  VIRTIO_NET_DUPLEX_UNKNOWN,
  VIRTIO_NET_MAC_SIZE,
  VIRTIO_NET_S_LINK_UP,
  VIRTIO_NET_SPEED_UNKNOWN,
} from '../abi/virtio_net.ts';
import { STATUS_DRIVER_OK } from '../abi/device_status.ts';
import { COMMON_DEVICE_STATUS } from '../abi/virtio_pci_common.ts';
import { config, countFn, functionAt, functionCount } from '../mem/arena.ts';
import { countGeneration } from '../virtio/common_cfg.ts';
import { notifyConfig } from '../virtio/interrupt.ts';

const ETHERNET_HEADER = 14;
const MAC_VALID: u64 = 0x1000000000000; // bit 48: an address is there

/** Address of function `fn` from the configuration: the PF's, with the number added to the last three bytes. */
function defaultMac(fn: u32): u64 {
  const base = (<u64>config(CFG.MAC_LO)) | ((<u64>config(CFG.MAC_HI)) << 32);
  const tail =
    (((<u32>(base >> 24)) & 0xff) << 16) | (((<u32>(base >> 32)) & 0xff) << 8) | ((<u32>(base >> 40)) & 0xff);
  const sum = tail + fn;
  return (
    (base & 0xffffff) |
    ((<u64>((sum >> 16) & 0xff)) << 24) |
    ((<u64>((sum >> 8) & 0xff)) << 32) |
    ((<u64>(sum & 0xff)) << 40)
  );
}

/** Device configuration as after power-on. */
export function resetNetConfig(f: usize): void {
  const c = f + FN.DEVICE_CFG;
  const profile = f + FN.PROFILE;
  const mac = load<u64>(profile, PROFILE.MAC);
  const mtu = load<u16>(profile, PROFILE.MTU);
  memory.fill(c, 0, VIRTIO_NET_CFG_SIZE);
  setMac(f, mac != 0 ? mac : defaultMac(load<u32>(f, FN.INDEX)));
  store<u16>(c, load<u32>(CTL.WIRE_LINK_UP) != 0 ? VIRTIO_NET_S_LINK_UP : 0, VIRTIO_NET_CFG_STATUS);
  store<u16>(c, <u16>load<u32>(f, FN.PAIRS), VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS);
  store<u16>(c, mtu, VIRTIO_NET_CFG_MTU);
  store<u32>(c, VIRTIO_NET_SPEED_UNKNOWN, VIRTIO_NET_CFG_SPEED);
  store<u8>(c, VIRTIO_NET_DUPLEX_UNKNOWN, VIRTIO_NET_CFG_DUPLEX);
  store<u32>(f, mtu + ETHERNET_HEADER, FN.MAX_FRAME);
}

/** May its driver set promiscuous mode and the address? */
export function isTrusted(f: usize): bool {
  return (load<u8>(f, FN.PROFILE + PROFILE.FLAGS) & PROFILE_TRUST) != 0;
}

/** Gives the function the address in the low 48 bits of `mac` (first byte lowest). */
export function setMac(f: usize, mac: u64): void {
  const c = f + FN.DEVICE_CFG + VIRTIO_NET_CFG_MAC;
  store<u32>(c, <u32>mac);
  store<u16>(c, <u16>(mac >> 32), 4);
  store<u64>(f, (mac & 0xffffffffffff) | MAC_VALID, FN.MAC);
  countGeneration(f);
  store<u32>(CTL.MAC_DIRTY, 1);
}

/** The wire went up or down: status of every function, with a configuration change notification. */
export function setLink(isUp: bool): void {
  store<u32>(CTL.WIRE_LINK_UP, isUp ? 1 : 0);
  const functions = functionCount();
  for (let fn: u32 = 0; fn < functions; fn++) {
    const f = functionAt(fn);
    const c = f + FN.DEVICE_CFG;
    const status = load<u16>(c, VIRTIO_NET_CFG_STATUS);
    const next = <u16>(isUp ? status | VIRTIO_NET_S_LINK_UP : status & ~VIRTIO_NET_S_LINK_UP);
    if (next == status) continue;
    store<u16>(c, next, VIRTIO_NET_CFG_STATUS);
    countGeneration(f);
    if ((load<u8>(f, FN.COMMON + COMMON_DEVICE_STATUS) & STATUS_DRIVER_OK) != 0) notifyConfig(f);
  }
}

/** True if the access lies inside one field of the structure, as the legacy access commands demand. */
export function isInsideNetField(offset: u32, size: u32): bool {
  if (size == 0 || size > <u32>VIRTIO_NET_CFG_SIZE) return false; // the room of a chain goes up to 4 GiB
  const end = offset + size;
  if (end > <u32>VIRTIO_NET_CFG_SIZE) return false;
  if (offset < <u32>VIRTIO_NET_CFG_STATUS) return end <= <u32>VIRTIO_NET_MAC_SIZE;
  if (offset < <u32>VIRTIO_NET_CFG_SPEED) return end <= (offset & ~1) + 2; // status, pairs, mtu
  if (offset < <u32>VIRTIO_NET_CFG_DUPLEX) return end <= <u32>VIRTIO_NET_CFG_DUPLEX;
  if (offset < 18) return size == 1; // duplex, rss_max_key_size
  if (offset < 20) return end <= 20; // rss_max_indirection_table_length
  return end <= (offset & ~3) + 4; // supported_hash_types, supported_tunnel_types
}

/** A legacy driver's write of bytes at `source`; only mac is writable, and only if the function is trusted. */
export function writeLegacyNetConfig(f: usize, offset: u32, size: u32, source: usize): void {
  if (offset >= <u32>VIRTIO_NET_MAC_SIZE) return;
  if (!isTrusted(f)) {
    countFn(f, FC_IGNORED_WRITES);
    return;
  }
  let mac = load<u64>(f, FN.MAC);
  for (let i: u32 = 0; i < size; i++) {
    const shift = <u64>((offset + i) << 3);
    mac = (mac & ~((<u64>0xff) << shift)) | ((<u64>load<u8>(source + i)) << shift);
  }
  setMac(f, mac);
}
