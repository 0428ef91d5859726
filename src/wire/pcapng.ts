// SPDX-License-Identifier: Apache-2.0
// Captures in the pcapng format (draft-ietf-opsawg-pcapng): any number of sections, each with its byte order, and of
// interfaces, each with its link type, resolution and offset of time. Blocks that hold no packet are passed over.
//
//   enhanced packet | interface 4 | time high 4 | time low 4 | captured length 4 | original length 4 | frame ... | options
//   packet          | interface 2 | drops 2 | and so on as above                                     (obsolete)
//   simple packet   | original length 4 | frame ...                                        of the first interface, no time
import {
  BYTE_ORDER_MAGIC,
  ENHANCED_PACKET,
  EPB_FLAGS,
  IF_TSRESOL,
  INTERFACE_DESCRIPTION,
  LINKTYPE_ETHERNET,
  OPT_ENDOFOPT,
  PCAPNG_MAJOR,
  SECTION_HEADER,
} from '../util/pcapng_layout.ts';
import type { ByteReader } from './byte_reader.ts';
import {
  CaptureDamage,
  frameBytes,
  hex,
  refuseCapture,
  type FrameReader,
  type PcapFrame,
  type SkipHandler,
} from './frame_reader.ts';

const PACKET = 2;
const SIMPLE_PACKET = 3;
const IF_FCSLEN = 13;
const IF_TSOFFSET = 14;

const BLOCK_HEADER_BYTES = 8;
const BLOCK_FEWEST_BYTES = 12;
/** As libpcap; what is longer is no block but damage. */
const BLOCK_MOST_BYTES = 16 << 20;
const FEWEST_BODY_BYTES: ReadonlyMap<number, number> = new Map([
  [SECTION_HEADER, 16],
  [INTERFACE_DESCRIPTION, 8],
  [PACKET, 20],
  [SIMPLE_PACKET, 4],
  [ENHANCED_PACKET, 20],
]);
/** The obsolete block numbers interfaces with 16 bits. */
const MOST_INTERFACES = 0x10000;

const NANOSECONDS_PER_SECOND = 1_000_000_000n;
const MICROSECONDS_PER_SECOND = 1_000_000n;
/** Resolutions whose unit fits in 64 bits: 10^-19, 2^-63. */
const FINEST_DECIMAL = 19;
const FINEST_BINARY = 63;
const BINARY = 0x80;

const FLAGS_FCS_SHIFT = 5;
const FLAGS_FCS_MASK = 0xf;

interface Interface {
  readonly linkType: number;
  /** 0: no limit. */
  readonly snapshotLength: number;
  readonly fcsBytes: number;
  readonly unitsPerSecond: bigint;
  readonly offsetSeconds: number;
}

interface Block {
  readonly type: number;
  readonly view: DataView;
  /** Where the body begins and ends in the bytes at hand, and where the block begins in the file. */
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

/** Frames of a pcapng capture. */
export class PcapngReader implements FrameReader {
  private readonly input: ByteReader;
  private readonly name: string;
  private readonly onSkip: SkipHandler;
  private littleEndian = true;
  private interfaces: Interface[] = [];
  private packets = 0;

  constructor(input: ByteReader, name: string, onSkip: SkipHandler) {
    this.input = input;
    this.name = name;
    this.onSkip = onSkip;
  }

  /** Is this the beginning of a pcapng file? Four bytes must be there. */
  static canRead({ view, at }: ByteReader): boolean {
    return view.getUint32(at) === SECTION_HEADER;
  }

  next(): PcapFrame | null | undefined {
    for (;;) {
      const block = this.nextBlock();
      if (block === null || block === undefined) return block;
      if (block.type === SECTION_HEADER) this.beginSection(block);
      else if (block.type === INTERFACE_DESCRIPTION) this.addInterface(block);
      else if (block.type === ENHANCED_PACKET || block.type === PACKET || block.type === SIMPLE_PACKET) {
        const frame = this.frameOf(block);
        if (frame !== null) return frame;
      }
    }
  }

