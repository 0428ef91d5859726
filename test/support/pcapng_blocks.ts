// SPDX-License-Identifier: Apache-2.0
// Blocks of pcapng files, put together from draft-ietf-opsawg-pcapng for tests of the reader.

export type ByteOrder = 'little' | 'big';

/** A number of one, two, four or eight bytes. */
export type Field = readonly [value: number | bigint, bytes: 1 | 2 | 4 | 8];
export type Part = Field | Uint8Array;
/** Code and value of an option. */
export type Option = readonly [code: number, value: Part];

function bytesOf(part: Part, order: ByteOrder): Uint8Array {
  if (part instanceof Uint8Array) return part;
  const [value, bytes] = part;
  const digits = BigInt.asUintN(bytes * 8, BigInt(value))
    .toString(16)
    .padStart(bytes * 2, '0');
  const big = Uint8Array.from(Buffer.from(digits, 'hex'));
  return order === 'big' ? big : big.toReversed();
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

function padded(bytes: Uint8Array): Uint8Array {
  return joined([bytes, new Uint8Array((4 - (bytes.length % 4)) % 4)]);
}

function optionBytes(options: readonly Option[], order: ByteOrder): Uint8Array {
  if (options.length === 0) return new Uint8Array();
  const all = options.map(([code, value]) => {
    const bytes = bytesOf(value, order);
    return joined([bytesOf([code, 2], order), bytesOf([bytes.length, 2], order), padded(bytes)]);
  });
  return joined([...all, new Uint8Array(4)]);
}

/** Makes the blocks of sections of one byte order. */
export class Blocks {
  readonly order: ByteOrder;

  constructor(order: ByteOrder) {
    this.order = order;
  }

  block(type: number, body: readonly Part[], options: readonly Option[] = []): Uint8Array {
    const { order } = this;
    const content = joined([padded(joined(body.map((part) => bytesOf(part, order)))), optionBytes(options, order)]);
    const length = bytesOf([content.length + 12, 4], order);
    return joined([bytesOf([type, 4], order), length, content, length]);
  }

  section(options: readonly Option[] = [], major = 1): Uint8Array {
    return this.block(0x0a0d0d0a, [[0x1a2b3c4d, 4], [major, 2], [0, 2], [-1, 8]], options); // prettier-ignore
  }

  interface(linkType: number, snapshotLength = 0, options: readonly Option[] = []): Uint8Array {
    return this.block(1, [[linkType, 2], [0, 2], [snapshotLength, 4]], options); // prettier-ignore
  }

  /** An enhanced packet block. */
  packet(
    id: number,
    time: bigint,
    data: Uint8Array,
    original = data.length,
    options: readonly Option[] = [],
  ): Uint8Array {
    const [high, low] = [time >> 32n, time & 0xffff_ffffn];
    return this.block(6, [[id, 4], [high, 4], [low, 4], [data.length, 4], [original, 4], data], options); // prettier-ignore
  }

  /** The packet block that the enhanced one has replaced. */
  oldPacket(id: number, time: bigint, data: Uint8Array, options: readonly Option[] = []): Uint8Array {
    const [high, low] = [time >> 32n, time & 0xffff_ffffn];
    const length = data.length;
    return this.block(2, [[id, 2], [0, 2], [high, 4], [low, 4], [length, 4], [length, 4], data], options); // prettier-ignore
  }

  /** A simple packet block. */
  simplePacket(original: number, data: Uint8Array): Uint8Array {
    return this.block(3, [[original, 4], data]);
  }
}
