// SPDX-License-Identifier: Apache-2.0
// SET_IRQS: eventfds for each kind of interrupt, triggered by the client itself, and everything that is refused. How
// interrupts of the device arrive is in drivers.test.ts.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { COMMAND, EINVAL, ENOTTY, fields, joined, type RawClient } from './support/raw_client.ts';
import { Served } from './support/served.ts';

const NONE = 1;
const BOOL = 2;
const EVENTFD = 4;
const MASK = 8;
const UNMASK = 16;
const TRIGGER = 32;
const INTX = 0;
const MSI = 1;
const MSIX = 2;
const ERR = 3;
const REQ = 4;
const VECTORS = 4;

let served: Served;
let client: RawClient;
beforeEach(async () => {
  served = await Served.start();
  client = served.greeted();
});
afterEach(() => served.close());

interface IrqFields {
  readonly argsz?: number;
  readonly flags: number;
  readonly index?: number;
  readonly start?: number;
  readonly count?: number;
  readonly data?: readonly number[];
}

const payloadOf = ({ argsz = 20, flags, index = MSIX, start = 0, count = 1, data = [] }: IrqFields): Uint8Array =>
  joined(fields([4, argsz], [4, flags], [4, index], [4, start], [4, count]), Uint8Array.from(data));
const set = (request: IrqFields, fds: readonly number[] = []): number =>
  client.request(COMMAND.DEVICE_SET_IRQS, payloadOf(request), fds).error;

/** Eventfds for vectors from `start`. */
function assign(index: number, count: number, start = 0): number[] {
  const fds = Array.from({ length: count }, () => client.eventfd());
  expect(set({ flags: EVENTFD | TRIGGER, index, start, count }, fds)).toBe(0);
  return fds;
}
const signals = (fds: readonly number[]): number[] => fds.map((fd) => client.signals(fd));

describe('MSI-X', () => {
  it('triggers without data signal each eventfd once', () => {
    const fds = assign(MSIX, VECTORS);

    expect(set({ flags: NONE | TRIGGER, count: VECTORS })).toBe(0);
    expect(signals(fds)).toEqual([1, 1, 1, 1]);
  });

  it('triggers with booleans signal those that are true', () => {
    const fds = assign(MSIX, VECTORS);

    expect(set({ flags: BOOL | TRIGGER, start: 1, count: 3, data: [1, 0, 2] })).toBe(0);
    expect(signals(fds)).toEqual([0, 1, 0, 1]);
  });

  it('eventfds in several messages add up', () => {
    const fds = [...assign(MSIX, 2), ...assign(MSIX, 2, 2)];

    set({ flags: NONE | TRIGGER, count: VECTORS });

    expect(signals(fds)).toEqual([1, 1, 1, 1]);
  });

  it('a message with eventfds and no descriptor takes them away', () => {
    const fds = assign(MSIX, 2);

    expect(set({ flags: EVENTFD | TRIGGER, start: 1, count: 1 })).toBe(0);
    set({ flags: NONE | TRIGGER, count: 2 });

    expect(signals(fds)).toEqual([1, 0]);
  });

  it('a later eventfd replaces an earlier one', () => {
    const [old] = assign(MSIX, 1);
    const [fresh] = assign(MSIX, 1);

    set({ flags: NONE | TRIGGER });

    expect(signals([old!, fresh!])).toEqual([0, 1]);
  });

  it('cannot be masked by message', () => {
    assign(MSIX, 1);

    expect(set({ flags: NONE | MASK })).toBe(ENOTTY);
    expect(set({ flags: NONE | UNMASK })).toBe(ENOTTY);
  });
});

describe('errors and device requests', () => {
  it.each([
    ['ERR', ERR],
    ['REQ', REQ],
  ])('%s has one eventfd, which a trigger signals', (_name, index) => {
    const fds = assign(index, 1);

    expect(set({ flags: NONE | TRIGGER, index })).toBe(0);
    expect(signals(fds)).toEqual([1]);
  });

  it.each([
    ['ERR', ERR],
    ['REQ', REQ],
  ])('%s cannot be masked, and has no second interrupt', (_name, index) => {
    expect(set({ flags: NONE | MASK, index })).toBe(ENOTTY);
    expect(set({ flags: NONE | TRIGGER, index, start: 1 })).toBe(EINVAL);
  });
});

