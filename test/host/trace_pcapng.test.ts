// SPDX-License-Identifier: Apache-2.0
// Frames as pcapng: blocks typed by hand from draft-ietf-opsawg-pcapng, interfaces, stamps and directions.
import { describe, expect, it } from 'vitest';

import { framePieces } from '../../src/trace/pcapng.ts';
import { traceRecords } from '../../src/trace/records.ts';
import { joined, NOBODY, traceBytes, TRACED_CARD, type TraceFields } from '../support/trace_records.ts';

const FRAME = 10;

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

function blocks(...records: TraceFields[]): string[] {
  const card = { ...TRACED_CARD, functions: 2 };
  return Array.from(framePieces(card, traceRecords([traceBytes(...records)])), (piece) =>
    Buffer.from(piece).toString('hex'),
  );
}

// type, length 44: magic, version 1.0, length unknown; option 4 "virtfn", 2 bytes of padding; end; length
const SECTION = `0a0d0d0a 2c000000 4d3c2b1a 01000000 ffffffff ffffffff 0400 0600 ${hex('virtfn')} 0000 00000000 2c000000`;

describe('framePieces', () => {
  it('begins with a section and an interface for each function and the wire', () => {
    const description = hex('virtio-net function 01:00.0'); // 27 bytes
    const [section, pf, vf1, wire, ...rest] = blocks();

    expect(section).toBe(SECTION.replaceAll(' ', ''));
    // type 1, length: 12 + 8 + (4 + 4) + (4 + 28) + (4 + 4) + 4 = 72; Ethernet; name, description, resolution 9
    expect(pf).toBe(
      `01000000 48000000 01000000 00000000 0200 0200 ${hex('pf')} 0000
      0300 1b00 ${description} 00 0900 0100 09000000 00000000 48000000`.replaceAll(/\s/g, ''),
    );
    expect(vf1).toContain(hex('vf1'));
    expect(vf1).toContain(hex('01:00.1'));
    expect(wire).toContain(hex('wire port'));
    expect(rest).toEqual([]);
  });

  it('writes a frame with its interface, stamp and direction', () => {
    // 2^32 cycles of 4 ns = 17,179,869,184 ns = 4 << 32; vf1's driver sends five bytes
    const frame = blocks({ kind: FRAME, fn: 1, sub: 0, time: 2 ** 32 + 1, a: 5, payload: [1, 2, 3, 4, 5] })[4];

    expect(frame).toBe(
      `06000000 34000000 01000000 04000000 04000000 05000000 05000000 0102030405 000000
      0200 0400 02000000 00000000 34000000`.replaceAll(/\s/g, ''),
    );
  });

  it.each([
    ['a driver sends', 0, 1, 1, 2],
    ['a driver receives', 1, 1, 1, 1],
    ['the port receives', 0, NOBODY, 2, 1],
    ['the port sends', 1, NOBODY, 2, 2],
  ])('calls what %s by its direction on that interface', (_, sub, fn, interfaceId, direction) => {
    const bytes = Buffer.from(blocks({ kind: FRAME, fn, sub, a: 4, payload: [1, 2, 3, 4] })[4]!, 'hex');

    expect(bytes.readUInt32LE(8)).toBe(interfaceId);
    expect(bytes.readUInt32LE(36)).toBe(direction);
  });

  it('keeps the length of a frame whose bytes were not recorded', () => {
    const bytes = Buffer.from(blocks({ kind: FRAME, fn: 0, a: 60 })[4]!, 'hex');

    expect([bytes.readUInt32LE(20), bytes.readUInt32LE(24)]).toEqual([0, 60]);
  });

  it('leaves out all other records', () => {
    expect(blocks({ kind: 1 }, { kind: 9 }, { kind: FRAME, a: 1, payload: [7] })).toHaveLength(5);
  });

  it('is whole blocks of four bytes', () => {
    const file = joined(
      framePieces(TRACED_CARD, traceRecords([traceBytes({ kind: FRAME, a: 3, payload: [1, 2, 3] })])),
    );

    expect(file.length % 4).toBe(0);
  });
});
