// SPDX-License-Identifier: Apache-2.0
// What becomes of the chains of a queue, put together from the records of jobs, DMA reads, doorbells and messages.
//
// A chain lasts until the message that tells the driver of it has arrived. A message tells of all chains that were
// used since the decision before it; a decision without a message leaves its chains without one.
import {
  JOB_EXECUTE,
  JOB_FREE,
  JOB_GATHER,
  JOB_READY,
  JOB_RETIRE,
  JOB_RX_HEAD,
  JOB_RX_WALK,
  JOB_WALK,
  NOTIFY_IDLE,
} from '../../assembly/abi/function_state.ts';
import * as T from '../../assembly/abi/trace_kind.ts';
import * as ADMIN from '../../assembly/abi/virtio_admin.ts';
import type { Annotations, Slice, Track, Wide } from './perfetto.ts';
import { functionName, nanoseconds, type TracedCard, type TraceRecord } from './records.ts';

const PHASES: ReadonlyMap<number, string> = new Map([
  [JOB_WALK, 'walk'],
  [JOB_GATHER, 'gather'],
  [JOB_READY, 'wait for its turn'],
  [JOB_EXECUTE, 'execute'],
  [JOB_RETIRE, 'retire'],
  [JOB_RX_HEAD, 'wait for a buffer'],
  [JOB_RX_WALK, 'walk buffer'],
]);

const COMMAND_PREFIX = 'VIRTIO_ADMIN_CMD_';
/** Names that stand for a limit, not for a command. */
const NO_COMMANDS = new Set(['VIRTIO_ADMIN_CMD_HIGHEST_ASSIGNED', 'VIRTIO_ADMIN_CMD_RESERVED_FROM']);
const COMMANDS: ReadonlyMap<number, string> = new Map(
  Object.entries(ADMIN)
    .filter(([name, value]) => name.startsWith(COMMAND_PREFIX) && typeof value === 'number' && !NO_COMMANDS.has(name))
    .map(([name, value]) => [value as number, name.slice(COMMAND_PREFIX.length)]),
);

const NO_TAG = 0xffff;
const NO_QUEUE = 0xffff;

/** A slice that grows. */
interface OpenSlice extends Slice {
  name: string;
  end: number;
  annotations: Record<string, number | string | Wide>;
  flows: number[];
  children: OpenSlice[];
}

interface Chain {
  readonly queue: string;
  readonly slice: OpenSlice;
  readonly track: Track;
  phase: OpenSlice | null;
}

/** A read on its way. */
interface Read {
  readonly begin: number;
  readonly address: Wide;
  readonly owner: number;
  readonly fn: number;
  readonly bytes: number;
  tag: number;
  issued: number;
  served: number;
}

interface QueueState {
  doorbell: OpenSlice | null;
  /** Used since the last message, with the time of the decision about it. */
  used: { readonly chain: OpenSlice; decided: number }[];
}

function openSlice(name: string, category: string, begin: number, annotations: Annotations = {}): OpenSlice {
  return { name, category, begin, end: begin, annotations: { ...annotations }, flows: [], children: [] };
}

/** Collects the chains of all queues. */
export class ChainTimeline {
  private readonly card: TracedCard;
  private readonly functionTrack: (fn: number) => Track;
  private readonly open = new Map<number, Chain>();
  private readonly reads = new Map<number, Read>();
  private readonly queues = new Map<string, QueueState>();
  private flows = 0;

  constructor(card: TracedCard, functionTrack: (fn: number) => Track) {
    this.card = card;
    this.functionTrack = functionTrack;
  }

  take(record: TraceRecord): void {
    if (record.kind === T.TRACE_JOB) this.takeJob(record);
    else if (record.kind === T.TRACE_DMA) this.takeRead(record);
    else if (record.kind === T.TRACE_DOORBELL) this.takeDoorbell(record);
    else if (record.kind === T.TRACE_MSIX) this.takeMessage(record);
    else if (record.kind === T.TRACE_QUEUE) this.takeDecision(record);
  }

  /** Ends what is still under way when the trace does. */
  finish(time: number): void {
    for (const chain of this.open.values()) {
      chain.slice.annotations['unfinished'] = 1;
      this.endChain(chain, time);
    }
    for (const read of this.reads.values()) this.endRead(read, time, 'DMA read (unfinished)');
  }

  private takeJob({ time, fn, sub, a, b, cLow, cHigh, d }: TraceRecord): void {
    let chain = this.open.get(a);
    if (chain === undefined) {
      if (b === JOB_FREE) return; // the trace began after it
      chain = this.beginChain(time, fn, sub, b);
      if (b !== JOB_EXECUTE) chain.slice.annotations['head'] = cLow;
      this.open.set(a, chain);
    }
    if (chain.phase !== null) chain.phase.end = time;
    const isAdmin = fn === 0 && sub === this.card.adminQueue;
    if (isAdmin && b === JOB_EXECUTE) {
      chain.slice.name = COMMANDS.get(cLow) ?? `opcode 0x${cLow.toString(16)}`;
      chain.slice.annotations['member'] = functionName(cHigh);
    }
    if (b !== JOB_FREE) {
      chain.phase = openSlice(PHASES.get(b) ?? `state ${b}`, 'job', time);
      chain.slice.children.push(chain.phase);
      return;
    }
    if (isAdmin) Object.assign(chain.slice.annotations, { status: d & 0xffff, qualifier: d >>> 16 });
    this.open.delete(a);
    this.endChain(chain, time);
    this.queue(chain.queue).used.push({ chain: chain.slice, decided: Infinity });
  }

