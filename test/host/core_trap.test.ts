// SPDX-License-Identifier: Apache-2.0
// A card whose state breaks an invariant traps in the debug build, and a trap of either build comes with what is needed to
// look into it.
import { describe, expect, it } from 'vitest';

import * as CTL from '../../assembly/abi/control.ts';
import * as JOB from '../../assembly/abi/job.ts';
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { CoreTrap, Machine } from '../../src/index.ts';
import { traceRecords } from '../../src/trace/index.ts';

const BUILDS = ['debug', 'release'] as const;

/** A machine in the middle of a frame of VF 1: its doorbell is on the way, and nothing has been read yet. */
function busy(build: (typeof BUILDS)[number]) {
  const machine = new Machine({ totalVfs: 1, traceBytes: 65536 }, { build });
  const driver = machine.startModern(1);
  const frame = new Uint8Array(64).fill(0xff, 0, 6);
  machine.nic.startTrace(TRACE.MASK_FRAMES);
  driver.send(frame);
  machine.settle();
  driver.send(frame);
  return machine;
}

function trapOf(work: () => void): CoreTrap | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof CoreTrap) return error;
    throw error;
  }
}

type Core = Machine['nic']['core'];

describe('the debug build traps, and the release build goes on,', () => {
  it.each<[what: string, isTime: (core: Core) => boolean, spoil: (core: Core) => void]>([
    ['where a free job is at work', () => true, ({ u8, u32 }) => (u8[u32[CTL.JOB_FREE >> 2]! + JOB.STATE] = 1)],
    [
      'where more tags are given back than were taken',
      ({ u32 }) => u32[CTL.TAGS_USED >> 2]! > 0,
      ({ u32 }) => (u32[CTL.TAGS_USED >> 2] = 0),
    ],
  ])('%s', (_what, isTime, spoil) => {
    const [debug, release] = BUILDS.map((build) => {
      const machine = busy(build);
      const { nic } = machine;
      while (!isTime(nic.core)) nic.advance(nic.nextEventTime());
      spoil(nic.core);
      return trapOf(() => machine.settle());
    });

    expect(debug?.message).toMatch(/^the core trapped: .*unreachable/);
    expect(release).toBeNull();
  });
});

describe.each(BUILDS)('a trap of the %s build', (build) => {
  it('has the state that it left, and the records that nobody had taken', () => {
    const machine = busy(build);
    const { nic } = machine;
    nic.core.u32[CTL.EVENT_FREE >> 2] = 0; // no block may have so many events pending

    const trap = trapOf(() => machine.settle())!;
    const now = nic.core.view.getBigUint64(CTL.NOW, true);
    const other = new Machine({ totalVfs: 1, traceBytes: 65536 }, { build });
    other.nic.restore(trap.snapshot);

    expect(trap.code).toBe('TRAP');
    expect(trap.cause).toBeInstanceOf(Error);
    expect(BigInt(other.nic.now())).toBe(now);
    // the first frame: into the switch, out to the PF and to the wire
    expect([...traceRecords([trap.records])]).toHaveLength(3);
  });

  it('comes out of register accesses and of others alike', () => {
    const { nic } = busy(build);
    nic.core.u32[CTL.EVENT_FREE >> 2] = 0;

    expect(trapOf(() => nic.write(1, 2, 0x3000, 2, 0))).not.toBeNull(); // a doorbell
    expect(trapOf(() => nic.receiveFrame(new Uint8Array(64)))).not.toBeNull();
  });
});