  private nextBlock(): Block | null | undefined {
    const { input } = this;
    const { offset } = input;
    const cut = (have: number, of: number): null | undefined => {
      if (!input.hasEnded) return undefined;
      if (have === 0) return null;
      return this.damaged(offset, `the block is cut off after ${have} of ${of} bytes`);
    };

    const have = input.want(BLOCK_FEWEST_BYTES);
    if (have < BLOCK_FEWEST_BYTES) return cut(have, BLOCK_FEWEST_BYTES);
    if (input.view.getUint32(input.at) === SECTION_HEADER) this.readByteOrder(offset);
    const type = input.view.getUint32(input.at, this.littleEndian);
    const length = input.view.getUint32(input.at + 4, this.littleEndian);
    if (length < BLOCK_FEWEST_BYTES || length % 4 !== 0 || length > BLOCK_MOST_BYTES) {
      this.damaged(offset, `a block of type ${hex(type)} claims ${length} bytes`);
    }
    const got = input.want(length);
    if (got < length) return cut(got, length);

    const { view, at } = input;
    const block = { type, view, start: at + BLOCK_HEADER_BYTES, end: at + length - 4, offset };
    const trailer = view.getUint32(block.end, this.littleEndian);
    if (trailer !== length) this.damaged(offset, `a block claims ${length} bytes in front and ${trailer} behind`);
    if (block.end - block.start < (FEWEST_BODY_BYTES.get(type) ?? 0)) {
      this.damaged(offset, `a block of type ${type} has only ${length} bytes`);
    }
    input.at += length;
    return block;
  }

  private readByteOrder(offset: number): void {
    const { view, at } = this.input;
    this.littleEndian = view.getUint32(at + BLOCK_HEADER_BYTES, true) === BYTE_ORDER_MAGIC;
    if (this.littleEndian || view.getUint32(at + BLOCK_HEADER_BYTES) === BYTE_ORDER_MAGIC) return;
    this.damaged(offset + BLOCK_HEADER_BYTES, 'a section has no byte order');
  }

  private beginSection({ view, start, offset }: Block): void {
    const major = view.getUint16(start + 4, this.littleEndian);
    if (major !== PCAPNG_MAJOR) {
      const problem = `pcapng version ${major}, not ${PCAPNG_MAJOR}; the file is damaged, copy it again`;
      refuseCapture(this.name, offset + BLOCK_HEADER_BYTES + 4, problem);
    }
    this.interfaces = [];
  }

  private addInterface(block: Block): void {
    const { view, start, end, offset } = block;
    const { littleEndian } = this;
    if (this.interfaces.length === MOST_INTERFACES) this.damaged(offset, `more than ${MOST_INTERFACES} interfaces`);
    let fcsBytes = 0;
    let unitsPerSecond = MICROSECONDS_PER_SECOND;
    let offsetSeconds = 0;
    const needs = (length: number, bytes: number): void => {
      if (length !== bytes) this.damaged(offset, `an option of an interface has ${length} bytes, not ${bytes}`);
    };
    const isWhole = this.readOptions(view, start + 8, end, (code, at, length) => {
      if (code === IF_TSRESOL) {
        needs(length, 1);
        unitsPerSecond = this.resolutionOf(view.getUint8(at), offset);
      } else if (code === IF_FCSLEN) {
        needs(length, 1);
        // The text says bits and has 4 as its example; no check sequence has 4 bits, or 16 bytes.
        const value = view.getUint8(at);
        fcsBytes = value < 16 ? value : value >>> 3;
      } else if (code === IF_TSOFFSET) {
        needs(length, 8);
        offsetSeconds = Number(view.getBigInt64(at, littleEndian));
      }
    });
    if (!isWhole) this.damaged(offset, 'an option of an interface goes beyond its block');
    this.interfaces.push({
      linkType: view.getUint16(start, littleEndian),
      snapshotLength: view.getUint32(start + 4, littleEndian),
      fcsBytes,
      unitsPerSecond,
      offsetSeconds,
    });
  }

