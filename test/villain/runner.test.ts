// SPDX-License-Identifier: Apache-2.0
// The runner judges right: cases whose device misbehaves on purpose, by writes behind its back and by faults that the card
// is told to have.
import { describe, expect, it } from 'vitest';

import type { Bench } from '../../src/villain/bench.ts';
import { goodPacket } from '../../src/villain/frames.ts';
import { directPath, socketPath, type PathDriver } from '../../src/villain/path.ts';
import { runCase, runCases } from '../../src/villain/runner.ts';
import type { RunOptions } from '../../src/villain/bench.ts';
import type { Case, CaseResult } from '../../src/villain/case.ts';
import { Skip, type Outcome } from '../../src/villain/verdict.ts';
import { TX } from '../support/registers.ts';

const MODE: RunOptions = { mode: 'functional', build: 'debug' };

function run(act: (bench: Bench) => Outcome, more: Partial<Case> = {}, options = MODE): CaseResult {
  const one: Case = {
    id: 'X01',
    act: 'does what the test says',
    clause: 'none',
    allowed: ['served'],
    setup: 'net',
    ...more,
    run: act,
  };
  return runCase(one, directPath, options);
}

/** Writes into memory as only the device would: the driver does not know of it. */
function writeBehind({ u8 }: { readonly u8: Uint8Array }, at: number): void {
  u8[at] = u8[at]! ^ 0xff;
}

const breakQueue = ({ bad }: Bench): Outcome => {
  bad.ring(TX).publish(0x8000);
  bad.kick(TX);
  return 'needs-reset';
};

describe('PASS and REJECT', () => {
  it('an allowed outcome that is no refusal is PASS', () => {
    expect(run(() => 'served')).toMatchObject({ verdict: 'PASS', outcome: 'served', detail: '' });
  });

  it.each<Outcome>(['ignored', 'dropped', 'refused', 'error'])('an allowed %s is REJECT', (outcome) => {
    expect(run(() => outcome, { allowed: [outcome] })).toMatchObject({ verdict: 'REJECT', outcome });
  });

  it('an allowed DEVICE_NEEDS_RESET is REJECT', () => {
    expect(run(breakQueue, { allowed: ['needs-reset'] })).toMatchObject({ verdict: 'REJECT' });
  });
});

describe('FAIL', () => {
  const FAILS: [what: string, act: (bench: Bench) => Outcome, allowed: Outcome, detail: RegExp][] = [
    ['an outcome that is not allowed', () => 'ignored', 'served', /^ignored, and only served is allowed$/],
    [
      'memory that was not offered is written',
      ({ bad }) => {
        writeBehind(bad.memory, bad.memory.size - 1);
        return 'served';
      },
      'served',
      /^memory at 0x\w+ was never offered for writing/,
    ],
    [
      'the descriptor table is written',
      ({ bad }) => {
        writeBehind(bad.memory, bad.ring(TX).places.desc);
        return 'served';
      },
      'served',
      /never offered/,
    ],
    [
      'a head is used that was not made available',
      ({ bad }) => {
        bad.memory.u16[(bad.ring(TX).places.used + 2) >> 1] = 1;
        return 'served';
      },
      'served',
      /^queue 1: head 0 was used more often than it was made available$/,
    ],
    [
      'a used length beyond the chain',
      ({ bad }) => {
        bad.submit(TX, bad.readable(goodPacket(bad)));
        bad.memory.u32[(bad.ring(TX).places.used + 8) >> 2] = 5;
        return 'served';
      },
      'served',
      /used length 5, and its chain takes 0 bytes$/,
    ],
    [
      "the neighbour's memory is written",
      ({ bystander }) => {
        writeBehind(bystander.memory, 100);
        return 'served';
      },
      'served',
      /^the neighbour: its memory was written$/,
    ],
    [
      'the neighbour is reset',
      ({ bystander }) => {
        bystander.status = 0;
        return 'served';
      },
      'served',
      /^the neighbour: its status is 0x0$/,
    ],
    [
      'the neighbour stands still, and does not say so',
      ({ bystander, nic }) => {
        nic.attachIoas(bystander.fn, null);
        return 'served';
      },
      'served',
      /^the neighbour: /,
    ],
    [
      'a chain does not come back and the status says nothing',
      ({ bad }) => {
        bad.ring(TX).offer(bad.ring(TX).chain(bad.readable(goodPacket(bad))));
        return bad.outcomeOf(TX);
      },
      'served',
      /^queue 1: 0 of 1 chains came back, and the status says nothing$/,
    ],
    [
      'the function stops, and the case takes it for served',
      (b) => (breakQueue(b), 'served'),
      'served',
      /status is 0x4f$/,
    ],
    ['the status does not say what the case says', () => 'needs-reset', 'needs-reset', /NEEDS_RESET is gone again/],
    [
      'the function serves nothing after the act, and a reset helps',
      ({ bad }) => {
        bad.status = 0; // and no queue is set up again
        bad.negotiate();
        bad.setDriverOk();
        return 'served';
      },
      'served',
      /^served, and after it a good frame to send is not used$/,
    ],
    [
      'the core traps',
      () => {
        throw new WebAssembly.RuntimeError('unreachable');
      },
      'served',
      /^the core trapped: unreachable$/,
    ],
    [
      'a call is refused that should not be',
      ({ bad }) => {
        bad.device.read(2, 0x4000, 4);
        return 'served';
      },
      'served',
      /^EINVAL: access of 4 bytes at 0x4000/,
    ],
  ];

  it.each(FAILS)('%s', (_what, act, allowed, detail) => {
    expect(run(act, { allowed: [allowed] })).toMatchObject({ verdict: 'FAIL', detail: expect.stringMatching(detail) });
  });

  it('memory is written after the reset', () => {
    const result = run((bench) => {
      const settle = bench.settle.bind(bench);
      bench.settle = () => {
        settle();
        if (bench.bad.status === 0) writeBehind(bench.bad.memory, 64);
      };
      return 'served';
    });

    expect(result).toMatchObject({ verdict: 'FAIL', detail: 'memory is written after the reset' });
  });

  it('an interrupt comes after the reset', () => {
    const result = run((bench) => {
      const settle = bench.settle.bind(bench);
      const message = { fn: 1, vector: 2, address: 0, data: 0, timeCycles: 0 };
      bench.settle = () => {
        settle();
        if (bench.bad.status === 0) bench.messages.push(message);
      };
      return 'served';
    });

    expect(result).toMatchObject({ verdict: 'FAIL', detail: 'an interrupt comes after the reset' });
  });

  it('work never ends', () => {
    const result = run(({ nic }) => {
      Object.defineProperty(nic, 'nextEventTime', { value: () => nic.now() });
      let events = 0;
      Object.defineProperty(nic, 'eventsRun', { value: () => (events += 1_000_000) });
      return 'served';
    });

    expect(result).toMatchObject({ verdict: 'FAIL', detail: expect.stringMatching(/^the card does not come to rest/) });
  });
});

