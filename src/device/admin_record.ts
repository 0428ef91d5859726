// SPDX-License-Identifier: Apache-2.0
// The life of one admin command as the core recorded it (assembly/admin/engine.ts has the layout).
import * as L from '../../assembly/abi/dma_context.ts';
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

const LIVES = 128;
const ENGINE_WAIT = LIVES + 4 * L.LIFE_BYTES;
const COMMAND_BYTES = ENGINE_WAIT + 4;
const COMMAND = COMMAND_BYTES + 4;
const COMMAND_KEPT = 40;

/** Reads the record at `address`. */
export function readAdminRecord(core: CoreInstance, address: number): AdminRecord {
  const { view } = core;
  const time = (offset: number): number => Number(view.getBigUint64(address + offset, true));
  return {
    opcode: view.getUint16(address, true),
    groupType: view.getUint16(address + 2, true),
    memberId: view.getUint32(address + 4, true),
    status: view.getUint16(address + 8, true),
    qualifier: view.getUint16(address + 10, true),
    head: view.getUint32(address + 12, true),
    doorbellIssued: time(16),
    doorbellArrived: time(24),
    visited: time(32),
    indexRead: time(40),
    ringRead: time(48),
    started: time(56),
    descriptorsKnown: time(64),
    dataKnown: time(72),
    executing: time(80),
    executed: time(88),
    writtenBack: time(96),
    notified: time(104),
    tlpsUp: view.getUint16(address + 112, true),
    tlpsDown: view.getUint16(address + 114, true),
    bytesUp: view.getUint32(address + 116, true),
    bytesDown: view.getUint32(address + 120, true),
    inWork: view.getUint32(address + 124, true),
    lives: {
      index: readLife(view, address + LIVES),
      ring: readLife(view, address + LIVES + L.LIFE_BYTES),
      descriptors: readLife(view, address + LIVES + 2 * L.LIFE_BYTES),
      data: readLife(view, address + LIVES + 3 * L.LIFE_BYTES),
    },
    engineWait: view.getUint32(address + ENGINE_WAIT, true),
    commandBytes: view.getUint32(address + COMMAND_BYTES, true),
    command: core.u8.slice(
      address + COMMAND,
      address + COMMAND + Math.min(COMMAND_KEPT, view.getUint32(address + COMMAND_BYTES, true)),
    ),
  };
}

function readLife(view: DataView, address: number): ReadLife {
  const part = (offset: number): number => view.getUint32(address + offset, true);
  return {
    engineWait: part(L.LIFE_ENGINE_WAIT),
    setup: part(L.LIFE_SETUP),
    tagWait: part(L.LIFE_TAG_WAIT),
    upQueue: part(L.LIFE_UP_QUEUE),
    upWire: part(L.LIFE_UP_WIRE),
    upLatency: part(L.LIFE_UP_LATENCY),
    translation: part(L.LIFE_TRANSLATION),
    host: part(L.LIFE_HOST),
    hostExtra: part(L.LIFE_HOST_EXTRA),
    downQueue: part(L.LIFE_DOWN_QUEUE),
    downWire: part(L.LIFE_DOWN_WIRE),
    downLatency: part(L.LIFE_DOWN_LATENCY),
    copy: part(L.LIFE_COPY),
  };
}
