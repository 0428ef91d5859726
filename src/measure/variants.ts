// SPDX-License-Identifier: Apache-2.0
// The same command in the ways in which a driver and a card may hand it over: descriptors in the ring or in an indirect
// table, ring entries read by themselves or along with the available index, or a packed ring. The admin queue has 16 entries, so that all of
// its available ring lies in the index's line. Every variant is measured alone on an idle card, and with others in flight.
import {
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../assembly/abi/virtio_admin.ts';
import { VIRTIO_F_INDIRECT_DESC } from '../../assembly/abi/virtio_features.ts';
import { LEGACY_DEVICE_STATUS } from '../../assembly/abi/virtio_pci_legacy.ts';
import type { TimingChoice } from '../device/config.ts';
import { Machine } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import { measureLoop, type LoopResult } from './closed_loop.ts';
import { Meter } from './meter.ts';
import type { Random } from '../util/random.ts';
import { summarize, type Summary } from './summary.ts';
import type { ChainLayout } from './sweeps.ts';

/** One way: LEGACY_COMMON_CFG_READ of one byte. */
export interface VariantRow {
  readonly name: string;
  readonly layout: ChainLayout;
  /** The read of the available index takes the rest of its line along (`fetch.line`). */
  readonly readsLine: boolean;
  readonly packed: boolean;
  readonly alone: Summary;
  readonly together: LoopResult;
}

/** Commands in flight of VariantRow.together; the ring holds four of them where each takes four descriptors. */
export const VARIANTS_IN_FLIGHT = 8;
/** Entries of the admin queue. */
export const VARIANTS_QUEUE_SIZE = 16;

const VF = 1;
const DATA = Uint8Array.of(LEGACY_DEVICE_STATUS);
const RESULT_BYTES = 1;

/** What the variants are. */
export const VARIANTS: readonly Pick<VariantRow, 'name' | 'layout' | 'readsLine' | 'packed'>[] = [
  { name: 'direct', layout: 'direct', readsLine: false, packed: false },
  { name: 'indirect', layout: 'indirect', readsLine: false, packed: false },
  { name: 'indirect, ring entries with the index', layout: 'indirect', readsLine: true, packed: false },
  { name: 'direct, ring entries with the index', layout: 'direct', readsLine: true, packed: false },
  { name: 'packed, indirect', layout: 'indirect', readsLine: false, packed: true },
  { name: 'packed, direct', layout: 'direct', readsLine: false, packed: true },
];

/** Measures one variant: `samples` times alone, `commands` commands of a closed loop. */
export function measureVariant(
  card: TimingChoice,
  variant: (typeof VARIANTS)[number],
  samples: number,
  commands: number,
  random: Random,
): VariantRow {
  const machine = (): Machine =>
    new Machine({
      traceAdmin: true,
      totalVfs: VF,
      adminQueueSize: VARIANTS_QUEUE_SIZE,
      ...card,
      packed: variant.packed,
      profile: { ...card.profile, 'fetch.line': variant.readsLine ? 1 : 0 },
      withoutFeatures: variant.layout === 'direct' ? [VIRTIO_F_INDIRECT_DESC] : [],
    });
  const meter = new Meter(machine(), random);
  const { admin } = meter.machine.pf;
  const alone = Array.from({ length: samples }, () =>
    meter.command(() => {
      const opcode = VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ;
      const { status } = admin.exec(opcode, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, VF, DATA, RESULT_BYTES);
      if (status !== VIRTIO_ADMIN_STATUS_OK)
        throw new NicError('BENCH', `a register read was refused, status ${status}`);
    }),
  );
  return {
    ...variant,
    alone: summarize(alone, meter.machine.nic.profile.clockPs),
    together: measureLoop(machine(), {
      inFlight: VARIANTS_IN_FLIGHT,
      commands,
      nextMember: () => VF,
      traffic: null,
      read: { offset: LEGACY_DEVICE_STATUS, bytes: RESULT_BYTES },
    }),
  };
}
