// SPDX-License-Identifier: Apache-2.0
// A timing profile to reckon with: 1 GHz and 8 Gb/s make one cycle a ns and one cycle a byte.

/** On the link a read request takes 24 bytes, a completion 20 and its data in dwords, a write 24 and its data, MSI-X 24. */
export const PLAIN_PROFILE = {
  'clock.period_ps': 1000,
  'link.up_latency_ns': 100,
  'link.down_latency_ns': 100,
  'link.generation': 0,
  'link.rate_gbps': 8,
  'host.mmio_ns': 20,
  'host.write_latency_ns': 10,
  'host.read_latency_ns': 50,
  'completer.decode_ns': 40,
  'completer.register_ns': 30,
};
