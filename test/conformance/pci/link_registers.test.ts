// SPDX-License-Identifier: Apache-2.0
// What the PCI Express capability shows of the link of a profile: PCI Express Base 6.0 §7.5.3.3 (Device Capabilities),
// §7.5.3.6 to 8 (Link), §7.5.3.15, §7.5.3.18 to 20 (second set), §9.3.5 (VFs). Codes: payload 128 << n, speed = generation,
// supported speeds: bit n for generation n.
import { describe, expect, it } from 'vitest';

import type { NicConfig } from '../../../src/device/config.ts';
import { Card } from '../support/card.ts';
import { eachMode } from '../support/modes.ts';

const DEVCAP = 0x58;
const LNKCAP = 0x60;
const LNKCTL = 0x64;
const LNKSTA = 0x66;
const DEVCAP2 = 0x78;
const LNKCAP2 = 0x80;
const LNKCTL2 = 0x84;
const SRIOV_CAP = 0x144;

/** Bit 22, ASPM Optionality Compliance, is set in every function. */
const ASPM_OPTIONALITY = 1 << 22;

eachMode((mode) => {
  const show = (config: NicConfig): ((at: number, size: 1 | 2 | 4) => number) =>
    new Card({ mode, ...config }).direct(0).configRead;

  it.each([
    [1, 1, 0x011, 0x02],
    [2, 4, 0x042, 0x06],
    [3, 8, 0x083, 0x0e],
    [4, 8, 0x084, 0x1e],
    [5, 16, 0x105, 0x3e],
    [6, 16, 0x106, 0x7e],
  ])('generation %i with %i lanes stands in the Link registers', (generation, lanes, link, speeds) => {
    const read = show({ profile: { 'link.generation': generation, 'link.lanes': lanes } });

    expect(read(LNKCAP, 4)).toBe(link | ASPM_OPTIONALITY);
    expect(read(LNKSTA, 2)).toBe(link);
    expect(read(LNKCAP2, 4)).toBe(speeds);
    expect(read(LNKCTL2, 2)).toBe(generation);
  });

  it('the profile asic-gen5x16-1ghz shows 32 GT/s on 16 lanes', () => {
    const read = show({ profileName: 'asic-gen5x16-1ghz' });

    expect(read(LNKCAP, 4) & 0x3ff).toBe(0x105);
    expect(read(LNKSTA, 2)).toBe(0x105);
    expect(read(LNKCAP2, 4)).toBe(0x3e);
    expect(read(LNKCTL2, 2)).toBe(5);
  });

  it('a wire that is no PCIe shows 8 GT/s', () => {
    expect(show({ profileName: 'simple' })(LNKCAP, 4) & 0x3ff).toBe(0x083);
  });

  it.each([
    [128, 0],
    [256, 1],
    [512, 2],
    [1024, 3],
    [2048, 4],
    [4096, 5],
  ])('Max_Payload_Size Supported of %i bytes is %i', (bytes, code) => {
    const read = show({ profile: { 'link.mps_bytes': bytes, 'link.completion_bytes': 128 } });

    expect(read(DEVCAP, 4) & 7).toBe(code);
  });

  // Extended Tag Field Supported; 10-Bit Tag Completer and Requester Supported, the former of all that run at 16 GT/s
  it.each([
    [32, 3, 0, 0, 0],
    [33, 3, 0x20, 0, 0],
    [256, 3, 0x20, 0, 0],
    [256, 4, 0x20, 0x10000, 0],
    [257, 3, 0x20, 0x30000, 0x4],
    [768, 5, 0x20, 0x30000, 0x4],
  ])(
    '%i tags of generation %i show tag bits 0x%x, 0x%x, and 0x%x of VFs',
    (tags, generation, extended, wide, ofVfs) => {
      const read = show({ profile: { 'link.tags': tags, 'link.generation': generation } });

      expect(read(DEVCAP, 4) & 0x20).toBe(extended);
      expect(read(DEVCAP2, 4) & 0x30000).toBe(wide);
      expect(read(SRIOV_CAP, 4) & 0x4).toBe(ofVfs);
    },
  );

  it('completion time-outs have all four ranges, and can be disabled, as an endpoint has to', () => {
    expect(show({})(DEVCAP2, 4) & 0x1f).toBe(0x1f);
  });

  it.each([
    [64, 0x0000],
    [128, 0x0008],
  ])('Read Completion Boundary of a root port with %i bytes is told to the card: 0x%x', (bytes, control) => {
    expect(show({ profile: { 'link.rcb_bytes': bytes } })(LNKCTL, 2)).toBe(control);
  });

  it('role-based error reporting and function level reset are there, phantom functions and slot power not', () => {
    expect(show({})(DEVCAP, 4) & 0x1fffffd8).toBe(0x10008000);
  });

  describe('of a VF', () => {
    const vf = (config: NicConfig): ((at: number, size: 1 | 2 | 4) => number) =>
      new Card({ mode, ...config }).enableVfs(1).direct(1).configRead;

    it('the capabilities are those of the PF, status and control of the link reserved', () => {
      const read = vf({ profileName: 'asic-gen5x16-1ghz' });

      expect(read(DEVCAP, 4)).toBe(0x10008022);
      expect(read(LNKCAP, 4)).toBe(0x105 | ASPM_OPTIONALITY);
      expect(read(LNKCAP2, 4)).toBe(0x3e);
      expect(read(DEVCAP2, 4)).toBe(0x1001f); // the requester's bit is in the SR-IOV capability
      for (const at of [LNKCTL, LNKSTA, LNKCTL2, LNKCTL2 + 2, DEVCAP2 + 4]) expect(read(at, 2)).toBe(0);
    });
  });
});
