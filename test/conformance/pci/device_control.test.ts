// SPDX-License-Identifier: Apache-2.0
// Device Control and Device Control 2 on the timed link: PCI Express Base 6.0 §7.5.3.4 (Max_Payload_Size, Extended Tag,
// Max_Read_Request_Size), §7.5.3.16 (Completion Timeout Value and Disable, 10-Bit Tag), §2.2.2, §2.2.6.2, §2.8, §9.3.5 (VFs).
import { describe, expect, it } from 'vitest';

import { enumerate } from '../../../src/device/bus.ts';
import type { NicConfig } from '../../../src/device/config.ts';
import { createNic, type Nic } from '../../../src/device/nic.ts';
import { frame, macOf, packet, STRANGER } from '../ring/support/frames.ts';
import { RawCard } from '../../support/raw_card.ts';
import { generated, linkUse } from '../support/link_probe.ts';
import { TX } from '../../support/registers.ts';

const DEVCTL = 0x5c;
const DEVCTL2 = 0x7c;
const SRIOV_CONTROL = 0x148;
const NUM_VFS = 0x150;
/** Enable No Snoop and Enable Relaxed Ordering, as after power-on. */
const ATTRIBUTES = 0x0810;
const EXTENDED_TAG = 0x0100;
const TEN_BIT_TAG = 0x1000;
const VF_TEN_BIT_TAG = 0x0020;
const VF_ENABLE_AND_MEMORY = 0x0009;
const TIMEOUT_DISABLE = 0x0010;
const INITIATE_FLR = 0x8000;

/** Codes of the payload and read request fields: 128 << n bytes. */
const CODE: Readonly<Record<number, number>> = { 128: 0, 256: 1, 512: 2, 1024: 3, 2048: 4, 4096: 5 };
const payload = (bytes: number): number => CODE[bytes]! << 5;
const request = (bytes: number): number => CODE[bytes]! << 12;

function card(config: NicConfig = {}): Nic {
  const nic = createNic({ mode: 'timed', totalVfs: 1, traceBytes: 16 << 20, ...config });
  enumerate(nic);
  return nic;
}

const GEN5: NicConfig = { profileName: 'asic-gen5x16-1ghz' };

describe('Max_Payload_Size and Max_Read_Request_Size', () => {
  // a memory write carries MPS bytes at most, a read asks for MRRS at most: 1,512 = 11 * 128 + 104 = 5 * 256 + 232
  it.each([
    [128, 128, 12, 12],
    [256, 256, 6, 6],
    [128, 512, 12, 3],
    [256, 128, 6, 12],
  ])('%i and %i make %i writes and %i reads of 1,512 bytes', (mps, mrrs, writes, reads) => {
    const nic = card();
    nic.configWrite(0, DEVCTL, 2, ATTRIBUTES | EXTENDED_TAG | payload(mps) | request(mrrs));

    const written = generated(nic, 'write', 1512);
    const read = generated(nic, 'read', 1512);

    expect(written.writes).toHaveLength(writes);
    expect(Math.max(...written.writes)).toBe(mps);
    expect(read.reads).toHaveLength(reads);
    expect(Math.max(...read.reads)).toBe(mrrs);
    expect(read.longestCompletion).toBe(mps > mrrs ? mrrs : mps);
  });

  it('above what the profile has change nothing: the lower of both counts', () => {
    const nic = card(); // link.mps_bytes 256, link.mrrs_bytes 512
    nic.configWrite(0, DEVCTL, 2, ATTRIBUTES | EXTENDED_TAG | payload(4096) | request(4096));

    expect(Math.max(...generated(nic, 'write', 4096).writes)).toBe(256);
    expect(Math.max(...generated(nic, 'read', 4096).reads)).toBe(512);
  });

  it('are 128 and 512 bytes after power-on, until firmware sets them', () => {
    const nic = createNic({ mode: 'timed', totalVfs: 1, traceBytes: 16 << 20, ...GEN5 });

    expect(nic.configRead(0, DEVCTL, 2)).toBe(0x2810);
    expect(Math.max(...generated(nic, 'write', 4096).writes)).toBe(128);
    expect(Math.max(...generated(nic, 'read', 4096).reads)).toBe(512);
  });

  it('are set by enumeration to what the profile has', () => {
    const nic = card(GEN5); // MPS 512, MRRS 4096

    expect(nic.configRead(0, DEVCTL, 2)).toBe(ATTRIBUTES | EXTENDED_TAG | payload(512) | request(4096));
    expect(Math.max(...generated(nic, 'write', 4096).writes)).toBe(512);
    expect(Math.max(...generated(nic, 'read', 4096).reads)).toBe(4096);
  });

  it('of the PF are those of its VFs, whose own fields are reserved', () => {
    const at = new RawCard({ numVfs: 1, queueSize: 16, traceBytes: 1 << 20 });
    const vf = at.fn(1);
    vf.start();
    at.nic.configWrite(1, DEVCTL, 2, payload(256) | request(4096));
    at.nic.configWrite(0, DEVCTL, 2, ATTRIBUTES | payload(128) | request(128));
    const sent = packet(frame(STRANGER, macOf(1), 512));
    const ring = vf.ring(TX);
    ring.offer(ring.chain([{ addr: vf.place(sent, 4096), len: sent.length }]));

    const { reads } = linkUse(at.nic, () => {
      vf.notify(TX);
      at.settle();
    });

    expect(at.nic.configRead(1, DEVCTL, 2)).toBe(0);
    expect(Math.max(...reads)).toBe(128);
    expect(at.wire).toHaveLength(1);
  });

  it('take effect with a write of the byte that holds them', () => {
    const nic = card();

    nic.configWrite(0, DEVCTL, 1, 0x10); // payload 128
    expect(Math.max(...generated(nic, 'write', 512).writes)).toBe(128);
    nic.configWrite(0, DEVCTL + 1, 1, 0x08); // reads of 128, no 8-bit tags
    expect(Math.max(...generated(nic, 'read', 512).reads)).toBe(128);
  });
});

