// SPDX-License-Identifier: Apache-2.0
// Headers of transaction layer packets (PCIe 4.0 §2.2), from the records of the trace. Doublewords are big-endian, as
// bytes follow each other on the wire; data keep the order of memory.
//
//   prefix of a request with PASID: | 1001 0001 | privileged, execute, 2, PASID 20 |
//   0  | fmt 3, type 5 | T9, TC 3, T8, 3 | TD, EP, attr 2, AT 2, length 10 |
//   4  | requester id 16 | tag 8 | last BE 4, first BE 4 |         requests
//   8  | address, 4 or 8 bytes |  or  | target id 16 | 0 | register 10, 2 |
//   4  | completer id 16 | status 3, BCM, byte count 12 |          completions
//   8  | requester id 16 | tag 8 | 0, lower address 7 |
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import type { TracedCard, TraceRecord } from './records.ts';

const FMT_4DW = 0x20;
const FMT_DATA = 0x40;
/** End-end prefix, type PASID. */
const PASID_PREFIX = 0x91;
const TYPE_CFG0 = 0x04;
const TYPE_CFG1 = 0x05;
const TYPE_CPL = 0x0a;
const TYPE_MSG_LOCAL = 0x14; // routing 100b: terminates at the receiver
const MSG_ASSERT_INTA = 0x20;
const MSG_DEASSERT_INTA = 0x24;
const POISONED = 0x4000;
/** The port above the card; its requests and completions carry this id. */
const ROOT_COMPLEX_ID = 0x0000;
/** Byte count of a completion for anything but a memory read. */
const FIXED_BYTE_COUNT = 4;

/** A packet as it was on the link. */
export interface Tlp {
  /** Header and as much of the data as was recorded. */
  readonly bytes: Uint8Array;
  /** Bytes of header and data. */
  readonly length: number;
  /** It is a request of the root complex, or answers one. */
  readonly isHostRequest: boolean;
  /** 0 for posted requests. */
  readonly tag: number;
}

/** Makes packets of the records of one card, which have to come in the order in which they were made. */
export class TlpEncoder {
  private readonly card: TracedCard;
  /** Open requests of the root complex that no byte count is kept for, by tag: configuration requests. */
  private readonly configRequests = new Set<number>();

  constructor(card: TracedCard) {
    this.card = card;
  }

  encode(record: TraceRecord): Tlp {
    const { sub, a, cLow, d } = record;
    const type = sub & TRACE.TLP_TYPE_MASK;
    const isDown = (sub & TRACE.TLP_DOWN) !== 0;
    const isCompletion = type === TRACE.TLP_CPL || type === TRACE.TLP_CPLD;
    const isConfig = type === TRACE.TLP_CFGRD || type === TRACE.TLP_CFGWR;
    const isMessage = type === TRACE.TLP_MSG;
    const isPosted = type === TRACE.TLP_MWR || isMessage;
    const is4Dw = isMessage || (!isCompletion && !isConfig && (sub & TRACE.TLP_4DW) !== 0);
    const hasData = type === TRACE.TLP_MWR || type === TRACE.TLP_CPLD || type === TRACE.TLP_CFGWR;
    const dataBytes = isMessage ? 0 : a & 0xffff;
    const lead = cLow & 3; // bytes of the first doubleword before the data
    // a read of nothing still names one doubleword
    const dwords = isMessage || type === TRACE.TLP_CPL ? 0 : Math.max(1, Math.ceil((lead + dataBytes) / 4));
    const tag = isPosted ? 0 : a >>> 16;
    const headerBytes = is4Dw ? 16 : 12;

    const data = hasData ? record.payload.subarray(0, dataBytes) : new Uint8Array();
    const prefixBytes = (sub & TRACE.TLP_PASID) === 0 ? 0 : 4;
    const length = prefixBytes + headerBytes + (hasData ? 4 * dwords : 0);
    const isWhole = data.length === dataBytes;
    const bytes = new Uint8Array(hasData && !isWhole ? prefixBytes + headerBytes : length);
    if (prefixBytes !== 0) new DataView(bytes.buffer).setUint32(0, PASID_PREFIX * 0x1000000 + d);
    const header = new DataView(bytes.buffer, prefixBytes, headerBytes);
    header.setUint8(0, (is4Dw ? FMT_4DW : 0) | (hasData ? FMT_DATA : 0) | this.typeBits(type, record.fn));
    header.setUint8(1, (((tag >>> 9) & 1) << 7) | (((tag >>> 8) & 1) << 3));
    header.setUint16(2, ((sub & TRACE.TLP_POISONED) === 0 ? 0 : POISONED) | (dwords & 0x3ff));
    if (isCompletion) this.completion(header, record, isDown, tag);
    else this.request(header, record, isDown, tag);
    if (hasData && isWhole) bytes.set(data, prefixBytes + headerBytes + lead);
    return { bytes, length, isHostRequest: isCompletion ? !isDown : isDown, tag };
  }

