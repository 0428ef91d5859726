// SPDX-License-Identifier: Apache-2.0
// Bytes of a file or a stream in order, as many behind each other as a record takes. What was handed out is never written
// over, so views of it stay good as long as somebody keeps them; beside these, one chunk is in memory, or one record.

/** Where bytes come from. */
export interface ByteSource {
  /** Fills the beginning of `into`: how many bytes came, 0 at the end, null where none have come yet. */
  read(into: Uint8Array): number | null;
}

const CHUNK_BYTES = 1 << 16;

export class ByteReader {
  /** The bytes at hand; `at` is the place of the next one. */
  bytes: Uint8Array;
  view: DataView;
  at = 0;
  /** No more will come than what is at hand. */
  hasEnded: boolean;
  private readonly source: ByteSource | null;
  /** Where the bytes at hand end, and where in the file they begin. */
  private end: number;
  private base = 0;

  /** Bytes that are all there, or a source of them. */
  constructor(from: Uint8Array | ByteSource) {
    const isWhole = from instanceof Uint8Array;
    this.bytes = isWhole ? from : new Uint8Array(CHUNK_BYTES);
    this.view = viewOf(this.bytes);
    this.end = isWhole ? from.length : 0;
    this.hasEnded = isWhole;
    this.source = isWhole ? null : from;
  }

  /** Offset in the file of the next byte. */
  get offset(): number {
    return this.base + this.at;
  }

  /** Gets `count` bytes from `at` on. Returns how many there are: fewer at the end, or where the rest has not come yet. */
  want(count: number): number {
    while (this.end - this.at < count && this.fill(count));
    return Math.min(this.end - this.at, count);
  }

  private fill(count: number): boolean {
    if (this.source === null || this.hasEnded) return false;
    if (this.end === this.bytes.length) this.makeRoom(count);
    const got = this.source.read(this.bytes.subarray(this.end));
    if (got === 0) this.hasEnded = true;
    else if (got !== null) this.end += got;
    return got !== 0 && got !== null;
  }

  /** A new chunk with what has not been read. It grows with what has come, not with what a damaged length asks for. */
  private makeRoom(count: number): void {
    const left = this.bytes.subarray(this.at, this.end);
    this.bytes = new Uint8Array(Math.max(CHUNK_BYTES, Math.min(count, 2 * left.length)));
    this.bytes.set(left);
    this.view = viewOf(this.bytes);
    this.base += this.at;
    this.at = 0;
    this.end = left.length;
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
