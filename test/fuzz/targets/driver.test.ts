// SPDX-License-Identifier: Apache-2.0
// A malicious device against the drivers: nothing is found in some thousand executions, an input does the same each time,
// and a driver without one of its checks is caught.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { DriverTarget } from '../../../src/fuzz/targets/driver.ts';
import { KIND } from '../../../src/fuzz/targets/driver_seeds.ts';
import { encodeRecords, record } from '../../../src/fuzz/targets/records.ts';
import { DeviceFaultError } from '../../../src/guest/device_fault.ts';
import { SplitRing } from '../../../src/guest/split_ring.ts';
import { VirtioModern } from '../../../src/guest/virtio_modern.ts';
import { Random } from '../../../src/util/random.ts';
import { fuzzLoop } from '../support/loop.ts';

/** Executions of one seed; VIRTFN_FUZZ_EXECUTIONS makes it more. */
const EXECUTIONS = Number(process.env['VIRTFN_FUZZ_EXECUTIONS'] ?? 1500);
const PLANTED_EXECUTIONS = 20_000;

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the drivers under a malicious device', () => {
  it.each([1, 5])('work or end by a typed error, seed %i', (seed) => {
    const target = new DriverTarget();

    const { finding, executions, points } = fuzzLoop(target, seed, EXECUTIONS);

    expect(finding).toEqual([]);
    expect(executions).toBeGreaterThanOrEqual(EXECUTIONS);
    expect(points).toBeGreaterThan(800);
  });

  it('do the same for the same input, whatever was run before', () => {
    const target = new DriverTarget();
    const { corpus } = fuzzLoop(target, 3, 300);
    const hashOf = (one: DriverTarget, input: Uint8Array): string => {
      one.run(input);
      return one.traceHash();
    };

    const first = corpus.map((input) => hashOf(target, input));
    const again = corpus.toReversed().map((input) => hashOf(new DriverTarget(), input));

    expect(again.toReversed()).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(corpus.length / 2);
  });
});

describe('the target', () => {
  it('reaches every driver with its seeds, and each starts', () => {
    const target = new DriverTarget();
    const lines = target.seeds().flatMap((seed) => target.describe(seed));

    for (const driver of ['modern', 'pf', 'legacy', 'variant', 'ring']) {
      expect(lines.some((line) => line.startsWith(`driver ${driver},`))).toBe(true);
    }
    expect(target.seeds().map((seed) => target.run(seed))).toEqual(target.seeds().map(() => null));
  });

  it('does not blame a driver for a device that lies about the place of its registers', () => {
    const target = new DriverTarget();
    const moved = (driver: number): Uint8Array => encodeRecords([record(0, driver), record(KIND.CONFIG, 0, 0x98, 8)]);

    expect([0, 1, 2, 3].map((driver) => target.run(moved(driver)))).toEqual([null, null, null, null]);
  });

  it('takes any bytes as an input', () => {
    const target = new DriverTarget();
    const random = new Random(77);
    const inputs = Array.from({ length: 200 }, (_, i) => Uint8Array.from({ length: i }, () => random.below(256)));

    expect(inputs.map((input) => target.run(input))).toEqual(inputs.map(() => null));
  });
});

/** Faults that a split ring reports; one of them is left out. */
function ignoreFault(code: string): void {
  type Fault = (code: string, what: string, value: number) => void;
  const ring = SplitRing.prototype as unknown as { fault: Fault };
  vi.spyOn(ring, 'fault').mockImplementation((found, what, value) => {
    if (found !== code) throw new DeviceFaultError(found as 'DEVICE_USED_ID', `${what} ${value}`);
  });
}

describe('a driver without one of its checks', () => {
  it.each(['DEVICE_USED_INDEX', 'DEVICE_USED_ID', 'DEVICE_USED_LENGTH'])('is caught where that is %s', (code) => {
    ignoreFault(code);

    const { finding } = fuzzLoop(new DriverTarget(), 7, PLANTED_EXECUTIONS);

    expect(finding[0]).toMatch(/^O13: /);
  });

  it('is caught where it waits for the end of a reset without a limit', () => {
    vi.spyOn(VirtioModern.prototype, 'reset').mockImplementation(function (this: VirtioModern) {
      this.device.write(2, 0x14, 1, 0);
      while (this.status() !== 0);
    });

    const { finding } = fuzzLoop(new DriverTarget(), 7, PLANTED_EXECUTIONS);

    expect(finding[0]).toBe('O13: the driver is in an endless loop');
  });

  it('is caught where it throws what has no type', () => {
    vi.spyOn(VirtioModern.prototype, 'driverOk').mockImplementation(() => {
      throw new TypeError('no queue');
    });

    const { finding } = fuzzLoop(new DriverTarget(), 7, PLANTED_EXECUTIONS);

    expect(finding[0]).toBe('O13: an error without a type: TypeError: no queue');
  });
});
