// SPDX-License-Identifier: Apache-2.0
// What the readers of both capture formats give, and the error where a capture cannot be read any further.
import { UsageError } from '../util/errors.ts';

/** One captured frame and when it was seen. */
export interface PcapFrame {
  /** Whole seconds since 1970-01-01 UTC. */
  readonly seconds: number;
  /** Nanoseconds within the second. */
  readonly nanoseconds: number;
  /** The frame from its destination address on, without frame check sequence; a view of the bytes that were read. */
  readonly bytes: Uint8Array;
  /** Length on the wire where the capture holds only a part of the frame. */
  readonly originalLength?: number | undefined;
}

/** Frames one by one: null at the end, undefined where the next one has not come yet. Throws {@link CaptureDamage}. */
export interface FrameReader {
  next(): PcapFrame | null | undefined;
}

/** Told of each packet that is left out because its interface is not Ethernet. */
export type SkipHandler = (linkType: number, interfaceId: number) => void;

/** A record that cannot be read, and with it everything behind; what was read before it is good. */
export class CaptureDamage extends UsageError {
  /** Number of the packet, from 1, that could not be read. */
  readonly packet: number;
  /** `problem` with its remedy; `name` is that of the capture. */
  constructor(name: string, offset: number, packet: number, problem: string) {
    super(`${name}: byte ${offset}: ${problem}`);
    this.packet = packet;
  }
}

/** Refuses a capture before its first frame. */
export function refuseCapture(name: string, offset: number, problem: string): never {
  throw new UsageError(`${name}: byte ${offset}: ${problem}`);
}

/**
 * Bytes of a frame without the check sequence behind it. That one is the end of the whole frame, so of a frame that was
 * captured in part less is cut, or nothing. Some programs write an original length below the captured one.
 */
export function frameBytes(
  captured: Uint8Array,
  originalLength: number,
  fcsBytes: number,
): Pick<PcapFrame, 'bytes' | 'originalLength'> {
  const whole = Math.max(0, Math.max(captured.length, originalLength) - fcsBytes);
  const bytes = captured.subarray(0, whole);
  return { bytes, originalLength: bytes.length < whole ? whole : undefined };
}

export function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