describe('SET_IRQS is refused', () => {
  it.each<[string, IrqFields]>([
    ['with argsz too small', { argsz: 19, flags: NONE | TRIGGER }],
    ['for an index that does not exist', { flags: NONE | TRIGGER, index: 5 }],
    ['for INTx of a VF', { flags: NONE | TRIGGER, index: INTX }],
    ['for MSI, which the function does not have', { flags: NONE | TRIGGER, index: MSI }],
    ['with two kinds of data', { flags: NONE | BOOL | TRIGGER, data: [1] }],
    ['without a kind of data', { flags: TRIGGER }],
    ['with flags that do not exist', { flags: NONE | TRIGGER | 0x40 }],
    ['with a vector too many', { flags: NONE | TRIGGER, start: 0, count: VECTORS + 1 }],
    ['with a start beyond the last vector', { flags: NONE | TRIGGER, start: VECTORS }],
    ['with a range that wraps', { flags: NONE | TRIGGER, start: 0xffffffff, count: 2 }],
    ['with a start and no vectors', { flags: NONE | TRIGGER, start: 1, count: 0 }],
    ['with no vectors and booleans', { flags: BOOL | TRIGGER, count: 0 }],
    ['with too few booleans', { flags: BOOL | TRIGGER, count: 3, data: [1, 1] }],
  ])('%s', (_how, request) => {
    expect(set(request)).toBe(EINVAL);
  });

  // vfio_pci_set_irqs_ioctl of Linux: an index without the action has ENOTTY; what is not set up has EINVAL
  it.each<[string, IrqFields, number]>([
    ['with two actions', { flags: NONE | MASK | UNMASK }, ENOTTY],
    ['without action', { flags: NONE }, ENOTTY],
    ['with no vectors to mask', { flags: NONE | MASK, count: 0 }, ENOTTY],
    ['to unmask ERR', { flags: NONE | UNMASK, index: ERR }, ENOTTY],
    ['to trigger MSI-X before it is set up', { flags: NONE | TRIGGER }, EINVAL],
    ['to switch MSI-X off before it is set up', { flags: NONE | TRIGGER, count: 0 }, EINVAL],
    ['to trigger REQ without eventfd', { flags: NONE | TRIGGER, index: REQ }, EINVAL],
    ['to switch ERR off without eventfd', { flags: NONE | TRIGGER, index: ERR, count: 0 }, EINVAL],
  ])('%s', (_how, request, errno) => {
    expect(set(request)).toBe(errno);
  });

  it('a second time, where MSI-X has been switched off', () => {
    assign(MSIX, 2);

    expect(set({ flags: NONE | TRIGGER, count: 0 })).toBe(0);
    expect(set({ flags: NONE | TRIGGER, count: 0 })).toBe(EINVAL);
    expect(set({ flags: NONE | TRIGGER })).toBe(EINVAL);
  });

  it('not for booleans that are too many', () => {
    assign(MSIX, 1);

    expect(set({ flags: BOOL | TRIGGER, count: 1, data: [1, 1] })).toBe(0);
  });

  it('cut off', () => {
    const payload = payloadOf({ flags: NONE | TRIGGER }).subarray(0, 19);

    expect(client.request(COMMAND.DEVICE_SET_IRQS, payload).error).toBe(EINVAL);
  });

  it.each<[string, IrqFields, number]>([
    ['with descriptors and no data', { flags: NONE | TRIGGER }, 1],
    ['with descriptors and booleans', { flags: BOOL | TRIGGER, data: [1] }, 1],
    ['with one descriptor for two vectors', { flags: EVENTFD | TRIGGER, count: 2 }, 1],
    ['with two descriptors for one vector', { flags: EVENTFD | TRIGGER, count: 1 }, 2],
  ])('%s', (_how, request, descriptors) => {
    const fds = Array.from({ length: descriptors }, () => client.eventfd());

    expect(set(request, fds)).toBe(EINVAL);
  });

  it('with a descriptor that is no eventfd', () => {
    expect(set({ flags: EVENTFD | TRIGGER }, [client.memfd(4096)])).toBe(EINVAL);
  });
});