  private resolutionOf(value: number, offset: number): bigint {
    const exponent = value & ~BINARY;
    const isBinary = (value & BINARY) !== 0;
    if (exponent > (isBinary ? FINEST_BINARY : FINEST_DECIMAL)) {
      this.damaged(offset, `an interface counts time in units of ${isBinary ? 2 : 10}^-${exponent} s`);
    }
    return (isBinary ? 2n : 10n) ** BigInt(exponent);
  }

  /** Calls `take` for each option; false where one goes beyond the end. */
  private readOptions(
    view: DataView,
    from: number,
    end: number,
    take: (code: number, at: number, length: number) => void,
  ): boolean {
    let at = from;
    while (at < end) {
      const code = view.getUint16(at, this.littleEndian);
      const length = view.getUint16(at + 2, this.littleEndian);
      if (code === OPT_ENDOFOPT) return true;
      if (at + 4 + length > end) return false;
      take(code, at + 4, length);
      at += 4 + padded(length);
    }
    return true;
  }

  /** The frame of a packet block; null where its interface is not Ethernet. */
  private frameOf(block: Block): PcapFrame | null {
    const { type, view, start, end, offset } = block;
    const { littleEndian } = this;
    const isSimple = type === SIMPLE_PACKET;
    const dataAt = start + (isSimple ? 4 : 20);
    const id = isSimple
      ? 0
      : type === PACKET
        ? view.getUint16(start, littleEndian)
        : view.getUint32(start, littleEndian);
    const from = this.interfaces[id];
    if (from === undefined)
      this.damaged(offset, `frame ${this.packets + 1} is of interface ${id}, which is not described`);

    const original = view.getUint32(isSimple ? start : start + 16, littleEndian);
    const limit = from.snapshotLength === 0 ? original : Math.min(original, from.snapshotLength);
    const captured = isSimple ? limit : view.getUint32(start + 12, littleEndian);
    if (captured > end - dataAt) {
      this.damaged(offset, `frame ${this.packets + 1} claims ${captured} bytes, its block has ${end - dataAt}`);
    }
    this.packets++;
    if (from.linkType !== LINKTYPE_ETHERNET) {
      this.onSkip(from.linkType, id);
      return null;
    }
    let { fcsBytes } = from;
    this.readOptions(view, dataAt + padded(captured), end, (code, at, length) => {
      // the obsolete block has the same flags under the same code
      if (isSimple || code !== EPB_FLAGS || length !== 4) return;
      const ofFrame = (view.getUint32(at, littleEndian) >>> FLAGS_FCS_SHIFT) & FLAGS_FCS_MASK;
      if (ofFrame !== 0) fcsBytes = ofFrame;
    });
    const data = new Uint8Array(view.buffer, view.byteOffset + dataAt, captured);
    return { ...(isSimple ? NO_TIME : this.timeAt(view, start + 4, from)), ...frameBytes(data, original, fcsBytes) };
  }

  private timeAt(
    view: DataView,
    at: number,
    { unitsPerSecond, offsetSeconds }: Interface,
  ): Pick<PcapFrame, 'seconds' | 'nanoseconds'> {
    const high = view.getUint32(at, this.littleEndian);
    const low = view.getUint32(at + 4, this.littleEndian);
    const units = (BigInt(high) << 32n) | BigInt(low);
    return {
      seconds: Number(units / unitsPerSecond) + offsetSeconds,
      nanoseconds: Number(((units % unitsPerSecond) * NANOSECONDS_PER_SECOND) / unitsPerSecond),
    };
  }

  private damaged(offset: number, problem: string): never {
    const remedy = 'the file is damaged here, copy or record it again';
    throw new CaptureDamage(this.name, offset, this.packets + 1, `${problem}; ${remedy}`);
  }
}

const NO_TIME = { seconds: 0, nanoseconds: 0 } as const;

function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
