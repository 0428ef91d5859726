// SPDX-License-Identifier: Apache-2.0
// Captures of either format, told apart by their first bytes; other files that people hand over are refused with what they
// are and what makes a capture of them.
import { checkOptions, needed } from '../util/options.ts';
import { ByteReader, type ByteSource } from './byte_reader.ts';
import { hex, refuseCapture, type FrameReader, type PcapFrame, type SkipHandler } from './frame_reader.ts';
import { PcapReader } from './pcap.ts';
import { PcapngReader } from './pcapng.ts';

const MAGIC_BYTES = 4;

const CONVERT = 'convert it with: editcap -F pcap IN OUT';

/** Files that are something else, by how they begin. */
const OTHER_FILES: readonly (readonly [begin: string, what: string])[] = [
  ['1f8b', 'this file is compressed; unpack it first: gzip -dc < IN > OUT'],
  ['28b52ffd', 'this file is compressed; unpack it first: zstd -dc < IN > OUT'],
  ['fd377a58', 'this file is compressed; unpack it first: xz -dc < IN > OUT'],
  ['425a68', 'this file is compressed; unpack it first: bzip2 -dc < IN > OUT'],
  ['04224d18', 'this file is compressed; unpack it first: lz4 -dc < IN > OUT'],
  ['736e6f6f', `this is a capture of snoop; ${CONVERT}`],
  ['474d4255', `this is a capture of Microsoft Network Monitor; ${CONVERT}`],
];

/** Frames one by one as far as they have come; the format is known once its first bytes are there. */
export class CaptureReader implements FrameReader {
  private readonly input: ByteReader;
  private readonly name: string;
  private readonly onSkip: SkipHandler;
  private format: FrameReader | undefined;

  /** `name` stands in messages. */
  constructor(from: Uint8Array | ByteSource, name: string, onSkip: SkipHandler = () => undefined) {
    this.input = new ByteReader(from);
    this.name = name;
    this.onSkip = onSkip;
  }

  /** Reads what stands before the frames; false where it has not come yet. Throws UsageError. */
  begin(): boolean {
    this.format ??= this.openFormat();
    return this.format !== undefined;
  }

  /** The next frame, null at the end, undefined where it has not come yet. Throws UsageError, CaptureDamage. */
  next(): PcapFrame | null | undefined {
    return this.begin() ? this.format!.next() : undefined;
  }

  private openFormat(): FrameReader | undefined {
    const { input, name } = this;
    const have = input.want(MAGIC_BYTES);
    if (have < MAGIC_BYTES) {
      return input.hasEnded ? refuseCapture(name, 0, `${have} bytes are too short for a capture`) : undefined;
    }
    if (PcapngReader.canRead(input)) return new PcapngReader(input, name, this.onSkip);
    if (PcapReader.canRead(input)) return PcapReader.begin(input, name);
    const magic = hex(input.view.getUint32(input.at));
    const what = OTHER_FILES.find(([begin]) => magic.startsWith(`0x${begin}`))?.[1];
    const unknown = `a file that begins with ${magic} is neither pcap nor pcapng; if Wireshark reads it, ${CONVERT}`;
    return refuseCapture(name, 0, what ?? unknown);
  }
}

/** A capture whose frames can be read again and again. */
export interface Capture {
  /**
   * The frames in their order, read one by one; each call begins again at the first. Throws UsageError where it is no
   * capture, CaptureDamage where it cannot be read any further.
   */
  frames(onSkip?: SkipHandler): Generator<PcapFrame, void, void>;
}

const OPEN_CAPTURE = {
  bytes: needed({
    what: 'a Uint8Array or a function',
    isGood: (bytes) => bytes instanceof Uint8Array || typeof bytes === 'function',
  }),
  name: needed({ what: 'text for messages', isGood: (name) => typeof name === 'string' }),
};

/**
 * Opens a capture, pcap or pcapng: its bytes, or a function that gives them from the first on. `name` stands in messages.
 *
 * @throws UsageError where it is no capture; frames() throws {@link CaptureDamage} where it cannot be read any further.
 */
export function openCapture(bytes: Uint8Array | (() => ByteSource), name: string): Capture {
  checkOptions('openCapture', { bytes, name }, OPEN_CAPTURE);
  const reader = (onSkip?: SkipHandler): CaptureReader =>
    new CaptureReader(typeof bytes === 'function' ? bytes() : bytes, name, onSkip);
  reader().begin();
  return {
    *frames(onSkip) {
      const frames = reader(onSkip);
      for (;;) {
        const frame = frames.next();
        if (frame === null || frame === undefined) return;
        yield frame;
      }
    },
  };
}
