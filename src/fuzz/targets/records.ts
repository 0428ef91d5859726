// SPDX-License-Identifier: Apache-2.0
// Inputs that are lists of records of eight bytes, so that most changes of bytes leave the rest of an input as it was:
//
//   | kind u8 | arg u8 | at u16 | value u32 |      little-endian; bytes behind the last whole record mean nothing

export const RECORD_BYTES = 8;
/** Records of an input that are looked at. */
export const MAX_RECORDS = 64;

/** One record. */
export interface FuzzRecord {
  readonly kind: number;
  readonly arg: number;
  readonly at: number;
  readonly value: number;
}

/** What mutation knows of the records of a target. */
export interface RecordGrammar {
  /** Kinds are numbers below; larger ones are taken modulo. */
  readonly kinds: number;
  /** Values for `at` that mean something, offsets of registers for instance. */
  readonly places: readonly number[];
  /** Values for `value` that mean something. */
  readonly values: readonly number[];
}

export function record(kind: number, arg = 0, at = 0, value = 0): FuzzRecord {
  return { kind, arg, at, value };
}

/** The records of an input. */
export function decodeRecords(input: Uint8Array): FuzzRecord[] {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const records: FuzzRecord[] = [];
  for (let i = 0; i + RECORD_BYTES <= input.length && records.length < MAX_RECORDS; i += RECORD_BYTES) {
    records.push({
      kind: view.getUint8(i),
      arg: view.getUint8(i + 1),
      at: view.getUint16(i + 2, true),
      value: view.getUint32(i + 4, true),
    });
  }
  return records;
}

export function encodeRecords(records: readonly FuzzRecord[]): Uint8Array {
  const input = new Uint8Array(records.length * RECORD_BYTES);
  const view = new DataView(input.buffer);
  records.forEach(({ kind, arg, at, value }, i) => {
    view.setUint8(i * RECORD_BYTES, kind);
    view.setUint8(i * RECORD_BYTES + 1, arg);
    view.setUint16(i * RECORD_BYTES + 2, at, true);
    view.setUint32(i * RECORD_BYTES + 4, value, true);
  });
  return input;
}

/** A changed copy: one to four changes to records, the first of which is changed seldom. */
export function mutateRecords(
  input: Uint8Array,
  other: Uint8Array,
  random: () => number,
  grammar: RecordGrammar,
): Uint8Array {
  const records = decodeRecords(input);
  const others = decodeRecords(other);
  if (records.length === 0) records.push(freshRecord(random, grammar));
  for (let changes = 1 + (random() & 3); changes > 0; changes--) change(records, others, random, grammar);
  return encodeRecords(records.slice(0, MAX_RECORDS));
}

function change(
  records: FuzzRecord[],
  others: readonly FuzzRecord[],
  random: () => number,
  grammar: RecordGrammar,
): void {
  const hasBody = records.length > 1 && random() % 16 !== 0;
  const place = hasBody ? 1 + (random() % (records.length - 1)) : 0;
  const from = others.length < 2 ? undefined : others[1 + (random() % (others.length - 1))];
  switch (random() % 12) {
    case 0:
    case 1:
      records.splice(place + 1, 0, freshRecord(random, grammar));
      return;
    case 2:
      if (place > 0) records.splice(place, 1);
      return;
    case 3:
      records.splice(place + 1, 0, records[Math.max(place, records.length > 1 ? 1 : 0)]!);
      return;
    case 4: {
      const swap = 1 + (random() % records.length);
      if (place === 0 || swap >= records.length) return;
      [records[place], records[swap]] = [records[swap]!, records[place]!];
      return;
    }
    case 5:
      if (from !== undefined) records.splice(place + 1, 0, from);
      return;
    case 6:
      if (others.length > 1)
        records.splice(place + 1, records.length, ...others.slice(1 + (random() % (others.length - 1))));
      return;
    default:
      records[place] = changedRecord(records[place]!, random, grammar);
  }
}

function changedRecord(old: FuzzRecord, random: () => number, grammar: RecordGrammar): FuzzRecord {
  switch (random() % 8) {
    case 0:
      return { ...old, kind: random() % grammar.kinds };
    case 1:
      return { ...old, arg: random() & 0xff };
    case 2:
      return { ...old, arg: old.arg ^ (1 << (random() & 7)) };
    case 3:
      return { ...old, at: pick(grammar.places, random) & 0xffff };
    case 4:
      return { ...old, at: (old.at + (random() % 9) - 4) & 0xffff };
    case 5:
      return { ...old, value: pick(grammar.values, random) >>> 0 };
    case 6:
      return { ...old, value: (old.value + (random() % 9) - 4) >>> 0 };
    default:
      return { ...old, value: random() >>> (random() & 31) };
  }
}

function freshRecord(random: () => number, grammar: RecordGrammar): FuzzRecord {
  return {
    kind: random() % grammar.kinds,
    arg: random() & 0xff,
    at: random() % 4 === 0 ? random() & 0xffff : pick(grammar.places, random) & 0xffff,
    value: random() % 4 === 0 ? random() : pick(grammar.values, random) >>> 0,
  };
}

function pick(list: readonly number[], random: () => number): number {
  return list[random() % list.length]!;
}

/** Smaller versions of an input: with records left out, many at first, then with fields set to zero. */
export function* shrinkRecords(input: Uint8Array): Iterable<Uint8Array> {
  const records = decodeRecords(input);
  for (let length = records.length >> 1; length >= 1; length >>= 1) {
    for (let from = 1; from + length <= records.length; from += length) {
      yield encodeRecords([...records.slice(0, from), ...records.slice(from + length)]);
    }
  }
  for (const [i, one] of records.entries()) {
    for (const field of ['arg', 'at', 'value'] as const) {
      if (one[field] !== 0) yield encodeRecords(records.with(i, { ...one, [field]: 0 }));
    }
  }
}
