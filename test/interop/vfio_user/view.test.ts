// SPDX-License-Identifier: Apache-2.0
// The rows of vfio-pci's configuration space once more, over a socket: PF and VF of a card that `virtfn serve` makes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { resolveServeConfig } from '../../../src/cli/serve/config.ts';
import { createNic, type Nic } from '../../../src/device/nic.ts';
import type { VfioUserClient } from '../../../src/vfio_user/client.ts';
import { checkRow, hardware } from '../../conformance/pci/support/view_check.ts';
import { BAR_ROWS, VIEW_ROWS, type ViewRow } from '../../conformance/pci/support/vfio_rows.ts';
import { CardBench } from './support/card_bench.ts';

const CONFIG = 7;
const SETTINGS = { pf: true, vfs: 2 } as const;
const named = VIEW_ROWS.map((row): [string, ViewRow] => [`${row.name} (0x${row.at.toString(16)})`, row]);

describe.each([
  ['pf', 0],
  ['vf2', 2],
])('the view over vfio-user of %s', (name, fn) => {
  let bench: CardBench;
  let device: VfioUserClient;
  let twin: Nic;
  beforeAll(async () => {
    bench = await CardBench.start(SETTINGS);
    device = bench.device(name);
    device.read(CONFIG, 0, 4);
    twin = createNic(resolveServeConfig(SETTINGS, null, {}).card);
    twin.restore(bench.card.nic.snapshot());
  });
  afterAll(() => bench.close());

  it.each(named)('%s', (_row, row) => {
    checkRow(device, twin, fn, row);
    expect(hardware(bench.card.nic, fn)).toEqual(hardware(twin, fn));
  });

  it.each(BAR_ROWS)('BAR%i', (register, pf, vf, ones, zero) => {
    const at = 0x10 + 4 * register;

    expect(device.read(CONFIG, at, 4)).toBe(fn === 0 ? pf : vf);
    device.write(CONFIG, at, 4, 0xffffffff);
    expect(device.read(CONFIG, at, 4)).toBe(ones);
    device.write(CONFIG, at, 4, 0);
    expect(device.read(CONFIG, at, 4)).toBe(zero);
  });

  it('Memory Space of the PF opens and closes its BARs, that of a VF does nothing', () => {
    device.write(CONFIG, 4, 2, 0);

    if (fn === 0) expect(() => device.read(2, 0x12, 2)).toThrow(expect.objectContaining({ code: 'EIO' }));
    else expect(device.read(2, 0x12, 2)).toBe(3);
    device.write(CONFIG, 4, 2, 2);
    expect(device.read(2, 0x12, 2)).toBe(3);
    expect(device.read(4, 0, 4)).toBe(0xffffffff);
  });
});