describe('WEDGED', () => {
  it('reads fail from now on: no good request is served, reset or not', () => {
    const result = run(
      (bench) => {
        const outcome = breakQueue(bench);
        bench.bystanderFault = () => null; // the fault is the whole card's; here only VF 1 counts
        bench.nic.injectReadFault('unsupported', 1_000_000);
        return outcome;
      },
      { allowed: ['needs-reset'] },
      { mode: 'timed', build: 'debug' },
    );

    expect(result).toMatchObject({ verdict: 'WEDGED', detail: expect.stringMatching(/^after a reset a good frame/) });
  });

  it('the memory of the function stays out of reach', () => {
    const result = run(
      (bench) => {
        const outcome = breakQueue(bench);
        bench.bad.endpoint.setMapped(false);
        return outcome;
      },
      { allowed: ['needs-reset'] },
    );

    expect(result).toMatchObject({ verdict: 'WEDGED', outcome: 'needs-reset' });
  });

  it('the status never reads 0', () => {
    const result = run(({ bad }) => {
      const read = bad.device.read.bind(bad.device);
      bad.device.read = (region, offset, size) => (region === 2 && offset === 0x14 ? 0x0f : read(region, offset, size));
      return 'served';
    });

    expect(result).toMatchObject({ verdict: 'WEDGED', detail: 'status is 0xf long after 0 was written' });
  });
});

describe('SKIP', () => {
  const never = (): Outcome => {
    throw new Error('a case that is skipped does not run');
  };

  it('a case that needs time, in functional mode', () => {
    expect(run(never, { isTimed: true })).toMatchObject({ verdict: 'SKIP', detail: expect.stringContaining('timed') });
  });

  it('a card without what the case needs', () => {
    const needs = (): string => 'VIRTIO_F_TEST is not offered';

    expect(run(never, { needs })).toMatchObject({ verdict: 'SKIP', detail: 'VIRTIO_F_TEST is not offered' });
  });

  it('a case that finds nothing to try', () => {
    const act = (): Outcome => {
      throw new Skip('nothing here');
    };

    expect(run(act)).toMatchObject({ verdict: 'SKIP', detail: 'nothing here' });
  });

  it('a path that the machine does not have, and a case that is not for it', async () => {
    const connect = (): never => {
      throw new Error('a path that is missing is not connected');
    };
    const absent: PathDriver = { name: 'vfio-user', missing: 'no koffi', connect };
    const one: Case = { id: 'X', act: '', clause: '', allowed: ['served'], setup: 'net', run: never };

    expect(runCase(one, absent, MODE)).toMatchObject({ verdict: 'SKIP', detail: 'no koffi' });
    expect(runCase({ ...one, directOnly: 'no server' }, await socketPath(), MODE)).toMatchObject({ verdict: 'SKIP' });
  });
});

describe('a run', () => {
  it('goes through all cases on all paths and says how far it is', () => {
    const one: Case = { id: 'X', act: '', clause: '', allowed: ['served'], setup: 'net', run: () => 'served' };
    const steps: string[] = [];

    const results = runCases([one, { ...one, id: 'Y' }], [directPath], MODE, (done, of) => steps.push(`${done}/${of}`));

    expect(results.map(({ id, verdict }) => `${id} ${verdict}`)).toEqual(['X PASS', 'Y PASS']);
    expect(steps).toEqual(['1/2', '2/2']);
  });

  it('hands on what is no verdict: an error of the case itself', () => {
    expect(() =>
      run(() => {
        throw new TypeError('the case is broken');
      }),
    ).toThrow('the case is broken');
  });
});
