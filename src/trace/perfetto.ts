// SPDX-License-Identifier: Apache-2.0
// Perfetto's trace format (protos/perfetto/trace/trace.proto of github.com/google/perfetto): a list of packets, each a track
// descriptor or a track event. Names are interned, times are in nanoseconds of simulated time.
//
// Slices of one track have to nest. Those that do not are spread over several tracks with the same name and parent, which
// the viewer shows as one.
import { nanoseconds } from './records.ts';
import { ProtoMessage } from './protobuf.ts';

// field numbers of the published schema
const TRACE = { packet: 1 } as const;
const PACKET = {
  timestamp: 8,
  sequenceId: 10,
  trackEvent: 11,
  internedData: 12,
  sequenceFlags: 13,
  trackDescriptor: 60,
} as const;
const DESCRIPTOR = {
  uuid: 1,
  name: 2,
  process: 3,
  parentUuid: 5,
  counter: 8,
  childOrdering: 11,
  siblingOrderRank: 12,
} as const;
const PROCESS = { pid: 1, name: 6 } as const;
const COUNTER = { unit: 3 } as const;
const EVENT = {
  annotations: 4,
  type: 9,
  nameIid: 10,
  trackUuid: 11,
  categories: 22,
  counterValue: 30,
  flowIds: 47,
} as const;
const ANNOTATION = { nameIid: 1, uint: 3, text: 6, pointer: 7 } as const;
const INTERNED = { eventNames: 2, annotationNames: 3 } as const;
const INTERNED_NAME = { iid: 1, name: 2 } as const;

const UNIT_COUNT = 2;
const ORDER_EXPLICIT = 3;
const TYPE_SLICE_BEGIN = 1;
const TYPE_SLICE_END = 2;
const TYPE_INSTANT = 3;
const TYPE_COUNTER = 4;
const FLAG_STATE_CLEARED = 1;
const FLAG_NEEDS_STATE = 2;
const SEQUENCE = 1;

/** A 64-bit number, an address for instance. */
export interface Wide {
  readonly low: number;
  readonly high: number;
}

/** What a slice says about itself. */
export type Annotations = Readonly<Record<string, number | string | Wide>>;

/** Something that lasted, in core cycles. */
export interface Slice {
  readonly name: string;
  readonly category: string;
  readonly begin: number;
  /** Undefined for what has no duration. */
  readonly end?: number;
  readonly annotations?: Annotations;
  /** Ids of the flows that pass through it. */
  readonly flows?: readonly number[];
  /** Inside it, in order, one after the other. */
  readonly children?: readonly Slice[];
}

/** A slice that grows. */
export interface OpenSlice extends Slice {
  name: string;
  end: number;
  annotations: Record<string, Annotations[string]>;
  flows: number[];
  children: OpenSlice[];
}

export function openSlice(name: string, category: string, begin: number, annotations: Annotations = {}): OpenSlice {
  return { name, category, begin, end: begin, annotations: { ...annotations }, flows: [], children: [] };
}

/** A line of the viewer: slices, or the values of a counter; what lies below it has it as parent. */
export class Track {
  readonly slices: Slice[] = [];
  readonly values: { time: number; value: number }[] = [];
  readonly children = new Map<string, Track>();
  readonly name: string;
  private readonly isCounter: boolean;

  constructor(name: string, isCounter = false) {
    this.name = name;
    this.isCounter = isCounter;
  }

  /** The track of this name below this one. */
  child(name: string): Track {
    return this.below(name, false);
  }

  counter(name: string): Track {
    return this.below(name, true);
  }

  get hasValues(): boolean {
    return this.isCounter;
  }

  private below(name: string, isCounter: boolean): Track {
    let found = this.children.get(name);
    if (found === undefined) this.children.set(name, (found = new Track(name, isCounter)));
    return found;
  }
}

/** Numbers for names, with the packet fields that declare new ones. */
class Names {
  private readonly iids = new Map<string, number>();
  private readonly field: number;

  constructor(field: number) {
    this.field = field;
  }

  /** The number of a name; declares it in `data` when it is new. */
  iid(name: string, data: ProtoMessage): number {
    let iid = this.iids.get(name);
    if (iid === undefined) {
      iid = this.iids.size + 1;
      this.iids.set(name, iid);
      data.message(this.field, new ProtoMessage().uint(INTERNED_NAME.iid, iid).text(INTERNED_NAME.name, name));
    }
    return iid;
  }
}

/** An event with its place in time. */
interface Timed {
  readonly time: number;
  readonly uuid: number;
  readonly type: number;
  readonly slice?: Slice;
  readonly value?: number;
}

