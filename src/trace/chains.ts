// SPDX-License-Identifier: Apache-2.0
// What becomes of the chains of a queue, put together from the records of jobs, DMA reads, doorbells and messages.
//
// A chain lasts until the message that tells the driver of it has arrived. A message tells of all chains that were
// used since the decision before it, those that end in its own cycle included; a decision without a message leaves its
// chains without one.
import {
  JOB_EXECUTE,
  JOB_FREE,
  JOB_GATHER,
  JOB_LEND,
  JOB_READY,
  JOB_RETIRE,
  JOB_RX_HEAD,
  JOB_RX_WALK,
  JOB_WALK,
  NOTIFY_IDLE,
} from '../../assembly/abi/state_value.ts';
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { ADMIN_COMMAND_NAMES } from '../device/admin_commands.ts';
import { openSlice, type OpenSlice, type Track } from './perfetto.ts';
import { ReadTimeline, type FinishedRead } from './reads.ts';
import { functionName, nanoseconds, type TracedCard, type TraceRecord } from './records.ts';

const PHASES: ReadonlyMap<number, string> = new Map([
  [JOB_WALK, 'walk'],
  [JOB_LEND, 'wait for room'],
  [JOB_GATHER, 'gather'],
  [JOB_READY, 'wait for its turn'],
  [JOB_EXECUTE, 'execute'],
  [JOB_RETIRE, 'retire'],
  [JOB_RX_HEAD, 'wait for a buffer'],
  [JOB_RX_WALK, 'walk buffer'],
]);

const NO_QUEUE = 0xffff;

interface Chain {
  readonly queue: string;
  readonly slice: OpenSlice;
  readonly track: Track;
  phase: OpenSlice | null;
}

interface QueueState {
  doorbell: OpenSlice | null;
  /** The last message, and the time of the last decision for or against one. */
  message: OpenSlice | null;
  decided: number;
  /** Used since the last message, with the time of the decision about it. */
  used: { readonly chain: OpenSlice; decided: number }[];
}

/** The message tells of the chain. */
function notify(message: OpenSlice, chain: OpenSlice): void {
  message.flows.push(...chain.flows);
  const wait = openSlice('notify', 'msix', chain.end);
  wait.end = message.end;
  chain.children.push(wait);
  chain.end = message.end;
}

/** Collects the chains of all queues. */
export class ChainTimeline {
  private readonly card: TracedCard;
  private readonly functionTrack: (fn: number) => Track;
  private readonly open = new Map<number, Chain>();
  private readonly reads: ReadTimeline;
  private readonly queues = new Map<string, QueueState>();
  private flows = 0;

  constructor(card: TracedCard, functionTrack: (fn: number) => Track) {
    this.card = card;
    this.functionTrack = functionTrack;
    this.reads = new ReadTimeline((read) => this.placeRead(read));
  }

  take(record: TraceRecord): void {
    if (record.kind === TRACE.JOB) this.takeJob(record);
    else if (record.kind === TRACE.DMA) this.reads.take(record);
    else if (record.kind === TRACE.DOORBELL) this.takeDoorbell(record);
    else if (record.kind === TRACE.MSIX) this.takeMessage(record);
    else if (record.kind === TRACE.QUEUE) this.takeDecision(record);
  }

  /** Ends what is still under way when the trace does. */
  finish(time: number): void {
    this.reads.finish(time);
    for (const chain of this.open.values()) {
      chain.slice.annotations['unfinished'] = 1;
      this.endChain(chain, time);
    }
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
      chain.slice.name = ADMIN_COMMAND_NAMES.get(cLow) ?? `opcode 0x${cLow.toString(16)}`;
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
    const state = this.queue(chain.queue);
    if (state.message !== null && state.message.begin === time) notify(state.message, chain.slice);
    else state.used.push({ chain: chain.slice, decided: state.decided === time ? time : Infinity });
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
    return { queue: key, slice, track: this.queueTrack(fn, queue), phase: null };
  }

  private endChain({ slice, phase, track }: Chain, time: number): void {
    slice.end = time;
    if (phase !== null) phase.end = time;
    track.child(slice.category === 'admin' ? 'commands' : 'chains').slices.push(slice);
  }

  /** Puts a read into the phase that waited for it, or else beside the chains. */
  private placeRead({ fn, owner, slice, overlapping }: FinishedRead): void {
    const isOfJob = owner < TRACE.OWNER_QUEUE;
    const chain = isOfJob ? this.open.get(owner) : undefined;
    const track = isOfJob ? chain?.track : this.queueTrack(fn, owner & 0xffff);
    if (track !== undefined && overlapping.length > 0) track.child('overlapping requests').slices.push(...overlapping);
    const before = chain?.phase?.children.at(-1);
    if (chain?.phase && slice.begin >= chain.phase.begin && slice.begin >= (before?.end ?? 0)) {
      chain.phase.children.push(slice);
    } else if (isOfJob) {
      (track ?? this.functionTrack(fn)).child('other reads').slices.push(slice);
    } else {
      track!.child((owner & TRACE.OWNER_NOTIFY) === 0 ? 'ring fetches' : 'suppression').slices.push(slice);
    }
  }

  private takeDoorbell({ time, fn, sub, c }: TraceRecord): void {
    const doorbell = openSlice('doorbell', 'doorbell', c);
    doorbell.end = time;
    this.queue(`${fn}/${sub}`).doorbell = doorbell;
    this.queueTrack(fn, sub).child('doorbells').slices.push(doorbell);
  }

  private takeMessage({ time, fn, sub, a, b, c }: TraceRecord): void {
    const message = openSlice(`MSI-X vector ${sub}`, 'msix', time, { vector: sub, data: a });
    message.end = Math.max(c, time);
    this.functionTrack(fn).child('messages').slices.push(message);
    if (b === NO_QUEUE) return;
    const state = this.queue(`${fn}/${b}`);
    for (const { chain, decided } of state.used) {
      if (decided >= time) notify(message, chain);
    }
    state.used = [];
    state.message = message;
  }

  /** The suppression machine at rest has decided about everything used so far. */
  private takeDecision({ time, fn, sub, a, b }: TraceRecord): void {
    if (a !== TRACE.QUEUE_NOTIFY || b !== NOTIFY_IDLE) return;
    const state = this.queue(`${fn}/${sub}`);
    state.used = state.used.filter(({ decided }) => decided >= time); // the others got no message
    for (const entry of state.used) entry.decided = time;
    state.decided = time;
  }

  private queueTrack(fn: number, queue: number): Track {
    return this.functionTrack(fn).child(`queue ${queue}`);
  }

  private queue(key: string): QueueState {
    let state = this.queues.get(key);
    if (state === undefined) this.queues.set(key, (state = { doorbell: null, message: null, decided: -1, used: [] }));
    return state;
  }
}
