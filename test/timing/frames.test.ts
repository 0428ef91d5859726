// SPDX-License-Identifier: Apache-2.0
// One frame of 64 bytes each way, in the simple profile (4 ns a cycle, c = 0.03456 cycles a byte of the link). The wire
// carries 24 bytes more (preamble, FCS, gap): 88 bytes at 25 Gb/s = 28.16 ns = 7.04 cycles; its latency is 10 cycles.
//
//   transmit   doorbell, visit, index, ring, descriptors as for a command   516
//              descriptor 1, transmit 2; read 76 bytes: + 13 + 24 c + 55 + 13 (601), + 96 c + 55   660
//              on the wire: + 7.04 + 10                                     678
//              write-back (here 0): element 32 c, index 28 c, + 55          717.07; MSI-X 24 c behind: 717.90
//   receive    wire 7.04 + 10 (18), switch 50                                68
//              index 206, ring 344, descriptors 484; descriptor 1, receive 2   487
//              header and frame (24 + 76) c, element 32 c, index 28 c, + 55   547.53; MSI-X 24 c behind: 548.36
import { describe, expect, it } from 'vitest';

import { macOf } from '../conformance/ring/support/frames.ts';
import { bench, receive, transmit } from './support/bench.ts';

const NO_WRITEBACK = { 'writeback.assemble_ns': 0 };

describe('a frame of 64 bytes', () => {
  it('sent, leaves after 678 cycles and is used and notified after 718', () => {
    expect(transmit(bench(NO_WRITEBACK))).toEqual({ wire: 678, used: 718, msi: 718 });
  });

  it('received, is used after 548 cycles and notified after 549', () => {
    expect(receive(bench(NO_WRITEBACK))).toEqual({ used: 548, msi: 549 });
  });
});

describe('a parameter of the profile', () => {
  // 400 ns more, on the frame's way out, its used index and its MSI-X message
  it.each([
    ['link.up_latency_ns', [400, 500, 500]],
    ['link.down_latency_ns', [500, 500, 500]],
    ['host.read_latency_ns', [400, 400, 400]],
    ['dma.setup_ns', [400, 400, 400]],
    ['completer.decode_ns', [100, 100, 100]],
    ['doorbell.decode_ns', [100, 100, 100]],
    ['scheduler.pick_ns', [100, 100, 100]],
    ['descriptor.decode_ns', [100, 100, 100]],
    ['net.transmit_ns', [100, 100, 100]],
    ['writeback.assemble_ns', [0, 100, 100]],
    ['wire.latency_ns', [100, 0, 0]],
    ['net.receive_ns', [0, 0, 0]],
    ['net.control_ns', [0, 0, 0]],
    ['admin.decode_ns', [0, 0, 0]],
    ['completer.register_ns', [0, 0, 0]],
  ])('%s delays a transmitted frame by %o', (name, expected) => {
    const value = bench().card.nic.profile.values.get(name)!;
    const plain = transmit(bench());

    const changed = transmit(bench({ [name]: value + 400 }));

    expect([changed.wire - plain.wire, changed.used - plain.used, changed.msi - plain.msi]).toEqual(expected);
  });

  it.each([
    ['link.up_latency_ns', [400, 400]],
    ['link.down_latency_ns', [300, 300]],
    ['host.read_latency_ns', [300, 300]],
    ['dma.setup_ns', [300, 300]],
    ['descriptor.decode_ns', [100, 100]],
    ['net.receive_ns', [100, 100]],
    ['switch.latency_ns', [100, 100]],
    ['writeback.assemble_ns', [100, 100]],
    ['wire.latency_ns', [100, 100]],
    ['net.transmit_ns', [0, 0]],
    ['doorbell.decode_ns', [0, 0]],
  ])('%s delays a received frame by %o', (name, expected) => {
    const value = bench().card.nic.profile.values.get(name)!;
    const plain = receive(bench());

    const changed = receive(bench({ [name]: value + 400 }));

    expect([changed.used - plain.used, changed.msi - plain.msi]).toEqual(expected);
  });

  // 64 bytes + 24 at 10 Gb/s: 70.4 ns = 17.6 cycles in place of 7.04
  it('wire.rate_gbps sets the time on the wire', () => {
    const { wire } = transmit(bench({ 'wire.rate_gbps': 10 }));

    expect(wire).toBe(660 + 28); // 17.6 + 10, rounded up
  });
});

describe('a frame between functions', () => {
  it('does not touch the wire', () => {
    const at = bench();
    at.card.fn(1).start();

    transmit(at, macOf(1));

    expect(at.card.wire).toEqual([]);
  });
});