/** A trace file piece by piece; `process` is the track of all tracks. */
export function* trackPieces(process: Track, clockPs: number): Generator<Uint8Array, void, void> {
  const descriptors: ProtoMessage[] = [];
  const events: Timed[] = [];
  let uuids = 0;
  const describe = (track: Track, parent: number, rank: number): void => {
    const uuid = ++uuids;
    descriptors.push(descriptor(track, uuid, parent, rank));
    for (const { time, value } of track.values) events.push({ time, uuid, type: TYPE_COUNTER, value });
    const lanes = lanesOf(track.slices);
    lanes.forEach((lane, i) => {
      const laneUuid = i === 0 ? uuid : ++uuids;
      if (i > 0) descriptors.push(descriptor(track, laneUuid, parent, rank));
      for (const slice of lane) put(events, laneUuid, slice);
    });
    [...track.children.values()].forEach((child, i) => describe(child, uuid, i));
  };
  describe(process, 0, 0);
  // what is equal in time stays in order: within a track it is what nests the slices
  events.sort((one, other) => one.time - other.time);

  const packet = (): ProtoMessage => new ProtoMessage().uint(PACKET.sequenceId, SEQUENCE);
  const written = (message: ProtoMessage): Uint8Array => new ProtoMessage().message(TRACE.packet, message).finish();
  for (const [i, message] of descriptors.entries()) {
    const first = packet();
    if (i === 0) first.uint(PACKET.sequenceFlags, FLAG_STATE_CLEARED);
    yield written(first.message(PACKET.trackDescriptor, message));
  }
  const names = { events: new Names(INTERNED.eventNames), annotations: new Names(INTERNED.annotationNames) };
  for (const timed of events) {
    const data = new ProtoMessage();
    const event = eventMessage(timed, names, data);
    const message = packet()
      .uint(PACKET.timestamp, nanoseconds(timed.time, clockPs))
      .uint(PACKET.sequenceFlags, FLAG_NEEDS_STATE);
    if (data.finish().length > 0) message.message(PACKET.internedData, data);
    yield written(message.message(PACKET.trackEvent, event));
  }
}

function descriptor(track: Track, uuid: number, parent: number, rank: number): ProtoMessage {
  const message = new ProtoMessage().uint(DESCRIPTOR.uuid, uuid).text(DESCRIPTOR.name, track.name);
  if (parent === 0) {
    return message.message(DESCRIPTOR.process, new ProtoMessage().uint(PROCESS.pid, 1).text(PROCESS.name, track.name));
  }
  message.uint(DESCRIPTOR.parentUuid, parent).uint(DESCRIPTOR.siblingOrderRank, rank);
  if (track.hasValues) message.message(DESCRIPTOR.counter, new ProtoMessage().uint(COUNTER.unit, UNIT_COUNT));
  if (track.children.size > 0) message.uint(DESCRIPTOR.childOrdering, ORDER_EXPLICIT);
  return message;
}

/** Spreads slices so that no two of one lane overlap; a lane is taken again as soon as it is free. */
function lanesOf(slices: readonly Slice[]): readonly (readonly Slice[])[] {
  const lanes: Slice[][] = [];
  const ends: number[] = [];
  for (const slice of slices.toSorted((one, other) => one.begin - other.begin)) {
    let lane = ends.findIndex((end) => end <= slice.begin);
    if (lane < 0) lane = lanes.push([]) - 1;
    lanes[lane]!.push(slice);
    ends[lane] = slice.end ?? slice.begin;
  }
  return lanes;
}

function put(events: Timed[], uuid: number, slice: Slice): void {
  const { begin, end, children = [] } = slice;
  if (end === undefined) {
    events.push({ time: begin, uuid, type: TYPE_INSTANT, slice });
    return;
  }
  events.push({ time: begin, uuid, type: TYPE_SLICE_BEGIN, slice });
  for (const child of children) put(events, uuid, child);
  events.push({ time: end, uuid, type: TYPE_SLICE_END });
}

function eventMessage(
  { uuid, type, slice, value }: Timed,
  names: { readonly events: Names; readonly annotations: Names },
  data: ProtoMessage,
): ProtoMessage {
  const event = new ProtoMessage().uint(EVENT.type, type).uint(EVENT.trackUuid, uuid);
  if (value !== undefined) event.uint(EVENT.counterValue, value);
  if (slice === undefined) return event;
  event.text(EVENT.categories, slice.category).uint(EVENT.nameIid, names.events.iid(slice.name, data));
  for (const flow of slice.flows ?? []) event.fixed64(EVENT.flowIds, flow);
  for (const [name, item] of Object.entries(slice.annotations ?? {})) {
    const annotation = new ProtoMessage().uint(ANNOTATION.nameIid, names.annotations.iid(name, data));
    if (typeof item === 'number') annotation.uint(ANNOTATION.uint, item);
    else if (typeof item === 'string') annotation.text(ANNOTATION.text, item);
    else annotation.uint64(ANNOTATION.pointer, item.low, item.high);
    event.message(EVENT.annotations, annotation);
  }
  return event;
}
