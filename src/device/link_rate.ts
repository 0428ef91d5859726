// SPDX-License-Identifier: Apache-2.0
// The rate of a PCIe link as exact fractions: how long a byte takes, and what ACK, UpdateFC and skip ordered sets take
// of that (PCIe 6.0 §4.2, §3.6.3.1, §2.6.1.2; the closed formula is pcie-model's). All figures are for one direction.

/** Transfers a second and lane in GT/s by generation, as a fraction. */
const TRANSFERS: readonly (readonly [bigint, bigint])[] = [
  [0n, 1n],
  [5n, 2n],
  [5n, 1n],
  [8n, 1n],
  [16n, 1n],
  [32n, 1n],
  [64n, 1n],
];

/** Bytes between two skip ordered sets, and bytes of one. */
const SKIP_INTERVAL = 1538n;
const SKIP_BYTES = 4n;
const DLLP_BYTES = 8n;
/** Framing of a TLP and its LCRC before flit mode. */
const FRAMING_BYTES = 8;
const DIGEST_BYTES = 4;
const DWORD = 4;

/** What the core has to know. */
export interface LinkRate {
  /** A byte takes `byteNum / byteDen` cycles. */
  readonly byteNum: number;
  readonly byteDen: number;
  /** Debt that a byte of a TLP adds, and that a byte of a DLLP pays. */
  readonly dllpDebt: number;
  readonly dllpByte: number;
  /** Bytes of a TLP without data, with a header of 3 and of 4 dwords. */
  readonly tlp3Dw: number;
  readonly tlp4Dw: number;
}

/** The values of a profile that enter. */
export interface LinkShape {
  readonly clockPs: number;
  /** 1..6, or 0 for a wire of `rateGbps`. */
  readonly generation: number;
  readonly lanes: number;
  readonly rateGbps: number;
  readonly mpsBytes: number;
  readonly hasDllps: boolean;
  readonly hasDigest: boolean;
}

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

function reduced(num: bigint, den: bigint): [bigint, bigint] {
  const common = gcd(num, den);
  return [num / common, den / common];
}

/** 8b/10b, then 128b/130b, then flits: of 256 bytes, 236 are TLPs. */
function coding(generation: number): readonly [bigint, bigint] {
  if (generation <= 2) return [8n, 10n];
  return generation <= 5 ? [128n, 130n] : [236n, 256n];
}

/** Bits a second of one direction in Gb/s, as a fraction, before anything but the coding is taken off. */
function rate({ generation, lanes, rateGbps }: LinkShape): [bigint, bigint] {
  if (generation === 0) return reduced(BigInt(Math.round(rateGbps * 1e6)), 1_000_000n);
  const [transfers, of] = TRANSFERS[generation]!;
  const [data, symbol] = coding(generation);
  return reduced(transfers * data * BigInt(lanes), of * symbol);
}

/**
 * Bytes between two ACKs, and between two UpdateFCs, by the guide of the specification:
 * (MPS + 28) * factor / lanes + delay, in symbol times.
 */
export function dllpInterval(generation: number, lanes: number, mpsBytes: number): number {
  const tenths = mpsBytes > 256 ? (lanes > 8 ? 20 : 10) : lanes > 8 ? 30 : lanes > 4 ? 25 : 14;
  const delay = generation === 1 ? 19 : generation === 2 ? 70 : 115;
  return Math.floor(((mpsBytes + 28) * tenths) / (10 * lanes)) + delay;
}

/** Share of the rate that ACKs, UpdateFCs and skip ordered sets take, as a fraction; none in flit mode. */
function overhead(shape: LinkShape): [bigint, bigint] {
  if (!shape.hasDllps || shape.generation === 0 || shape.generation >= 6) return [0n, 1n];
  const interval = BigInt(dllpInterval(shape.generation, shape.lanes, shape.mpsBytes));
  return reduced(2n * DLLP_BYTES * SKIP_INTERVAL + SKIP_BYTES * interval, interval * SKIP_INTERVAL);
}

/** Rate of the link in Gb/s: after the coding, and what is left for TLPs. */
export function linkGbps(shape: LinkShape): { raw: number; tlp: number } {
  const [num, den] = rate(shape);
  const [taken, of] = overhead(shape);
  const bits = Number(num) / Number(den);
  // flits carry DLLPs beside the TLPs: 242 of 256 bytes are one or the other
  const raw = shape.generation >= 6 ? (bits * 242) / 236 : bits;
  return { raw, tlp: bits * (1 - Number(taken) / Number(of)) };
}

/** The fractions for the core. Exact as long as they fit 31 bits, which every clock of whole picoseconds gives. */
export function linkRate(shape: LinkShape): LinkRate {
  const [num, den] = rate(shape);
  // 8 bits at num / den Gb/s, in cycles of clockPs
  let [byteNum, byteDen] = reduced(8000n * den, num * BigInt(shape.clockPs));
  while (byteNum >= 1n << 31n || byteDen >= 1n << 31n) [byteNum, byteDen] = [byteNum >> 1n, byteDen >> 1n];
  const [taken, of] = overhead(shape);
  const [dllpDebt, dllpByte] = reduced(taken, of - taken);
  const framing = (shape.generation >= 6 ? 0 : FRAMING_BYTES) + (shape.hasDigest ? DIGEST_BYTES : 0);
  return {
    byteNum: Number(byteNum),
    byteDen: Number(byteDen),
    dllpDebt: Number(dllpDebt),
    dllpByte: Number(dllpByte),
    tlp3Dw: framing + 3 * DWORD,
    tlp4Dw: framing + 4 * DWORD,
  };
}
