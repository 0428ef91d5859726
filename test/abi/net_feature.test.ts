// SPDX-License-Identifier: Apache-2.0
// The features of the network device, typed again from virtio 1.4 §5.1.3 and §5.1.3.1.
import { describe, expect, it } from 'vitest';

import {
  NET_FEATURE_BIT,
  NET_FEATURE_FIELDS,
  NET_FEATURE_REQUIRES,
  NET_FEATURES,
} from '../../assembly/abi/net_feature.ts';

const rows = Array.from({ length: NET_FEATURES.length / NET_FEATURE_FIELDS }, (_, row) => {
  const field = (index: number): number => NET_FEATURES[row * NET_FEATURE_FIELDS + index]!;
  return { bit: field(NET_FEATURE_BIT), requires: field(NET_FEATURE_REQUIRES) };
});

describe('features of the network device', () => {
  it('require what §5.1.3.1 says, or nothing but themselves', () => {
    expect(Object.fromEntries(rows.map(({ bit, requires }) => [bit, requires]))).toEqual({
      3: 3, // MTU
      5: 5, // MAC
      15: 15, // MRG_RXBUF
      16: 16, // STATUS
      17: 17, // CTRL_VQ
      18: 17, // CTRL_RX
      22: 17, // MQ
      23: 17, // CTRL_MAC_ADDR
    });
  });

  // they are left out in one pass
  it('stand behind those that they require', () => {
    const placeOf = (wanted: number): number => rows.findIndex(({ bit }) => bit === wanted);

    expect(rows.filter(({ bit, requires }) => placeOf(requires) < 0 || placeOf(requires) > placeOf(bit))).toEqual([]);
  });
});