describe('tags', () => {
  const highest = (nic: Nic): number => generated(nic, 'read', 64, 1024).highestTag;

  it('are 5 bits without Extended Tag Field Enable', () => {
    const nic = card();
    nic.configWrite(0, DEVCTL, 2, ATTRIBUTES | payload(256) | request(512));

    expect(highest(nic)).toBe(31);
  });

  it('are 8 bits with it, as enumeration leaves a card of 256 tags', () => {
    expect(highest(card({ profile: { 'credit.host_nph': 0 } }))).toBe(255);
  });

  it('are those of the profile where it has fewer', () => {
    expect(highest(card({ profile: { 'link.tags': 100, 'credit.host_nph': 0 } }))).toBe(99);
  });

  it('are 5 bits, and Extended Tag Field Enable hardwired to 0, on a card of 32 tags', () => {
    const nic = card({ profile: { 'link.tags': 32, 'credit.host_nph': 0 } });
    nic.configWrite(0, DEVCTL, 2, ATTRIBUTES | EXTENDED_TAG);

    expect(nic.configRead(0, DEVCTL - 4, 4) & 0x20).toBe(0);
    expect(nic.configRead(0, DEVCTL, 2)).toBe(ATTRIBUTES);
    expect(highest(nic)).toBe(31);
  });

  it('are 10 bits with 10-Bit Tag Requester Enable, 8 bits without', () => {
    const nic = card({ ...GEN5, profile: { 'credit.host_nph': 0 } });

    expect(nic.configRead(0, DEVCTL2, 2)).toBe(TEN_BIT_TAG);
    expect(highest(nic)).toBe(767);
    nic.configWrite(0, DEVCTL2, 2, 0);
    expect(highest(nic)).toBe(255);
    nic.configWrite(0, DEVCTL2, 2, TEN_BIT_TAG);
    expect(highest(nic)).toBe(767);
  });

  // "If Clear, VFs must not use 10-Bit Tags" (§9.3.3.3): one allocator serves the PF and its VFs
  it('are 8 bits while there are VFs without VF 10-Bit Tag Requester Enable', () => {
    const nic = card({ ...GEN5, profile: { 'credit.host_nph': 0 } });
    expect(nic.configRead(0, SRIOV_CONTROL, 2)).toBe(VF_TEN_BIT_TAG);
    nic.configWrite(0, NUM_VFS, 2, 1);

    nic.configWrite(0, SRIOV_CONTROL, 2, VF_ENABLE_AND_MEMORY);
    expect(highest(nic)).toBe(255);
    nic.configWrite(0, SRIOV_CONTROL, 2, 0);
    nic.configWrite(0, SRIOV_CONTROL, 2, VF_ENABLE_AND_MEMORY | VF_TEN_BIT_TAG);
    expect(highest(nic)).toBe(767);
  });

  // 40 VFs look at their queues at a time, and memory takes its time
  it('that are in use when there are to be fewer come back, and are not given out again', () => {
    const at = new RawCard({
      numVfs: 40,
      queueSize: 16,
      traceBytes: 1 << 20,
      profile: { 'host.read_latency_ns': 90_000 },
    });
    const vfs = Array.from({ length: 40 }, (_, vf) => at.fn(vf + 1, 16_384));
    for (const vf of vfs) vf.start();
    const all = (work = (): void => {}): number =>
      linkUse(at.nic, () => {
        for (const vf of vfs) vf.notify(TX);
        work();
        at.settle();
      }).highestTag;

    const before = all(() => {
      at.nic.advance(at.nic.now() + 1000);
      at.nic.configWrite(0, DEVCTL, 2, ATTRIBUTES);
    });

    expect(before).toBe(39);
    expect(all()).toBe(31);
    at.nic.configWrite(0, DEVCTL, 2, ATTRIBUTES | EXTENDED_TAG);
    expect(all()).toBe(39);
  });
});

