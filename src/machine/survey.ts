// SPDX-License-Identifier: Apache-2.0
// A first look at all frames of a capture: how many there are, which cannot be sent, and which addresses a card must leave
// alone.
import { UsageError } from '../util/errors.ts';
import { CaptureDamage, type PcapFrame, type SkipHandler } from '../wire/frame_reader.ts';
import { linkTypeName, linkTypeRemedy } from '../wire/link_type.ts';

/** Frames that can be read more than once; an open capture is one. */
export interface FrameSource {
  /** For messages. */
  readonly name?: string;
  /** The frames from the first on; `onSkip` is told of those of other link types. */
  frames(onSkip?: SkipHandler): Iterable<PcapFrame>;
}

/** A number of frames with the sum of their lengths. */
export interface Traffic {
  readonly frames: number;
  readonly bytes: number;
}

/** A frame that is too long for the MTU. */
export interface TooLong {
  /** Its number among the packets of the capture, from 1. */
  readonly packet: number;
  readonly bytes: number;
  /** The most that it might have. */
  readonly limit: number;
}

/** Destination, source, type. */
const ETHERNET_HEADER_BYTES = 14;
/** Types of VLAN tags, and what each of up to two adds to the length of a frame. */
const TAG_TYPES = [0x8100, 0x88a8, 0x9100];
const TAG_BYTES = 4;
const MOST_TAGS = 2;

export class Survey implements Traffic {
  frames = 0;
  bytes = 0;
  readonly refused = { too_short: 0, too_long: 0 };
  /** The first one that is too long, and the MTU with which every frame of the capture could be sent. */
  tooLong: TooLong | null = null;
  mtuForAll: number;
  /** Frames of which the capture holds only a part. */
  cutFrames = 0;
  /** Packets that are left out because they are no Ethernet frames, by link type. */
  readonly notEthernet = new Map<number, number>();
  /** Where the capture cannot be read any further. */
  damage: CaptureDamage | null = null;
  private readonly mtu: number;
  private packets = 0;
  /** Second and third bytes of addresses 02:xx:xx:... that a frame is sent to. */
  private readonly taken = new Set<number>();

  /** Throws UsageError where there is nothing to send: what was there is damaged, or no Ethernet frame. */
  constructor(source: FrameSource, mtu: number) {
    this.mtu = mtu;
    this.mtuForAll = mtu;
    try {
      for (const frame of source.frames((linkType) => this.skipped(linkType))) this.look(frame);
    } catch (error) {
      if (!(error instanceof CaptureDamage) || this.frames === 0) throw error;
      this.damage = error;
    }
    const [linkType] = this.notEthernet.keys();
    if (this.frames === 0 && linkType !== undefined) {
      const place = source.name === undefined ? '' : `${source.name}: `;
      const what = `none of the ${this.packets} packets is an Ethernet frame: link type ${linkTypeName(linkType)}`;
      throw new UsageError(`${place}${what}; ${linkTypeRemedy(linkType)}`);
    }
  }

  /** For the PF; no frame is addressed to it or to those that follow it. */
  get freeAddress(): string {
    let free = 0x7666;
    for (let i = 0; i < 0x10000 && this.taken.has(free); i++) free = (free + 1) & 0xffff;
    const [second, third] = [free >> 8, free & 0xff].map((byte) => byte.toString(16).padStart(2, '0'));
    return `02:${second}:${third}:00:00:00`;
  }

  private look({ bytes, originalLength }: PcapFrame): void {
    this.packets++;
    this.frames++;
    this.bytes += bytes.length;
    if (originalLength !== undefined) this.cutFrames++;
    const cause = refusal(bytes, this.mtu);
    if (cause !== null) this.refused[cause]++;
    else if (bytes[0] === 0x02) this.taken.add((bytes[1]! << 8) | bytes[2]!);
    if (cause !== 'too_long') return;
    const header = headerBytes(bytes);
    this.mtuForAll = Math.max(this.mtuForAll, bytes.length - header);
    this.tooLong ??= { packet: this.packets, bytes: bytes.length, limit: this.mtu + header };
  }

  private skipped(linkType: number): void {
    this.packets++;
    this.notEthernet.set(linkType, (this.notEthernet.get(linkType) ?? 0) + 1);
  }
}

/** Why a driver would not be given this frame; null if it is sent. */
export function refusal(frame: Uint8Array, mtu: number): 'too_short' | 'too_long' | null {
  if (frame.length < ETHERNET_HEADER_BYTES) return 'too_short';
  return frame.length > mtu + headerBytes(frame) ? 'too_long' : null;
}

/** What does not count towards the MTU: the header, and VLAN tags. */
function headerBytes(frame: Uint8Array): number {
  let header = ETHERNET_HEADER_BYTES;
  for (let tags = 0; tags < MOST_TAGS; tags++) {
    if (!TAG_TYPES.includes((frame[header - 2]! << 8) | frame[header - 1]!) || frame.length < header + TAG_BYTES) break;
    header += TAG_BYTES;
  }
  return header;
}
