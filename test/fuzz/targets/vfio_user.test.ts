// SPDX-License-Identifier: Apache-2.0
// The vfio-user server under hostile clients: nothing is found in some thousand executions, an input does the same each
// time, and a server with a planted mistake is caught by the oracle that is there for it.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { VfioUserTarget } from '../../../src/fuzz/targets/vfio_user.ts';
import { VfioPci } from '../../../src/vfio/vfio_pci.ts';
import { Connection } from '../../../src/vfio_user/connection.ts';
import { ClientSession } from '../../../src/vfio_user/client_session.ts';
import { DmaMap } from '../../../src/vfio_user/dma_map.ts';
import { ClientIrqs } from '../../../src/vfio_user/irqs.ts';
import { Random } from '../../../src/util/random.ts';
import { fuzzLoop } from '../support/loop.ts';

/** Executions of one seed; VIRTFN_FUZZ_EXECUTIONS makes it more. */
const EXECUTIONS = Number(process.env['VIRTFN_FUZZ_EXECUTIONS'] ?? 800);
const PLANTED_EXECUTIONS = 5000;

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the server under hostile clients', () => {
  it.each([1, 5])('owes nothing, leaves nothing and throws nothing, seed %i', (seed) => {
    const target = new VfioUserTarget();

    const { finding, executions, points } = fuzzLoop(target, seed, EXECUTIONS);

    expect(finding).toEqual([]);
    expect(executions).toBeGreaterThanOrEqual(EXECUTIONS);
    expect(points).toBeGreaterThan(400);
  });

  it('does the same for the same input, whatever was run before', () => {
    const target = new VfioUserTarget();
    const { corpus } = fuzzLoop(target, 3, 300);
    const hashOf = (one: VfioUserTarget, input: Uint8Array): string => {
      one.run(input);
      return one.traceHash();
    };

    const first = corpus.map((input) => hashOf(target, input));
    const other = new VfioUserTarget();
    const again = corpus.toReversed().map((input) => hashOf(other, input));

    expect(again.toReversed()).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(corpus.length / 2);
  });
});

describe('the target', () => {
  it('reaches every function, and finds nothing in its seeds', () => {
    const target = new VfioUserTarget();
    const lines = target.seeds().map((seed) => target.describe(seed)[0]!);

    for (const fn of ['VF', 'transitional VF', 'PF']) {
      expect(lines.some((line) => line.startsWith(`a client of the ${fn},`))).toBe(true);
    }
    expect(target.seeds().map((seed) => target.run(seed))).toEqual(target.seeds().map(() => null));
  });

  it('takes any bytes as an input', () => {
    const target = new VfioUserTarget();
    const random = new Random(77);
    const inputs = Array.from({ length: 100 }, (_, i) => Uint8Array.from({ length: 2 * i }, () => random.below(256)));

    expect(inputs.map((input) => target.run(input))).toEqual(inputs.map(() => null));
  });
});

describe('a server with a mistake', () => {
  const found = (): string => {
    const { finding } = fuzzLoop(new VfioUserTarget(), 7, PLANTED_EXECUTIONS);
    return finding[0] ?? 'nothing';
  };

  it('that answers twice is caught', () => {
    const { send } = Connection.prototype;
    vi.spyOn(Connection.prototype, 'replyError').mockImplementation(function (this: Connection, to, error) {
      for (let i = 0; i < 2; i++) send.call(this, { id: to.id, command: to.command, flags: 0x21, error });
    });

    expect(found()).toMatch(/^O13: a reply to command \d+ with id \d+, which is not due$/);
  });

  it('that does not answer what it refuses is caught', () => {
    vi.spyOn(ClientSession.prototype as unknown as { refuse(): void }, 'refuse').mockImplementation(() => {});

    expect(found()).toMatch(
      /^O13: (command \d+ is never answered|a reply to command \d+ with id \d+, which is not due)$/,
    );
  });

  it('that says no errno is caught', () => {
    const { send } = Connection.prototype;
    vi.spyOn(Connection.prototype, 'replyError').mockImplementation(function (this: Connection, to) {
      send.call(this, { id: to.id, command: to.command, flags: 0x21, error: 0 });
    });

    expect(found()).toBe('O13: an error reply with error 0');
  });

  it('that keeps descriptors of refused messages open is caught', () => {
    vi.spyOn(ClientSession.prototype as unknown as { closeAll(): void }, 'closeAll').mockImplementation(() => {});

    expect(found()).toMatch(/^O6: after all clients are gone there is descriptor \d+$/);
  });

  it('that keeps mappings is caught', () => {
    vi.spyOn(DmaMap.prototype, 'clear').mockImplementation(() => {});

    expect(found()).toMatch(/^O6: after all clients are gone there is (mapping|descriptor) \d+$/);
  });

  it('that maps what it may only read for writing is caught', () => {
    const { map } = DmaMap.prototype;
    vi.spyOn(DmaMap.prototype, 'map').mockImplementation(function (this: DmaMap, request) {
      map.call(this, { ...request, isWritable: true });
    });

    expect(found()).toMatch(/^O4: \d+ bytes at \d+ of a file were not given to the server$|^O4: the server asks/);
  });

  it('that goes on with a range that was taken away is caught', () => {
    vi.spyOn(DmaMap.prototype, 'unmap').mockImplementation(() => 0);

    expect(found()).toMatch(/^O4: the server asks for \d+ bytes at 0x[0-9a-f]+, which it was not given$/);
  });

  it('that throws what has no type is caught', () => {
    vi.spyOn(ClientIrqs.prototype, 'set').mockImplementation(() => {
      throw new TypeError('no line');
    });

    expect(found()).toBe('O13: the server throws TypeError: no line');
  });

  it('that does not see a client go is caught', () => {
    vi.spyOn(ClientSession.prototype, 'end').mockImplementation(() => {});

    expect(found()).toBe('O2: the server is in an endless loop');
  });

  it('that does not reset the function is caught', () => {
    vi.spyOn(VfioPci.prototype, 'reset').mockImplementation(() => {});

    expect(found()).toBe('O6: a new client finds the function changed');
  });
});
