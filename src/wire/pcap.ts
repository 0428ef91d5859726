// SPDX-License-Identifier: Apache-2.0
// Capture files in the classic pcap format (pcap-savefile(5)). Reads what libpcap reads: both byte orders and time
// resolutions, versions 2.0 to 2.4, the modified format of old Linux tools; writes little-endian files with nanoseconds.
//
//   file     | magic 4 | major 2 | minor 2 | zone 4 | accuracy 4 | snapshot length 4 | FCS 4 bits, 0, present, link type 26 |
//   record   | seconds 4 | fraction 4 | captured length 4 | original length 4 | frame ...
//   modified | seconds 4 | fraction 4 | captured length 4 | original length 4 | interface 4 | protocol 2 | kind 2 | frame ...
import { UsageError } from '../util/errors.ts';
import { checkWhole } from '../util/options.ts';
import { LINKTYPE_ETHERNET } from '../util/pcapng_layout.ts';
import type { ByteReader } from './byte_reader.ts';
import { CaptureDamage, frameBytes, refuseCapture, type FrameReader, type PcapFrame } from './frame_reader.ts';
import { linkTypeName, linkTypeRemedy } from './link_type.ts';

export type { PcapFrame } from './frame_reader.ts';

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const MAGIC_MODIFIED = 0xa1b2cd34;
const MAGICS: readonly number[] = [MAGIC_MICROSECONDS, MAGIC_NANOSECONDS, MAGIC_MODIFIED];
const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
/** Version 543.0 of DG/UX; like those before 2.3 it has the two lengths the other way round, 2.3 has them either way. */
const VERSION_DG_UX = 543;
const VERSION_MINOR_UNSURE = 3;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const MODIFIED_HEADER_BYTES = 24;

const LINK_TYPE_BITS = 0x03ffffff;
const FCS_PRESENT = 0x04000000;
const FCS_LENGTH_SHIFT = 28;
const FCS_UNIT_BYTES = 2;

/** The largest frame that libpcap accepts in an Ethernet file, and the snapshot length that tcpdump writes. */
const MAX_SNAPSHOT_LENGTH = 262_144;
const LATEST_SECOND = 0xffffffff;
const NANOSECONDS_PER_SECOND = 1e9;

const CUT_OFF = 'copy or record it again';
/** Wireshark tells apart the variants that share a magic. */
const DAMAGED = 'damaged here or before, or an old variant: try editcap -F pcap IN OUT, then pcapfix -o OUT IN';

interface Layout {
  readonly littleEndian: boolean;
  readonly recordHeaderBytes: number;
  readonly nanosecondsPerFraction: number;
  readonly lengths: 'captured first' | 'original first' | 'either';
  readonly fcsBytes: number;
}

/** The byte order of a file that begins with this; undefined where it is no classic pcap file. */
function byteOrderOf({ view, at }: ByteReader): { littleEndian: boolean; magic: number } | undefined {
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(at, littleEndian);
    if (MAGICS.includes(magic)) return { littleEndian, magic };
  }
  return undefined;
}

/** Frames of a classic capture whose header has been read. */
export class PcapReader implements FrameReader {
  private readonly input: ByteReader;
  private readonly name: string;
  private readonly layout: Layout;
  private packets = 0;

  private constructor(input: ByteReader, name: string, layout: Layout) {
    this.input = input;
    this.name = name;
    this.layout = layout;
  }

  /** Is this the beginning of a classic pcap file? Four bytes must be there. */
  static canRead(input: ByteReader): boolean {
    return byteOrderOf(input) !== undefined;
  }

  /** Reads the header of the file; undefined where it has not come yet. Throws UsageError. */
  static begin(input: ByteReader, name: string): PcapReader | undefined {
    const have = input.want(FILE_HEADER_BYTES);
    if (have < FILE_HEADER_BYTES) {
      if (!input.hasEnded) return undefined;
      refuseCapture(name, have, `the file header of ${FILE_HEADER_BYTES} bytes is cut off; copy or record it again`);
    }
    const { view, at } = input;
    const { littleEndian, magic } = byteOrderOf(input)!;
    const major = view.getUint16(at + 4, littleEndian);
    const minor = view.getUint16(at + 6, littleEndian);
    const isOfDgUx = major === VERSION_DG_UX && minor === 0;
    if (!isOfDgUx && (major !== VERSION_MAJOR || minor > VERSION_MINOR)) {
      refuseCapture(name, 4, `format version ${major}.${minor}, not 2.0 to 2.4; the file is damaged, copy it again`);
    }
    const isSwapped = isOfDgUx || minor < VERSION_MINOR_UNSURE;
    const word = view.getUint32(at + 20, littleEndian);
    const linkType = word & LINK_TYPE_BITS;
    if (linkType !== LINKTYPE_ETHERNET) {
      refuseCapture(name, 20, `link type ${linkTypeName(linkType)} is not Ethernet; ${linkTypeRemedy(linkType)}`);
    }
    const layout: Layout = {
      littleEndian,
      recordHeaderBytes: magic === MAGIC_MODIFIED ? MODIFIED_HEADER_BYTES : RECORD_HEADER_BYTES,
      nanosecondsPerFraction: magic === MAGIC_NANOSECONDS ? 1 : 1000,
      lengths: isSwapped ? 'original first' : minor === VERSION_MINOR_UNSURE ? 'either' : 'captured first',
      fcsBytes: (word & FCS_PRESENT) === 0 ? 0 : (word >>> FCS_LENGTH_SHIFT) * FCS_UNIT_BYTES,
    };
    input.at += FILE_HEADER_BYTES;
    return new PcapReader(input, name, layout);
  }