  private typeBits(type: number, fn: number): number {
    if (type === TRACE.TLP_CPL || type === TRACE.TLP_CPLD) return TYPE_CPL;
    if (type === TRACE.TLP_MSG) return TYPE_MSG_LOCAL;
    if (type !== TRACE.TLP_CFGRD && type !== TRACE.TLP_CFGWR) return 0; // memory
    // VFs beyond the card's own bus are reached by type 1 requests (§9.2.1.2)
    return this.idOf(fn) >>> 8 === this.idOf(0) >>> 8 ? TYPE_CFG0 : TYPE_CFG1;
  }

  private request(header: DataView, record: TraceRecord, isDown: boolean, tag: number): void {
    const { sub, a, fn, cLow, cHigh } = record;
    const type = sub & TRACE.TLP_TYPE_MASK;
    header.setUint16(4, isDown ? ROOT_COMPLEX_ID : this.idOf(fn));
    header.setUint8(6, tag & 0xff);
    if (type === TRACE.TLP_MSG) {
      header.setUint8(7, a === 0 ? MSG_DEASSERT_INTA : MSG_ASSERT_INTA);
      return;
    }
    header.setUint8(7, byteEnables(cLow & 3, a & 0xffff));
    if (type === TRACE.TLP_CFGRD || type === TRACE.TLP_CFGWR) {
      this.configRequests.add(tag);
      header.setUint16(8, this.idOf(fn));
      header.setUint16(10, cLow & 0xffc);
      return;
    }
    if (isDown && type === TRACE.TLP_MRD) this.configRequests.delete(tag); // the tag is in use for something else now
    if ((sub & TRACE.TLP_4DW) !== 0) {
      header.setUint32(8, cHigh);
      header.setUint32(12, (cLow & ~3) >>> 0);
    } else {
      header.setUint32(8, (cLow & ~3) >>> 0);
    }
  }

  private completion(header: DataView, { sub, fn, cLow, d }: TraceRecord, isDown: boolean, tag: number): void {
    const isOfConfig = !isDown && this.configRequests.delete(tag);
    const status = (sub >>> TRACE.TLP_STATUS_SHIFT) & 7;
    header.setUint16(4, isDown ? ROOT_COMPLEX_ID : this.idOf(fn));
    header.setUint16(6, (status << 13) | ((isOfConfig ? FIXED_BYTE_COUNT : d) & 0xfff));
    header.setUint16(8, isDown ? this.idOf(fn) : ROOT_COMPLEX_ID);
    header.setUint8(10, tag & 0xff);
    header.setUint8(11, isOfConfig ? 0 : cLow & 0x7f);
  }

  /** The id of a function; what belongs to none speaks for the card, which is the PF. */
  private idOf(fn: number): number {
    return this.card.routingId(fn === TRACE.NOBODY ? 0 : fn);
  }
}

/** Byte enables of `bytes` bytes from byte `lead` of a doubleword on: the last doubleword's above the first one's. */
function byteEnables(lead: number, bytes: number): number {
  const end = lead + bytes;
  if (end <= 4) return ((1 << bytes) - 1) << lead;
  const first = (0xf << lead) & 0xf;
  const last = (1 << (((end - 1) & 3) + 1)) - 1;
  return (last << 4) | first;
}
