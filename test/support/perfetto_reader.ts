// SPDX-License-Identifier: Apache-2.0
// Reads a Perfetto trace by its schema (test/fixtures/perfetto_trace.proto) and puts its slices together, as the viewer
// does. Refuses what the format does not allow: ends without a begin, names and tracks that nobody declared.
import protobuf from 'protobufjs';

import { repoPath } from './repo.ts';

/** A slice with its path of track names, in nanoseconds; an instant has no duration. */
export interface ReadSlice {
  readonly track: string;
  readonly name: string;
  readonly category: string;
  readonly begin: number;
  end: number | undefined;
  /** 0 for a slice that lies in no other. */
  readonly depth: number;
  readonly flows: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** A trace as read. */
export interface ReadTrace {
  /** Paths of all tracks, from the process on. */
  readonly tracks: readonly string[];
  readonly slices: readonly ReadSlice[];
  /** Values by path of the counter: [nanoseconds, value]. */
  readonly counters: Readonly<Record<string, [number, number][]>>;
}

interface Packet {
  readonly timestamp?: string;
  readonly sequenceFlags?: number;
  readonly trustedPacketSequenceId: number;
  readonly internedData?: { readonly eventNames?: Named[]; readonly debugAnnotationNames?: Named[] };
  readonly trackDescriptor?: {
    readonly uuid: string;
    readonly name: string;
    readonly parentUuid?: string;
    readonly process?: object;
  };
  readonly trackEvent?: {
    readonly type: string;
    readonly trackUuid: string;
    readonly nameIid?: string;
    readonly categories?: string[];
    readonly counterValue?: string;
    readonly flowIds?: string[];
    readonly debugAnnotations?: {
      readonly nameIid: string;
      readonly uintValue?: string;
      readonly pointerValue?: string;
      readonly stringValue?: string;
    }[];
  };
}

interface Named {
  readonly iid: string;
  readonly name: string;
}

const schema = protobuf.loadSync(repoPath('test/fixtures/perfetto_trace.proto')).lookupType('perfetto.protos.Trace');

/** The packets of a file; 64-bit numbers are decimal texts. */
export function perfettoPackets(file: Uint8Array): readonly Packet[] {
  const decoded = schema.toObject(schema.decode(file), { longs: String, enums: String }) as { packet?: Packet[] };
  return decoded.packet ?? [];
}

/** Reads a whole file. */
export function readPerfetto(file: Uint8Array): ReadTrace {
  const packets = perfettoPackets(file);
  const paths = new Map<string, string>();
  for (const { trackDescriptor: track } of packets) {
    if (track === undefined) continue;
    const parent =
      track.process === undefined ? need(paths.get(track.parentUuid ?? ''), 'parent of a track') : undefined;
    paths.set(track.uuid, parent === undefined ? track.name : `${parent}/${track.name}`);
  }

  const names = new Map<string, string>();
  const annotationNames = new Map<string, string>();
  const stacks = new Map<string, ReadSlice[]>();
  const slices: ReadSlice[] = [];
  const counters: Record<string, [number, number][]> = {};
  let last = 0;
  for (const { timestamp, internedData, trackEvent: event } of packets) {
    for (const { iid, name } of internedData?.eventNames ?? []) names.set(iid, name);
    for (const { iid, name } of internedData?.debugAnnotationNames ?? []) annotationNames.set(iid, name);
    if (event === undefined) continue;
    const time = Number(need(timestamp, 'time of an event'));
    if (time < last) throw new Error(`time goes back from ${last} to ${time}`);
    last = time;
    const track = need(paths.get(event.trackUuid), 'track of an event');
    const stack = stacks.get(event.trackUuid) ?? [];
    stacks.set(event.trackUuid, stack);
    if (event.type === 'TYPE_COUNTER') {
      (counters[track] ??= []).push([time, Number(need(event.counterValue, 'value of a counter'))]);
    } else if (event.type === 'TYPE_SLICE_END') {
      need(stack.pop(), 'begin of a slice').end = time;
    } else {
      const annotations = (event.debugAnnotations ?? []).map(
        ({ nameIid, uintValue, pointerValue, stringValue }) =>
          [
            need(annotationNames.get(nameIid), 'annotation'),
            need(stringValue ?? uintValue ?? pointerValue, 'value'),
          ] as const,
      );
      const slice = {
        track,
        name: need(names.get(event.nameIid ?? ''), 'name of a slice'),
        category: need(event.categories?.[0], 'category'),
        begin: time,
        end: undefined,
        depth: stack.length,
        flows: event.flowIds ?? [],
        annotations: Object.fromEntries(annotations),
      };
      slices.push(slice);
      if (event.type === 'TYPE_SLICE_BEGIN') stack.push(slice);
    }
  }
  for (const stack of stacks.values()) if (stack.length > 0) throw new Error(`${stack[0]!.name} does not end`);
  return { tracks: [...new Set(paths.values())], slices, counters };
}

function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is not there`);
  return value;
}