  private beginChain(time: number, fn: number, queue: number, state: number): Chain {
    const key = `${fn}/${queue}`;
    const isAdmin = fn === 0 && queue === this.card.adminQueue;
    const slice = isAdmin ? openSlice('admin command', 'admin', time) : openSlice('chain', 'chain', time);
    const flow = ++this.flows;
    slice.flows.push(flow);
    const { doorbell } = this.queue(key);
    // a frame begins a receive job; the doorbell only brought the buffer
    if (doorbell !== null && state !== JOB_RX_HEAD) {
      doorbell.flows.push(flow);
      slice.annotations['ns_since_doorbell'] = nanoseconds(time - doorbell.begin, this.card.clockPs);
    }
    const track = this.functionTrack(fn).child(`queue ${queue}`);
    return { queue: key, slice, track, phase: null };
  }

  private endChain({ slice, phase, track }: Chain, time: number): void {
    slice.end = time;
    if (phase !== null) phase.end = time;
    track.child(slice.category === 'admin' ? 'commands' : 'chains').slices.push(slice);
  }

  private takeRead({ time, fn, sub, a, b, cLow, cHigh, e }: TraceRecord): void {
    let read = this.reads.get(e);
    if (read === undefined) {
      if (sub !== T.TRACE_DMA_ASKED) return; // the trace began after it
      const address = { low: cLow, high: cHigh };
      read = { begin: time, address, owner: b, fn, bytes: a >>> 16, tag: NO_TAG, issued: -1, served: -1 };
      this.reads.set(e, read);
    }
    if ((a & 0xffff) !== NO_TAG) read.tag = a & 0xffff;
    if (sub === T.TRACE_DMA_ISSUED) read.issued = time;
    else if (sub === T.TRACE_DMA_SERVED) read.served = time;
    else if (sub === T.TRACE_DMA_DONE || sub === T.TRACE_DMA_DROPPED) {
      this.reads.delete(e);
      this.endRead(read, time, sub === T.TRACE_DMA_DONE ? 'DMA read' : 'DMA read (dropped)');
    }
  }

  /** Puts a read into the phase that waited for it, or else beside the chains. */
  private endRead(read: Read, end: number, name: string): void {
    const { begin, address, owner, fn, bytes, tag, issued, served } = read;
    const slice = openSlice(name, 'dma', begin, { address, bytes, ...(tag === NO_TAG ? {} : { tag }) });
    slice.end = end;
    const parts: readonly [name: string, from: number, to: number][] = [
      ['wait for a tag', begin, issued],
      ['request', issued, served],
      ['completion', served, end],
    ];
    for (const [part, from, to] of parts) {
      if (from < 0 || to < 0) continue;
      const child = openSlice(part, 'dma', from);
      child.end = to;
      slice.children.push(child);
    }
    const chain = owner < T.TRACE_OWNER_QUEUE ? this.open.get(owner) : undefined;
    const before = chain?.phase?.children.at(-1);
    if (chain?.phase && begin >= chain.phase.begin && begin >= (before?.end ?? 0)) {
      chain.phase.children.push(slice);
      return;
    }
    if (owner < T.TRACE_OWNER_QUEUE) {
      (chain?.track ?? this.functionTrack(fn)).child('reads beside').slices.push(slice);
      return;
    }
    const track = this.functionTrack(fn).child(`queue ${owner & 0xffff}`);
    track.child((owner & T.TRACE_OWNER_NOTIFY) === 0 ? 'ring fetches' : 'suppression').slices.push(slice);
  }

  private takeDoorbell({ time, fn, sub, c }: TraceRecord): void {
    const doorbell = openSlice('doorbell', 'doorbell', c);
    doorbell.end = time;
    this.queue(`${fn}/${sub}`).doorbell = doorbell;
    this.functionTrack(fn).child(`queue ${sub}`).child('doorbells').slices.push(doorbell);
  }

  private takeMessage({ time, fn, sub, a, b, c }: TraceRecord): void {
    const message = openSlice(`MSI-X vector ${sub}`, 'msix', time, { vector: sub, data: a });
    message.end = Math.max(c, time);
    this.functionTrack(fn).child('messages').slices.push(message);
    if (b === NO_QUEUE) return;
    const state = this.queue(`${fn}/${b}`);
    for (const { chain, decided } of state.used) {
      if (decided < time) continue;
      message.flows.push(...chain.flows);
      const wait = openSlice('notify', 'msix', chain.end);
      wait.end = message.end;
      chain.children.push(wait);
      chain.end = message.end;
    }
    state.used = [];
  }

  /** The suppression machine at rest has decided about everything used so far. */
  private takeDecision({ time, fn, sub, a, b }: TraceRecord): void {
    if (a !== T.TRACE_QUEUE_NOTIFY || b !== NOTIFY_IDLE) return;
    const state = this.queue(`${fn}/${sub}`);
    state.used = state.used.filter(({ decided }) => decided >= time); // the others got no message
    for (const entry of state.used) entry.decided = time;
  }

  private queue(key: string): QueueState {
    let state = this.queues.get(key);
    if (state === undefined) this.queues.set(key, (state = { doorbell: null, used: [] }));
    return state;
  }
}
