// SPDX-License-Identifier: Apache-2.0
// The corners of every option of a machine against those of every other: each combination carries a frame both ways and an
// administration command, or is refused by a ConfigError that names a value that would do, and with that value it goes on.
import { describe, expect, it } from 'vitest';

import {
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_CMD_LIST_QUERY,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
} from '../../assembly/abi/virtio_admin.ts';
import { ConfigError } from '../../src/device/config.ts';
import { PROFILES } from '../../src/device/profiles.ts';
import type { VirtioNet, VirtioNetOptions } from '../../src/guest/virtio_net.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineOptions } from '../../src/machine/machine_config.ts';
import { NicError } from '../../src/util/errors.ts';
import { pairwise, type Combination, type Corners } from '../support/pairwise.ts';

const EINVAL = 22;
/** Offset of device_status in the legacy registers (virtio 1.4 §4.1.4.8). */
const DEVICE_STATUS = 18;

/** Least, greatest, default (undefined) and one off, or what stands for them. */
const MACHINE: Corners = {
  mode: ['functional', 'timed'],
  profileName: PROFILES.map(({ name }) => name),
  totalVfs: [undefined, 1, 1024, 0, 1025],
  onDemandFunctions: [undefined, 1, 1024, -1],
  firstVfOffset: [undefined, 0xffff, 0],
  vfStride: [undefined, 2, 64, 0xffff],
  routingId: [undefined, 0, 0xffff, 0x10000],
  queueSize: [undefined, 2, 4, 3, 512],
  adminQueueSize: [undefined, 2, 4, 1],
  pfQueuePairs: [undefined, 8, 9],
  vfQueuePairs: [undefined, 2, 8, 0],
  pfVectors: [undefined, 2, 32, 33],
  vfVectors: [undefined, 2, 32, 1],
  vfVectorPool: [undefined, 2, 32, 32_769],
  mtu: [undefined, 68, 67, 3939, 9000, 9001],
  mac: [undefined, '06:00:00:00:00:00', '01:00:00:00:00:00', 'none'],
  // MTU; MRG_RXBUF; CTRL_VQ; MQ; INDIRECT and EVENT_IDX; VERSION_1; SR_IOV; ADMIN_VQ; all that may go
  withoutFeatures: [
    undefined,
    [3],
    [15],
    [17],
    [22],
    [28, 29],
    [32],
    [37],
    [41],
    Array.from({ length: 32 }, (_, i) => i),
  ],
  legacy: [undefined, false],
  receiveHoldBytes: [undefined, 0, 4096, 4097, 1 << 20, (1 << 20) + 1],
  wire: ['host', 'discard'],
  windowBytes: [undefined, 4096, 4097, 1 << 21],
  identityDma: [undefined, true],
  lenientSriovLists: [undefined, false],
  traceAdmin: [undefined, true],
  traceBytes: [undefined, 4096, 4095],
  numVfs: [undefined, 0, 1, 1025],
  pfMemoryBytes: [undefined, 4096, 1 << 22],
};
const PF: Corners = { pfPairs: [undefined, 8], pfQueueSize: [undefined, 2], slots: [undefined, 1] };
const DRIVER: Corners = {
  queuePairs: [undefined, 2, 8],
  driverQueueSize: [undefined, 2],
  rxBufferBytes: [undefined, 9100],
};

function picked(combination: Combination, names: Corners): Combination {
  return Object.fromEntries(
    Object.entries(combination).filter(([name, value]) => name in names && value !== undefined),
  );
}

/** The machine of these options and a driver on its first VF, or the PF's where there are no VFs. */
function brought(
  options: Combination,
  pf: Combination,
  driver: VirtioNetOptions,
): { machine: Machine; net: VirtioNet } {
  const machine = new Machine({ ...options, pf } as MachineOptions);
  const hasVfs = (machine.pf.sriov?.numVfs ?? 0) > 0;
  return { machine, net: hasVfs ? machine.startModern(1, driver) : machine.pf.net };
}

/** As brought(), with what each refusal says would do in place of what was asked for. */
function settled(combination: Combination) {
  const options = picked(combination, MACHINE);
  const { pfPairs, pfQueueSize, slots } = picked(combination, PF);
  const { driverQueueSize, ...rest } = picked(combination, DRIVER);
  const pf = {
    ...(pfPairs === undefined ? {} : { queuePairs: pfPairs }),
    ...(pfQueueSize === undefined ? {} : { queueSize: pfQueueSize }),
    ...(slots === undefined ? {} : { admin: { slots } }),
  };
  const driver = {
    ...rest,
    ...(driverQueueSize === undefined ? {} : { queueSize: driverQueueSize }),
  } as VirtioNetOptions;
  for (let refusals = 0; refusals < 8; refusals++) {
    try {
      return brought(options, pf, driver);
    } catch (error) {
      if (error instanceof ConfigError) {
        for (const { option, message, remedy } of error.problems) {
          expect(message).toContain(String(remedy));
          options[option] = remedy;
        }
        continue;
      }
      // the window is shared by drivers that come one by one, so only the last of them finds it too small
      const [, bytes] = /windowBytes (\d+) would do/.exec(error instanceof NicError ? error.message : '') ?? [];
      if (bytes === undefined) throw error;
      options['windowBytes'] = Number(bytes);
    }
  }
  throw new Error(`remedies lead nowhere: ${JSON.stringify(options)}`);
}

function frame(to: Uint8Array, from: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(to);
  bytes.set(from, 6);
  bytes.set([0x88, 0xb5], 12);
  return bytes;
}

describe('every corner of an option against those of every other', () => {
  const combinations = pairwise({ ...MACHINE, ...PF, ...DRIVER });

  it.each(combinations.map((combination, i) => [i, combination] as const))('combination %i', (_i, combination) => {
    const { machine, net } = settled(combination);
    const { nic, pf } = machine;
    const own = Uint8Array.from({ length: 6 }, (_, i) => net.transport.readConfig(i, 1));
    const stranger = Uint8Array.of(0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee);
    const before = nic.counters()['wire_tx_frames']!;

    expect(net.send(frame(stranger, own))).toBe(true);
    machine.settle();
    expect(nic.counters()['wire_tx_frames']).toBe(before + 1);

    expect(nic.receiveFrame(frame(own, stranger))).toBe(true);
    machine.settle();
    net.poll();
    expect(net.statistics().rxFrames).toBe(1);

    if (!pf.hasAdminQueue) return;
    // answered: with success, or because the command is none of those that the driver chose to use
    const { status } = pf.admin.exec(VIRTIO_ADMIN_CMD_LIST_QUERY, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, 0, null, 8);
    expect([0, EINVAL]).toContain(status);
    const hasLegacy = (pf.admin.supportedCommands >>> VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ) & 1;
    if (hasLegacy === 0 || pf.sriov?.numVfs === 0) return;
    const offset = Uint8Array.of(DEVICE_STATUS, 0, 0, 0, 0, 0, 0, 0);
    const group = VIRTIO_ADMIN_GROUP_TYPE_SRIOV;
    expect(pf.admin.exec(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ, group, 1, offset, 1).status).toBe(0);
  });
});
