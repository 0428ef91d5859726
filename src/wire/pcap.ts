// SPDX-License-Identifier: Apache-2.0
// Capture files in the classic pcap format, version 2.4 (pcap-savefile(5)): Ethernet frames in, Ethernet frames out.
// Reads both byte orders and both time resolutions; writes little-endian files with nanoseconds. Frames are replayed as
// they are, so a file that does not hold whole frames is refused, with the byte offset and what to do about it.
//
//   file   | magic 4 | major 2 | minor 2 | zone 4 | accuracy 4 | snapshot length 4 | link type 4 |  24 bytes
//   record | seconds 4 | fraction 4 | captured length 4 | original length 4 | frame ...          |  16 bytes + frame
import { UsageError } from '../util/errors.ts';

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
const LINKTYPE_ETHERNET = 1;
/** The largest frame that libpcap accepts in an Ethernet file, and the snapshot length that tcpdump writes. */
const MAX_SNAPSHOT_LENGTH = 262_144;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;

/** Files that people hand over in place of a classic capture, by their first four bytes read as big-endian. */
const OTHER_FORMATS: ReadonlyMap<number, string> = new Map([
  [0x0a0d0d0a, 'this is pcapng; convert it with: editcap -F pcap IN OUT'],
  [0x34cdb2a1, 'this is the modified pcap format of old Linux tools; convert it with: editcap -F pcap IN OUT'],
  [0xa1b2cd34, 'this is the modified pcap format of old Linux tools; convert it with: editcap -F pcap IN OUT'],
  [0x28b52ffd, 'this file is compressed; unpack it with zstd -d first'],
]);

const REPAIR = 'copy the file again, or keep its whole frames with: tcpdump -r IN -w OUT';
const DAMAGED = 'the file is damaged here, copy it again';

/** One captured frame and when it was seen. */
export interface PcapFrame {
  /** Whole seconds since 1970-01-01 UTC, below 2^32. */
  readonly seconds: number;
  /** Nanoseconds within the second. */
  readonly nanoseconds: number;
  /** The frame from its destination address on, without frame check sequence; a view of the file's bytes when read. */
  readonly bytes: Uint8Array;
}

/** A checked capture file. */
export interface PcapFile {
  readonly byteOrder: 'little' | 'big';
  readonly resolution: 'microseconds' | 'nanoseconds';
  /** The limit that the capturing program set itself, in bytes per frame. */
  readonly snapshotLength: number;
  /** The frames in file order, read one by one; each call starts again at the first. Throws {@link UsageError}. */
  frames(): Generator<PcapFrame, void, void>;
}

/**
 * Reads the header of a capture file; `name` stands in error messages.
 *
 * @throws UsageError when the file is no classic Ethernet capture; {@link PcapFile.frames} throws it for a bad record.
 */
export function openPcap(bytes: Uint8Array, name: string): PcapFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { littleEndian, isNanoseconds } = readMagic(view, name);
  if (bytes.length < FILE_HEADER_BYTES) {
    refuse(name, bytes.length, `the file header of ${FILE_HEADER_BYTES} bytes is cut off; copy the file again`);
  }

  const major = view.getUint16(4, littleEndian);
  const minor = view.getUint16(6, littleEndian);
  if (major !== VERSION_MAJOR || minor !== VERSION_MINOR) {
    refuse(name, 4, `format version ${major}.${minor}, not 2.4; convert it with: editcap -F pcap IN OUT`);
  }
  const linkType = view.getUint32(20, littleEndian);
  if (linkType !== LINKTYPE_ETHERNET) {
    refuse(name, 20, `link type ${hex(linkType)}, not 1 (Ethernet); capture on one Ethernet interface, not on "any"`);
  }

  return {
    byteOrder: littleEndian ? 'little' : 'big',
    resolution: isNanoseconds ? 'nanoseconds' : 'microseconds',
    snapshotLength: view.getUint32(16, littleEndian),
    frames: () => readFrames(bytes, view, name, littleEndian, isNanoseconds),
  };
}

