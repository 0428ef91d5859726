// SPDX-License-Identifier: Apache-2.0
// What the card put on its link: requests read out of the TLP trace by the figures of PCI Express, for tests of what
// bounds them.
import { generateTraffic, type GeneratorOperation } from '../../../src/device/generator.ts';
import type { Nic } from '../../../src/device/nic.ts';
import { traceRecords } from '../../../src/trace/records.ts';
import { TlpEncoder } from '../../../src/trace/tlp.ts';
import { readTlp } from '../../support/tlp_reader.ts';

/** TRACE.MASK_TLP, as docs/trace.md has it. */
const TLPS = 1;

export interface LinkUse {
  /** Bytes in each write, and asked for by each read. */
  readonly writes: readonly number[];
  readonly reads: readonly number[];
  /** Bytes in the longest completion. */
  readonly longestCompletion: number;
  readonly highestTag: number;
}

/** Requests of the card during `work`; the card needs `traceBytes`. */
export function linkUse(nic: Nic, work: () => void): LinkUse {
  nic.takeTrace();
  nic.startTrace(TLPS);
  work();
  nic.stopTrace();
  const encoder = new TlpEncoder({
    clockPs: nic.profile.clockPs,
    functions: nic.functions(),
    adminQueue: -1,
    routingId: (fn) => nic.routingId(fn),
  });
  const writes: number[] = [];
  const reads: number[] = [];
  let longestCompletion = 0;
  let highestTag = 0;
  for (const record of traceRecords([nic.takeTrace()])) {
    const { bytes, isHostRequest } = encoder.encode(record);
    if (isHostRequest) continue;
    const { name, Length, tag } = readTlp(bytes) as { name: string; Length: number; tag: number };
    const size = 4 * (Length === 0 ? 1024 : Length);
    if (name.startsWith('MWr')) writes.push(size);
    else if (name.startsWith('MRd')) {
      reads.push(size);
      highestTag = Math.max(highestTag, tag);
    } else longestCompletion = Math.max(longestCompletion, size);
  }
  return { writes, reads, longestCompletion, highestTag };
}

/** The traffic generator's operations as LinkUse. */
export function generated(nic: Nic, operation: GeneratorOperation, bytes: number, operations = 1): LinkUse {
  return linkUse(nic, () => {
    generateTraffic(nic, { operation, bytes, operations, outstanding: operations });
    nic.runToIdle();
  });
}
