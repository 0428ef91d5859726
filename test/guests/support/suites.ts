// SPDX-License-Identifier: Apache-2.0
// Tests that several scenarios share.
import { expect, it } from 'vitest';

import type { Guest } from './guest.ts';
import type { Lab } from './lab.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './network.ts';
import { interrupts, rebind } from './pci.ts';
import { record } from './report.ts';
import { configure, download, ping, shareFile, upload } from './traffic.ts';
import type { KernelName } from './tree.ts';

const [ADDRESS] = GUEST_ADDRESSES;
const PINGS = 1000;
const FILE_BYTES = 64 << 20;

/** Where a scenario's tests run; the guest boots in a hook, hence a function. */
export interface Scene {
  readonly kernel: KernelName;
  readonly scenario: string;
  readonly lab: () => Lab;
  readonly guest: () => Guest;
}

/** 1,000 pings without loss and 64 MiB both ways; the guest has its address already. */
export function itCarriesTraffic({ kernel, scenario, lab, guest }: Scene): void {
  it(`sends ${PINGS} pings to the host without loss`, async () => {
    const { sent, received, minMs, avgMs, maxMs } = await ping(guest(), HOST_ADDRESS, PINGS);

    record(kernel, scenario, { bootMs: guest().bootMs, pingMinMs: minMs, pingAvgMs: avgMs, pingMaxMs: maxMs });
    expect({ sent, received }).toEqual({ sent: PINGS, received: PINGS });
  });

  it('carries 64 MiB over HTTP both ways', async () => {
    const file = shareFile(lab().network, lab().folder, FILE_BYTES);
    const down = await download(guest(), file);
    const up = await upload(lab().network, guest(), ADDRESS);

    record(kernel, scenario, { downloadMBps: down.megabytesPerSecond, uploadMBps: up.megabytesPerSecond });
    expect(down.sha256).toBe(file.sha256);
    expect(up.sha256).toBe(file.sha256);
  });
}

/** After pings, each vector that Linux gave the queues is of this kind, and both directions of a queue were heard of. */
export function itInterruptsBy(kind: RegExp, names: readonly string[], { guest }: Scene): void {
  it(`interrupts as ${names.join(', ')}`, async () => {
    const before = await interrupts(guest());
    await ping(guest(), HOST_ADDRESS, PINGS);
    const after = await interrupts(guest());

    expect(after.map(({ name }) => name)).toEqual(names);
    expect(after.filter((line) => !kind.test(line.kind))).toEqual([]);
    const more = after.reduce((sum, { count }) => sum + count, 0) - before.reduce((sum, { count }) => sum + count, 0);
    expect(more).toBeGreaterThan(PINGS / 2); // a reply to wait for before each next request, hardly two at once
  });
}

/** The guest's machine restarts and finds the card as it found it first. */
export function itSurvivesReboot({ guest }: Scene): void {
  it('comes back when the guest reboots', async () => {
    await guest().reboot();
    await configure(guest(), ADDRESS);

    expect(await ping(guest(), HOST_ADDRESS, 100)).toMatchObject({ sent: 100, received: 100 });
  });
}

/** 200 rounds of unbinding and binding leave nothing behind, in the process that presents the card or in the guest. */
export function itSurvivesRebinding({ kernel, scenario, lab, guest }: Scene): void {
  it('unbinds and binds 200 times, and nothing leaks', async () => {
    await rebind(guest(), 5); // what is allocated once is there after this
    const before = lab().holdings(guest());
    record(kernel, scenario, { bindMs: await rebind(guest(), 200) });
    const after = lab().holdings(guest());
    await configure(guest(), ADDRESS);

    expect(await ping(guest(), HOST_ADDRESS, 100)).toMatchObject({ sent: 100, received: 100 });
    expect(after.descriptors).toBe(before.descriptors);
    expect(after.residentBytes - before.residentBytes).toBeLessThan(32 << 20);
  });
}

/** Nothing in the kernel's messages says that something went wrong. */
export function itLeavesNoComplaint({ guest }: Scene): void {
  it('leaves no complaint on the console', () => {
    expect(guest().complaints()).toEqual([]);
  });
}
