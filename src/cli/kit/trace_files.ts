// SPDX-License-Identifier: Apache-2.0
// The files that a trace can become, and writing one: a file that nothing of the run was for is still whole, so a person is
// told that it is empty.
import * as TRACE from '../../../assembly/abi/trace_kind.ts';
import {
  framePieces,
  perfettoPieces,
  tlpPieces,
  vcdPieces,
  type TracedCard,
  type TraceRecord,
} from '../../trace/index.ts';
import type { CommandFiles } from './command_files.ts';

export type TraceFormatName = 'vcd' | 'perfetto' | 'pcapng' | 'tlp';

export interface TraceFormat {
  /** Name of the option that asks for it. */
  readonly name: TraceFormatName;
  readonly about: string;
  /** What has to be recorded for it. */
  readonly mask: number;
  /** What it shows, in one word, and which records that is, by their kind. */
  readonly shows: string;
  holds(kind: number): boolean;
  pieces(card: TracedCard, records: Iterable<TraceRecord>): Iterable<string | Uint8Array>;
}

export const VCD: TraceFormat = {
  name: 'vcd',
  about: 'signals, for GTKWave or Surfer',
  mask: TRACE.MASK_STATE | TRACE.MASK_TLP,
  shows: 'signals',
  holds: (kind) => kind !== TRACE.FRAME,
  pieces: vcdPieces,
};

export const PCAPNG: TraceFormat = {
  name: 'pcapng',
  about: 'frames of every function and the wire, for Wireshark',
  mask: TRACE.MASK_FRAMES,
  shows: 'frames',
  holds: (kind) => kind === TRACE.FRAME,
  pieces: framePieces,
};

export const TRACE_FORMATS: readonly TraceFormat[] = [
  VCD,
  {
    name: 'perfetto',
    about: 'timeline, for ui.perfetto.dev',
    mask: TRACE.MASK_STATE | TRACE.MASK_TLP | TRACE.MASK_FRAMES,
    shows: 'events',
    holds: () => true,
    pieces: perfettoPieces,
  },
  PCAPNG,
  {
    name: 'tlp',
    about: "TLPs in NetTLP's datagrams, for Wireshark",
    mask: TRACE.MASK_TLP | TRACE.MASK_DATA,
    shows: 'TLPs',
    holds: (kind) => kind === TRACE.TLP,
    pieces: tlpPieces,
  },
];

/** A file that was written, and how many records it holds. */
export interface TraceFile {
  readonly format: TraceFormatName;
  readonly path: string;
  readonly bytes: number;
  readonly records: number;
  /** Where it holds none: what a person is told. */
  readonly note?: string;
}

/** Writes the file of the option that has the format's name; `remedy` says where a run would be that has something for it. */
export function writeTrace(
  files: CommandFiles,
  { name, shows, holds, pieces }: TraceFormat,
  card: TracedCard,
  records: Iterable<TraceRecord>,
  remedy = '',
): TraceFile | null {
  const path = files.pathOf(`--${name}`);
  if (path === undefined) return null;
  let bytes = 0;
  let held = 0;
  const heldRecords = tapped(records, ({ kind }) => {
    if (holds(kind)) held++;
  });
  files.write(
    `--${name}`,
    tapped(pieces(card, heldRecords), (piece) => {
      bytes += Buffer.byteLength(piece);
    }),
  );
  const file = { format: name, path, bytes, records: held };
  if (held > 0) return file;
  const note = `--${name} ${path} holds no ${shows}: the run has none${remedy}`;
  files.remark(note);
  return { ...file, note };
}

/** Hands on what `items` gives, and shows each to `look`. */
function* tapped<T>(items: Iterable<T>, look: (item: T) => void): Generator<T, void, void> {
  for (const item of items) {
    look(item);
    yield item;
  }
}
