// SPDX-License-Identifier: Apache-2.0
// Sets of feature bits as drivers keep them: four 32-bit words, bit n in word n >> 5 (virtio 1.4 §2.2).
import { FEATURE_WORDS } from '../../assembly/abi/virtio_features.ts';
import { listOfWhole } from '../util/options.ts';

/** An option that lists bits. */
export const FEATURE_BITS = listOfWhole(0, 32 * FEATURE_WORDS - 1);

/** Feature bits 0..127. */
export type FeatureSet = Uint32Array;

export function featureSet(bits: readonly number[] = []): FeatureSet {
  const set = new Uint32Array(FEATURE_WORDS);
  for (const bit of bits) addFeature(set, bit);
  return set;
}

export function hasFeature(set: FeatureSet, bit: number): boolean {
  return ((set[bit >>> 5]! >>> (bit & 31)) & 1) === 1;
}

export function addFeature(set: FeatureSet, bit: number): void {
  set[bit >>> 5]! |= 1 << (bit & 31);
}

export function removeFeature(set: FeatureSet, bit: number): void {
  set[bit >>> 5]! &= ~(1 << (bit & 31));
}

/** What is in both. */
export function intersectFeatures(a: FeatureSet, b: FeatureSet): FeatureSet {
  return a.map((word, i) => word & b[i]!);
}