  next(): PcapFrame | null | undefined {
    const { input, layout } = this;
    const { littleEndian, recordHeaderBytes } = layout;
    const have = input.want(recordHeaderBytes);
    if (have < recordHeaderBytes) {
      if (!input.hasEnded) return undefined;
      if (have === 0) return null;
      this.damaged(0, `is cut off after ${have} of the ${recordHeaderBytes} bytes of its header; ${CUT_OFF}`);
    }
    const { captured, original } = this.lengths();
    if (captured > MAX_SNAPSHOT_LENGTH) {
      const claim = `claims ${captured} bytes, more than the ${MAX_SNAPSHOT_LENGTH} that there can be`;
      this.damaged(8, `${claim}; ${DAMAGED}`);
    }
    const got = input.want(recordHeaderBytes + captured) - recordHeaderBytes;
    if (got < captured) {
      if (!input.hasEnded) return undefined;
      this.damaged(recordHeaderBytes, `is cut off after ${got} of ${captured} bytes; ${CUT_OFF}`);
    }
    const { view, at } = input;
    const start = at + recordHeaderBytes;
    input.at = start + captured;
    this.packets++;
    // a fraction of more than a second is carried
    const nanoseconds = view.getUint32(at + 4, littleEndian) * layout.nanosecondsPerFraction;
    return {
      seconds: view.getUint32(at, littleEndian) + Math.floor(nanoseconds / NANOSECONDS_PER_SECOND),
      nanoseconds: nanoseconds % NANOSECONDS_PER_SECOND,
      ...frameBytes(input.bytes.subarray(start, start + captured), original, layout.fcsBytes),
    };
  }

  private lengths(): { captured: number; original: number } {
    const { view, at } = this.input;
    const { littleEndian, lengths } = this.layout;
    const first = view.getUint32(at + 8, littleEndian);
    const second = view.getUint32(at + 12, littleEndian);
    const isSwapped = lengths === 'original first' || (lengths === 'either' && first > second);
    return isSwapped ? { captured: second, original: first } : { captured: first, original: second };
  }

  private damaged(offset: number, problem: string): never {
    throw new CaptureDamage(
      this.name,
      this.input.offset + offset,
      this.packets + 1,
      `frame ${this.packets + 1} ${problem}`,
    );
  }
}

/** The header of a capture file. */
export function pcapHeader(): Uint8Array {
  const header = new DataView(new ArrayBuffer(FILE_HEADER_BYTES));
  header.setUint32(0, MAGIC_NANOSECONDS, true);
  header.setUint16(4, VERSION_MAJOR, true);
  header.setUint16(6, VERSION_MINOR, true);
  header.setUint32(16, MAX_SNAPSHOT_LENGTH, true);
  header.setUint32(20, LINKTYPE_ETHERNET, true);
  return new Uint8Array(header.buffer);
}

/** A frame as it is in a capture file; `place` says which one it is. Throws UsageError for a time before 1970 or after 2106, which the format cannot say, NicError FRAME for numbers that are none. */
export function pcapRecord(
  { seconds, nanoseconds, bytes, originalLength = bytes.length }: PcapFrame,
  place = 'a frame',
): Uint8Array {
  checkWhole('FRAME', 'seconds', seconds, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  checkWhole('FRAME', 'nanoseconds', nanoseconds, 0, NANOSECONDS_PER_SECOND - 1);
  checkWhole('FRAME', 'originalLength', originalLength, 0, 0xffff_ffff);
  if (seconds < 0 || seconds > LATEST_SECOND) {
    const shift = seconds < 0 ? -seconds : LATEST_SECOND - seconds;
    throw new UsageError(
      `${place} of ${seconds} s since 1970: pcap files hold times from 1970 to 2106; shift the capture: editcap -t ${shift} IN OUT`,
    );
  }
  const record = new Uint8Array(RECORD_HEADER_BYTES + bytes.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, seconds, true);
  view.setUint32(4, nanoseconds, true);
  view.setUint32(8, bytes.length, true);
  view.setUint32(12, originalLength, true);
  record.set(bytes, RECORD_HEADER_BYTES);
  return record;
}

/**
 * A capture file piece by piece: first its header, then one piece per frame. `name` is that of the capture which the frames
 * come from, for messages.
 */
export function* pcapPieces(frames: Iterable<PcapFrame>, name?: string): Generator<Uint8Array, void, void> {
  const place = name === undefined ? 'frame' : `${name}: frame`;
  let packet = 0;
  yield pcapHeader();
  for (const frame of frames) yield pcapRecord(frame, `${place} ${++packet}`);
}

/** A whole capture file in one piece. */
export function encodePcap(frames: Iterable<PcapFrame>): Uint8Array {
  const pieces = [...pcapPieces(frames)];
  const file = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    file.set(piece, offset);
    offset += piece.length;
  }
  return file;
}
