// SPDX-License-Identifier: Apache-2.0
// May a device take this set of features? virtio 1.4 §2.2 "Feature Bits", dependencies of §5.1.3.1.
import { FEATURE } from './spec.ts';

/** `yes`: it has to; `no`: it must refuse; `open`: it may do either. */
export type Acceptance = 'yes' | 'no' | 'open';

const bit = (n: number): bigint => 1n << BigInt(n);

/** Feature, and those of which at least one has to come with it. A feature that needs two has two rows. */
const REQUIRES: readonly (readonly [feature: number, anyOf: readonly number[]])[] = [
  [7, [1]], // GUEST_TSO4: GUEST_CSUM
  [8, [1]], // GUEST_TSO6: GUEST_CSUM
  [9, [7, 8]], // GUEST_ECN: GUEST_TSO4 or GUEST_TSO6
  [10, [1]], // GUEST_UFO: GUEST_CSUM
  [11, [0]], // HOST_TSO4: CSUM
  [12, [0]], // HOST_TSO6: CSUM
  [13, [11, 12]], // HOST_ECN: HOST_TSO4 or HOST_TSO6
  [14, [0]], // HOST_UFO: CSUM
  [18, [17]], // CTRL_RX: CTRL_VQ
  [19, [17]], // CTRL_VLAN: CTRL_VQ
  [21, [17]], // GUEST_ANNOUNCE: CTRL_VQ
  [22, [17]], // MQ: CTRL_VQ
  [23, [17]], // CTRL_MAC_ADDR: CTRL_VQ
  [51, [17]], // HASH_TUNNEL: CTRL_VQ, and
  [51, [57, 60]], // RSS or HASH_REPORT
  [52, [17]], // VQ_NOTF_COAL: CTRL_VQ
  [53, [17]], // NOTF_COAL: CTRL_VQ
  [54, [1]], // GUEST_USO4: GUEST_CSUM
  [55, [1]], // GUEST_USO6: GUEST_CSUM
  [56, [0]], // HOST_USO: CSUM
  [60, [17]], // RSS: CTRL_VQ
  [61, [11, 12]], // RSC_EXT: HOST_TSO4 or HOST_TSO6
];

/** Without these, if they are offered, operation MAY stop (§6.2). */
const MAY_INSIST = bit(FEATURE.version1) | bit(FEATURE.accessPlatform) | bit(FEATURE.orderPlatform);

/** What a device that offers `offered` answers to `wanted`. */
export function acceptance(offered: bigint, wanted: bigint): Acceptance {
  if ((wanted & ~offered) !== 0n) return 'no';
  for (const [feature, anyOf] of REQUIRES) {
    if ((wanted & bit(feature)) !== 0n && !anyOf.some((other) => (wanted & bit(other)) !== 0n)) return 'no';
  }
  return (offered & MAY_INSIST & ~wanted) === 0n ? 'yes' : 'open';
}
