// SPDX-License-Identifier: Apache-2.0
// The life of one admin command as the core recorded it (assembly/admin/engine.ts has the layout).
import type { CoreInstance } from '../core/instance.ts';

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
}

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
  };
}
