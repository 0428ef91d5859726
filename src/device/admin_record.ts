// SPDX-License-Identifier: Apache-2.0
// The life of one admin command as the core recorded it.
import * as DMA from '../../assembly/abi/dma_context.ts';
import * as R from '../../assembly/abi/record.ts';
import type { CoreInstance } from '../core/instance.ts';

/** Where the time of a read goes, in cycles; the parts add up to the time from its start to its end. */
export interface ReadLife {
  /** For a DMA engine. */
  readonly engineWait: number;
  /** The engine's, and what the owner of the read spends before. */
  readonly setup: number;
  /** For a tag, room for completions, credits. */
  readonly tagWait: number;
  /** Behind other TLPs; then on the wire itself, and on the way. */
  readonly upQueue: number;
  readonly upWire: number;
  readonly upLatency: number;
  readonly translation: number;
  readonly host: number;
  /** Tails of the host, and waiting for writes that came before. */
  readonly hostExtra: number;
  readonly downQueue: number;
  readonly downWire: number;
  readonly downLatency: number;
  readonly copy: number;
}

/** The reads of a command: those of its queue, its descriptors (all blocks together), its header and data. */
export interface ReadLives {
  readonly index: ReadLife;
  readonly ring: ReadLife;
  readonly descriptors: ReadLife;
  readonly data: ReadLife;
}

/** Times are in core cycles since creation. */
export interface AdminRecord {
  readonly opcode: number;
  readonly groupType: number;
  readonly memberId: number;
  readonly status: number;
  readonly qualifier: number;
  /** Descriptor at the head of the command's chain. */
  readonly head: number;
  /** Doorbell written by the driver; the newest one before the command was taken. */
  readonly doorbellIssued: number;
  readonly doorbellArrived: number;
  /** Read of the available index started. */
  readonly visited: number;
  readonly indexRead: number;
  readonly ringRead: number;
  /** Head taken, fetch of descriptors started. */
  readonly started: number;
  readonly descriptorsKnown: number;
  readonly dataKnown: number;
  readonly executing: number;
  readonly executed: number;
  /** Result, used element and used index sent. */
  readonly writtenBack: number;
  /** MSI-X message arrived at the host; 0 if none was sent at once. */
  readonly notified: number;
  readonly tlpsUp: number;
  readonly tlpsDown: number;
  /** Bytes on the link, headers and framing included. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Commands of the queue in work, this one included. */
  readonly inWork: number;
  readonly lives: ReadLives;
  /** Cycles until an engine executed it. */
  readonly engineWait: number;
  /** Bytes of the command, header and data. */
  readonly commandBytes: number;
  /** The first 40 of them at most. */
  readonly command: Uint8Array;
}

/** Reads the record at `address`. */
export function readAdminRecord(core: CoreInstance, address: number): AdminRecord {
  const { view } = core;
  const half = (offset: number): number => view.getUint16(address + offset, true);
  const word = (offset: number): number => view.getUint32(address + offset, true);
  const time = (offset: number): number => Number(view.getBigUint64(address + offset, true));
  const life = (index: number): ReadLife => readLife(view, address + R.ADMIN_TRACE_LIVES + index * DMA.LIFE_BYTES);
  const command = address + R.ADMIN_TRACE_COMMAND;
  const commandBytes = word(R.ADMIN_TRACE_LENGTH);
  return {
    opcode: half(R.ADMIN_TRACE_OPCODE),
    groupType: half(R.ADMIN_TRACE_GROUP),
    memberId: word(R.ADMIN_TRACE_MEMBER),
    status: half(R.ADMIN_TRACE_STATUS),
    qualifier: half(R.ADMIN_TRACE_QUALIFIER),
    head: word(R.ADMIN_TRACE_CHAIN),
    doorbellIssued: time(R.ADMIN_TRACE_KICK_ISSUED),
    doorbellArrived: time(R.ADMIN_TRACE_KICK_ARRIVED),
    visited: time(R.ADMIN_TRACE_VISITED),
    indexRead: time(R.ADMIN_TRACE_IDX_READ),
    ringRead: time(R.ADMIN_TRACE_RING_READ),
    started: time(R.ADMIN_TRACE_STARTED),
    descriptorsKnown: time(R.ADMIN_TRACE_WALKED),
    dataKnown: time(R.ADMIN_TRACE_GATHERED),
    executing: time(R.ADMIN_TRACE_EXECUTING),
    executed: time(R.ADMIN_TRACE_EXECUTED),
    writtenBack: time(R.ADMIN_TRACE_RETIRED),
    notified: time(R.ADMIN_TRACE_NOTIFIED),
    tlpsUp: half(R.ADMIN_TRACE_UP_TLPS),
    tlpsDown: half(R.ADMIN_TRACE_DOWN_TLPS),
    bytesUp: word(R.ADMIN_TRACE_UP_BYTES),
    bytesDown: word(R.ADMIN_TRACE_DOWN_BYTES),
    inWork: word(R.ADMIN_TRACE_JOBS),
    lives: { index: life(0), ring: life(1), descriptors: life(2), data: life(3) },
    engineWait: word(R.ADMIN_TRACE_ENGINE_WAIT),
    commandBytes,
    command: core.u8.slice(command, command + Math.min(R.ADMIN_TRACE_COMMAND_BYTES, commandBytes)),
  };
}

function readLife(view: DataView, address: number): ReadLife {
  const part = (offset: number): number => view.getUint32(address + offset, true);
  return {
    engineWait: part(DMA.LIFE_ENGINE_WAIT),
    setup: part(DMA.LIFE_SETUP),
    tagWait: part(DMA.LIFE_TAG_WAIT),
    upQueue: part(DMA.LIFE_UP_QUEUE),
    upWire: part(DMA.LIFE_UP_WIRE),
    upLatency: part(DMA.LIFE_UP_LATENCY),
    translation: part(DMA.LIFE_TRANSLATION),
    host: part(DMA.LIFE_HOST),
    hostExtra: part(DMA.LIFE_HOST_EXTRA),
    downQueue: part(DMA.LIFE_DOWN_QUEUE),
    downWire: part(DMA.LIFE_DOWN_WIRE),
    downLatency: part(DMA.LIFE_DOWN_LATENCY),
    copy: part(DMA.LIFE_COPY),
  };
}
