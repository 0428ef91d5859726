// SPDX-License-Identifier: Apache-2.0
// A nested HWPT: the first stage is a page table that a guest keeps in its own memory, the second its parent, a paging
// HWPT. The table has the format of VT-d's first stage (4 levels, 48 bits; Intel VT-d 5.0 §9.7). The card holds the two
// stages composed: they are walked when the HWPT is allocated and at each invalidation, so, as with an IOMMU in caching
// mode, a guest invalidates after every change, of absent entries too. What the parent loses is lost at once.
import type { Nic } from '../device/nic.ts';
import { VfioError } from '../util/errors.ts';
import { areaSource } from './area_list.ts';
import { Hwpt, type FirstStage, type HwptPaging } from './hwpt.ts';
import type { IoPageTable } from './io_page_table.ts';
import { offsetOf, PAGE_BYTES, readSource, sourceAt, type MemorySource } from './memory_source.ts';
import type { ObjectTable } from './object_table.ts';

/** IOMMU_HWPT_DATA_VTD_S1. */
export interface VtdStage1 {
  /** Guest physical address of the top table. */
  readonly pgtblAddr: number;
  /** Bits of an address: 48 is what there is. */
  readonly addrWidth: number;
}

const ENTRIES = 512;
const LEVELS = 4;
const PRESENT = 1n;
const WRITABLE = 2n;
const LARGE = 0x80n;
const ADDRESS_MASK = 0x000f_ffff_ffff_f000n;
/** Composed pieces of one table, and tables of it; beyond that the guest maps nonsense, or more than the card can hold. */
const PIECES_MAX = 16384;
const TABLES_MAX = 4096;

/** A piece that both stages map. */
interface Piece {
  readonly iova: number;
  readonly gpa: number;
  length: number;
  readonly source: MemorySource;
  readonly read: boolean;
  readonly write: boolean;
}

export class HwptNested extends Hwpt implements FirstStage {
  readonly parent: HwptPaging;
  private readonly root: number;
  private pieces: readonly Piece[] = [];

  constructor(table: ObjectTable, nic: Nic, parent: HwptPaging, data: VtdStage1, isPasid: boolean) {
    super(table, nic, isPasid);
    this.parent = parent;
    this.root = data.pgtblAddr;
    parent.users++;
    parent.nested.add(this);
    try {
      this.invalidate();
    } catch (error) {
      this.release();
      throw error;
    }
  }

  get ioas(): IoPageTable {
    return this.parent.ioas;
  }

  /** IOMMU_HWPT_INVALIDATE of everything: the guest's table is read anew. ENOMEM: more pieces than the card can hold. */
  invalidate(): void {
    const pieces = this.walk();
    this.drop(this.pieces);
    this.pieces = pieces.filter((piece) => this.space.tryMap(piece.iova, piece.length, piece.source, piece));
    if (this.pieces.length < pieces.length) {
      throw new VfioError('ENOMEM', `the card has no room for ${pieces.length} pieces; map larger pages`);
    }
  }

  /** The parent has lost guest physical addresses. */
  onParentUnmap(gpa: number, length: number): void {
    const isLost = (piece: Piece): boolean => piece.gpa < gpa + length && gpa < piece.gpa + piece.length;
    this.drop(this.pieces.filter(isLost));
    this.pieces = this.pieces.filter((piece) => !isLost(piece));
  }

  override release(): void {
    super.release();
    this.parent.nested.delete(this);
    this.parent.users--;
  }

  private drop(pieces: readonly Piece[]): void {
    for (const { iova, length } of pieces) this.space.unmap(iova, length);
  }

  /** Follows the guest's table; what either stage does not map is left out. */
  private walk(): Piece[] {
    const pieces: Piece[] = [];
    let tables = 0;
    const visit = (table: number, level: number, base: number, isWritable: boolean): void => {
      const entries = this.readTable(table);
      if (entries === null) return;
      if (++tables > TABLES_MAX) throw new VfioError('ENOMEM', `the guest's table has over ${TABLES_MAX} tables`);
      const span = PAGE_BYTES * ENTRIES ** (level - 1);
      for (let i = 0; i < ENTRIES; i++) {
        const entry = entries.getBigUint64(8 * i, true);
        if ((entry & PRESENT) === 0n) continue;
        const address = Number(entry & ADDRESS_MASK);
        const canWrite = isWritable && (entry & WRITABLE) !== 0n;
        const iova = base + i * span;
        const isLeaf = level === 1 || (level < LEVELS && (entry & LARGE) !== 0n);
        if (isLeaf) this.addPieces(pieces, iova, address - (address % span), span, canWrite);
        else visit(address, level - 1, iova, canWrite);
      }
    };
    visit(this.root, LEVELS, 0, true);
    return pieces;
  }

  /** Adds what the second stage has behind a guest's page, joined to the piece before where both continue it. */
  private addPieces(pieces: Piece[], iova: number, gpa: number, length: number, canWrite: boolean): void {
    const range = { start: gpa, last: gpa + length - 1 };
    for (let at = range.start; at <= range.last;) {
      const area = this.ioas.areas.firstIn({ start: at, last: range.last });
      if (area === undefined) return;
      at = Math.max(at, area.iova);
      const bytes = Math.min(area.iova + area.length - 1, range.last) - at + 1;
      const piece: Piece = {
        iova: iova + at - gpa,
        gpa: at,
        length: bytes,
        source: areaSource(area, at),
        read: area.options.read === true,
        write: area.options.write === true && canWrite,
      };
      const before = pieces.at(-1);
      if (before !== undefined && continues(before, piece)) before.length += bytes;
      else if (piece.read || piece.write) pieces.push(piece);
      if (pieces.length > PIECES_MAX) throw new VfioError('ENOMEM', `the guest's table has over ${PIECES_MAX} pieces`);
      at += bytes;
    }
  }

  /** One table of the guest, null where its memory is not mapped for reading. */
  private readTable(gpa: number): DataView | null {
    const area = this.ioas.areas.firstIn({ start: gpa, last: gpa });
    if (area === undefined || area.options.read !== true) return null;
    const bytes = new Uint8Array(PAGE_BYTES);
    return readSource(this.nic, areaSource(area, gpa), bytes) ? new DataView(bytes.buffer) : null;
  }
}

function continues(before: Piece, piece: Piece): boolean {
  const next = sourceAt(before.source, before.length);
  const isSameMemory =
    'window' in next || 'window' in piece.source
      ? 'window' in next && 'window' in piece.source
      : next.foreign === piece.source.foreign;
  return (
    isSameMemory &&
    offsetOf(next) === offsetOf(piece.source) &&
    before.iova + before.length === piece.iova &&
    before.gpa + before.length === piece.gpa &&
    before.read === piece.read &&
    before.write === piece.write
  );
}
