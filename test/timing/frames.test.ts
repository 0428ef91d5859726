// SPDX-License-Identifier: Apache-2.0
// One frame of 64 bytes each way, by default (4 ns a cycle, c = 65/2048 cycles a byte of the link). The wire
// carries 24 bytes more (preamble, FCS, gap): 88 bytes at 25 Gb/s = 28.16 ns = 7.04 cycles; its latency is 10 cycles.
//
//   transmit   doorbell, visit, index, ring, descriptors as for a command   513
//              descriptor 1; read 76 bytes: + 13 + 24 c (528) + 26 + 70, + 96 c (628) + 26   654
//              transmit 2, write-back (here 0)                              656
//              on the wire: + 7.04 (664) + 10                               674
//              a write a cycle: element 32 c (657.02), index 28 c (657.90, seen at 658), + 26 + effect 29: 713;
//              MSI-X 24 c from 658 on (658.76, seen at 659): 714
//   receive    wire 7.04 + 10 (18), switch 50, picked 2                      70
//              index + 137, ring + 137, descriptors + 139: 483; descriptor 1, receive 2   486
//              header and frame (24 + 76) c (489.17), a DLLP due 8 c, element 32 c (490.44), index 28 c (491.33, seen at
//              492), + 55: 547; MSI-X 24 c (492.09, seen at 493): 548
import { describe, expect, it } from 'vitest';

import { macOf } from '../conformance/ring/support/frames.ts';
import { bench, receive, transmit } from './support/bench.ts';

const NO_WRITEBACK = { 'writeback.assemble_ns': 0 };

describe('a frame of 64 bytes', () => {
  it('sent, leaves after 674 cycles, is used after 713 and notified after 714', () => {
    expect(transmit(bench(NO_WRITEBACK))).toEqual({ wire: 674, used: 713, msi: 714 });
  });

  it('received, is used after 547 cycles and notified after 548', () => {
    expect(receive(bench(NO_WRITEBACK))).toEqual({ used: 547, msi: 548 });
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
    ['writeback.assemble_ns', [100, 100, 100]],
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

    expect(wire).toBe(654 + 2 + 2 + 28); // transmit, write-back, 17.6 + 10 rounded up
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
