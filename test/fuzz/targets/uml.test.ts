// SPDX-License-Identifier: Apache-2.0
// The server for User Mode Linux under hostile kernels: nothing is found in some thousand executions, an input does the
// same each time, and a server with a planted mistake is caught by the oracle that is there for it.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { UmlTarget } from '../../../src/fuzz/targets/uml.ts';
import { BackendChannel } from '../../../src/uml/backend_channel.ts';
import { FunctionAccess } from '../../../src/uml/function_access.ts';
import { GuestMemory } from '../../../src/uml/guest_memory.ts';
import { KernelSession } from '../../../src/uml/kernel_session.ts';
import { SplitQueue } from '../../../src/uml/split_queue.ts';
import { Random } from '../../../src/util/random.ts';
import { fuzzLoop } from '../support/loop.ts';

/** Executions of one seed; VIRTFN_FUZZ_EXECUTIONS makes it more. */
const EXECUTIONS = Number(process.env['VIRTFN_FUZZ_EXECUTIONS'] ?? 800);
const PLANTED_EXECUTIONS = 5000;

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the server under hostile kernels', () => {
  it.each([1, 5])('owes nothing, leaves nothing and throws nothing, seed %i', (seed) => {
    const { finding, executions, points } = fuzzLoop(new UmlTarget(), seed, EXECUTIONS);

    expect(finding).toEqual([]);
    expect(executions).toBeGreaterThanOrEqual(EXECUTIONS);
    expect(points).toBeGreaterThan(100);
  });

  it('does the same for the same input, whatever was run before', () => {
    const target = new UmlTarget();
    const { corpus } = fuzzLoop(target, 3, 300);
    const hashOf = (one: UmlTarget, input: Uint8Array): string => {
      one.run(input);
      return one.traceHash();
    };

    const first = corpus.map((input) => hashOf(target, input));
    const other = new UmlTarget();
    const again = corpus.toReversed().map((input) => hashOf(other, input));

    expect(again.toReversed()).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(corpus.length / 2);
  });
});

describe('the target', () => {
  it('reaches every function, and finds nothing in its seeds', () => {
    const target = new UmlTarget();
    const lines = target.seeds().map((seed) => target.describe(seed)[0]!);

    for (const fn of ['PF', 'VF', 'VF that is not there']) {
      expect(lines.some((line) => line.startsWith(`a kernel at the ${fn}, set up`))).toBe(true);
    }
    expect(target.seeds().map((seed) => target.run(seed))).toEqual(target.seeds().map(() => null));
  });

  it('takes any bytes as an input', () => {
    const target = new UmlTarget();
    const random = new Random(77);
    const inputs = Array.from({ length: 100 }, (_, i) => Uint8Array.from({ length: 2 * i }, () => random.below(256)));

    expect(inputs.map((input) => target.run(input))).toEqual(inputs.map(() => null));
  });
});

describe('a server with a mistake', () => {
  const found = (): string => {
    const { finding } = fuzzLoop(new UmlTarget(), 7, PLANTED_EXECUTIONS);
    return finding[0] ?? 'nothing';
  };
  type Insides = Record<string, (...args: unknown[]) => unknown>;

  it('that answers twice is caught', () => {
    const { send } = KernelSession.prototype as unknown as Insides;
    vi.spyOn(KernelSession.prototype as unknown as Insides, 'send').mockImplementation(function (
      this: unknown,
      ...args
    ) {
      send!.apply(this, args);
      send!.apply(this, args);
    });

    expect(found()).toMatch(/^O13: a reply to request \d+, which is not due$/);
  });

  it('that takes a lie for the truth is caught', () => {
    vi.spyOn(GuestMemory.prototype as unknown as Insides, 'check').mockImplementation(() => {});

    expect(found()).toMatch(
      /^O13: (?:the server goes on with a kernel that lied|a reply to request 5, which is not due)$/,
    );
  });

  it('that uses a buffer with a wrong length is caught', () => {
    const { put } = SplitQueue.prototype;
    vi.spyOn(SplitQueue.prototype, 'put').mockImplementation(function (this: SplitQueue, chain, data) {
      put.call(this, chain, data.subarray(1));
    });

    expect(found()).toMatch(/^O3: buffer \d+ with \d+ bytes is used as \d+ with \d+$/);
  });

  it('that forgets buffers is caught', () => {
    const { available } = SplitQueue.prototype;
    vi.spyOn(SplitQueue.prototype, 'available').mockImplementation(function (this: SplitQueue) {
      return Math.min(1, available.call(this));
    });

    expect(found()).toMatch(/^O2: \d+ buffers were available, and \d+ are used$/);
  });

  it('that keeps descriptors of messages open is caught', () => {
    const take = vi.spyOn(KernelSession.prototype as unknown as Insides, 'take');
    const { handle } = KernelSession.prototype as unknown as Insides;
    take.mockImplementation(function (this: unknown, raw) {
      const { header, payload, fds } = raw as { header: DataView; payload: DataView; fds: number[] };
      handle!.call(this, { request: header.getUint32(0, true), needsReply: true, payload, fds });
    });

    expect(found()).toMatch(/^O(?:6|13): /);
  });

  it('that keeps mappings is caught', () => {
    vi.spyOn(GuestMemory.prototype, 'clear').mockImplementation(() => {});

    expect(found()).toMatch(/^O6: after all kernels are gone there is (mapping|descriptor) \d+$/);
  });

  it('that looks beside the memory is caught', () => {
    const { guestOf } = GuestMemory.prototype;
    vi.spyOn(GuestMemory.prototype, 'read').mockImplementation(() => true);
    vi.spyOn(GuestMemory.prototype, 'guestOf').mockImplementation(function (this: GuestMemory, user, length) {
      return Math.max(0, guestOf.call(this, user, length));
    });

    expect(found()).not.toBe('nothing');
  });

  it('that throws what has no type is caught', () => {
    vi.spyOn(FunctionAccess.prototype, 'perform').mockImplementation(() => {
      throw new TypeError('no register');
    });

    expect(found()).toBe('O13: the server throws TypeError: no register');
  });

  it('that keeps the channel open is caught', () => {
    vi.spyOn(BackendChannel.prototype, 'close').mockImplementation(() => {});

    expect(found()).toMatch(/^O6: after all kernels are gone there is descriptor \d+$/);
  });

  it('that does not see a kernel go is caught', () => {
    vi.spyOn(KernelSession.prototype, 'end').mockImplementation(() => {});

    expect(found()).toBe('O2: the server is in an endless loop');
  });
});