function readMagic(view: DataView, name: string): { littleEndian: boolean; isNanoseconds: boolean } {
  if (view.byteLength < 4) refuse(name, 0, `${view.byteLength} bytes are too short for a capture file`);
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(0, littleEndian);
    if (magic === MAGIC_MICROSECONDS) return { littleEndian, isNanoseconds: false };
    if (magic === MAGIC_NANOSECONDS) return { littleEndian, isNanoseconds: true };
  }
  const magic = view.getUint32(0);
  // gzip has a magic of two bytes, the next two are method and flags.
  const isGzip = magic >>> 16 === 0x1f8b;
  const known = isGzip ? 'this file is compressed; unpack it with gunzip first' : OTHER_FORMATS.get(magic);
  return refuse(
    name,
    0,
    known ?? `magic ${hex(magic)} is no pcap file; record one with: tcpdump -i DEVICE -w OUT.pcap`,
  );
}

function* readFrames(
  bytes: Uint8Array,
  view: DataView,
  name: string,
  littleEndian: boolean,
  isNanoseconds: boolean,
): Generator<PcapFrame, void, void> {
  const fractionsPerSecond = isNanoseconds ? 1_000_000_000 : 1_000_000;
  const nanosecondsPerFraction = isNanoseconds ? 1 : 1_000;

  let offset = FILE_HEADER_BYTES;
  for (let number = 1; offset < bytes.length; number++) {
    if (bytes.length - offset < RECORD_HEADER_BYTES) {
      const left = bytes.length - offset;
      refuse(name, offset, `record header of frame ${number} is cut off after ${left} of 16 bytes; ${REPAIR}`);
    }
    const fraction = view.getUint32(offset + 4, littleEndian);
    const capturedLength = view.getUint32(offset + 8, littleEndian);
    const originalLength = view.getUint32(offset + 12, littleEndian);
    if (fraction >= fractionsPerSecond) {
      refuse(name, offset + 4, `frame ${number} has ${fraction} as part of a second; ${DAMAGED}`);
    }
    if (capturedLength > MAX_SNAPSHOT_LENGTH || capturedLength > originalLength) {
      const lengths = `${capturedLength} captured bytes of ${originalLength}`;
      refuse(name, offset + 8, `frame ${number} has ${lengths} (limit ${MAX_SNAPSHOT_LENGTH}); ${DAMAGED}`);
    }
    if (capturedLength < originalLength) {
      const lengths = `${capturedLength} of its ${originalLength} bytes`;
      refuse(name, offset + 8, `frame ${number} holds only ${lengths}; capture whole frames with: tcpdump -s 0`);
    }

    const start = offset + RECORD_HEADER_BYTES;
    if (bytes.length - start < capturedLength) {
      const left = bytes.length - start;
      refuse(name, start, `frame ${number} is cut off after ${left} of ${capturedLength} bytes; ${REPAIR}`);
    }
    yield {
      seconds: view.getUint32(offset, littleEndian),
      nanoseconds: fraction * nanosecondsPerFraction,
      bytes: bytes.subarray(start, start + capturedLength),
    };
    offset = start + capturedLength;
  }
}

/** A capture file piece by piece: first its header, then one piece per frame. */
export function* pcapPieces(frames: Iterable<PcapFrame>): Generator<Uint8Array, void, void> {
  const header = new DataView(new ArrayBuffer(FILE_HEADER_BYTES));
  header.setUint32(0, MAGIC_NANOSECONDS, true);
  header.setUint16(4, VERSION_MAJOR, true);
  header.setUint16(6, VERSION_MINOR, true);
  header.setUint32(16, MAX_SNAPSHOT_LENGTH, true);
  header.setUint32(20, LINKTYPE_ETHERNET, true);
  yield new Uint8Array(header.buffer);

  for (const { seconds, nanoseconds, bytes } of frames) {
    const record = new Uint8Array(RECORD_HEADER_BYTES + bytes.length);
    const view = new DataView(record.buffer);
    view.setUint32(0, seconds, true);
    view.setUint32(4, nanoseconds, true);
    view.setUint32(8, bytes.length, true);
    view.setUint32(12, bytes.length, true);
    record.set(bytes, RECORD_HEADER_BYTES);
    yield record;
  }
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

function refuse(name: string, offset: number, problem: string): never {
  throw new UsageError(`${name}: byte ${offset}: ${problem}`);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