describe('the completion time-out', () => {
  /** A card whose PF runs and waits for the read of its index, which is lost; the cycle of the doorbell. */
  function losing(control2: number, profile: Record<string, number> = {}): { at: RawCard; since: number } {
    const at = new RawCard({ queueSize: 16, profile });
    at.fn(0).start();
    at.nic.configWrite(0, DEVCTL2, 2, control2);
    at.settle();
    const since = at.nic.now();
    at.nic.injectReadFault('lost');
    at.fn(0).notify(TX);
    return { at, since };
  }
  const microseconds = ({ at, since }: { at: RawCard; since: number }): number =>
    ((at.messages.at(-1)!.timeCycles - since) * at.nic.profile.clockPs) / 1e6;

  // Completion Timeout Value: shortest and longest time of each range in microseconds; the profile's time in parentheses
  it.each([
    ['0000', 0b0000, 10_000, [10_000, 10_001]], // default range: the profile's
    ['0001', 0b0001, 10_000, [50, 101]],
    ['0001', 0b0001, 1, [50, 101]],
    ['0010', 0b0010, 100, [1000, 10_001]],
    ['0101', 0b0101, 10_000, [16_000, 55_001]],
    ['0110', 0b0110, 10_000, [65_000, 210_001]],
    ['1001', 0b1001, 10_000, [260_000, 900_001]],
    ['1010', 0b1010, 10_000, [1_000_000, 3_500_001]],
    ['1101', 0b1101, 10_000, [4_000_000, 13_000_001]],
    ['1110', 0b1110, 10_000, [17_000_000, 64_000_001]],
  ] as const)(
    'of Value %s lies in its range, link.completion_timeout_ns being %3$i us',
    (_bits, value, own, [least, most]) => {
      const lost = losing(value, { 'link.completion_timeout_ns': own * 1000 });

      lost.at.settle();

      expect(lost.at.fn(0).needsReset).toBe(true);
      expect(microseconds(lost)).toBeGreaterThanOrEqual(least);
      expect(microseconds(lost)).toBeLessThanOrEqual(most);
    },
  );

  it('does not come while it is disabled: the request stays pending', () => {
    const { at } = losing(TIMEOUT_DISABLE);

    at.nic.advance(at.nic.now() + 250_000_000); // a second

    expect(at.fn(0).needsReset).toBe(false);
    expect(at.nic.counters()['completion_timeouts']).toBe(0);
    expect(at.nic.configRead(0, 0x5e, 2) & 0x20).toBe(0x20);
  });

  it('comes once it is enabled again', () => {
    const { at } = losing(TIMEOUT_DISABLE);
    at.nic.advance(at.nic.now() + 25_000_000);

    at.nic.configWrite(0, DEVCTL2, 2, 0);
    at.settle();

    expect(at.fn(0).needsReset).toBe(true);
    expect(at.nic.counters()['completion_timeouts']).toBe(1);
    expect(at.nic.configRead(0, 0x5e, 2) & 0x20).toBe(0);
  });

  it('is enabled by a function level reset, after which nothing is pending', () => {
    const { at } = losing(TIMEOUT_DISABLE);
    at.settle();

    at.nic.configWrite(0, DEVCTL, 2, INITIATE_FLR);

    expect(at.nic.configRead(0, DEVCTL2, 2)).toBe(0);
    expect(at.nic.configRead(0, 0x5e, 2) & 0x20).toBe(0);
  });

  it('that was disabled gives back the tag of a VF that is reset', () => {
    const at = new RawCard({ queueSize: 16, numVfs: 1, profile: { 'link.tags': 1 } });
    at.fn(1).start();
    at.nic.configWrite(0, DEVCTL2, 2, TIMEOUT_DISABLE);
    at.nic.injectReadFault('lost');
    at.fn(1).notify(TX);
    at.settle();

    at.nic.configWrite(1, DEVCTL, 2, INITIATE_FLR);
    at.fn(0).start();
    at.fn(0).notify(TX); // the only tag is free for the PF
    at.settle();

    expect(at.nic.counters()['dma_read_requests']).toBe(2);
    expect(at.fn(0).needsReset).toBe(false);
  });
});
