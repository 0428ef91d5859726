// SPDX-License-Identifier: Apache-2.0
// The wire format of protocol buffers (protobuf.dev, "Encoding"), as far as writing needs it: varints, fixed 64-bit
// numbers, and length-delimited texts and messages. The library takes no package, and this is all that it would use.

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const HIGH = 0x1_0000_0000;
const SAFE_HIGH = 0x20_0000; // below it both halves fit into a number

const encoder = new TextEncoder();

/** One message under construction. */
export class ProtoMessage {
  private bytes = new Uint8Array(64);
  private length = 0;

  /** A whole number from 0 to 2^53. */
  uint(field: number, value: number): this {
    this.varint(field * 8 + VARINT);
    return this.varint(value);
  }

  /** A 64-bit number in two halves. */
  uint64(field: number, low: number, high: number): this {
    if (high < SAFE_HIGH) return this.uint(field, low + high * HIGH);
    this.varint(field * 8 + VARINT);
    for (let value = BigInt(low) + (BigInt(high) << 32n); ; value >>= 7n) {
      const isLast = value < 0x80n;
      this.byte(Number(value & 0x7fn) | (isLast ? 0 : 0x80));
      if (isLast) return this;
    }
  }

  fixed64(field: number, value: number): this {
    this.varint(field * 8 + FIXED64);
    for (let i = 0, rest = value; i < 8; i++, rest = Math.floor(rest / 256)) this.byte(rest % 256);
    return this;
  }

  text(field: number, value: string): this {
    return this.delimited(field, encoder.encode(value));
  }

  message(field: number, message: ProtoMessage): this {
    return this.delimited(field, message.finish());
  }

  /** The encoded message; a view that later writes may change. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private delimited(field: number, value: Uint8Array): this {
    this.varint(field * 8 + DELIMITED);
    this.varint(value.length);
    this.reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
    return this;
  }

  private varint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
    return this;
  }

  private byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.bytes.length, this.length + bytes));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
