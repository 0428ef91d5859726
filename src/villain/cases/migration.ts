// SPDX-License-Identifier: Apache-2.0
// M01 to M09: migration by device parts. The card has none yet; the cases say what will have to be tried.
import {
  VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY,
  VIRTIO_ADMIN_CMD_DEV_MODE_SET,
  VIRTIO_ADMIN_CMD_LIST_QUERY,
} from '../../../assembly/abi/virtio_admin.ts';
import { fromLe, SRIOV } from '../admin_queue.ts';
import type { Case } from '../case.ts';
import { waiting, type Missing } from './not_offered.ts';

/** Capabilities, resource objects, device parts and the stop mode, as bits of LIST_QUERY. */
const COMMANDS = Array.from(
  { length: VIRTIO_ADMIN_CMD_DEV_MODE_SET - VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY + 1 },
  (_, i) => 2 ** (VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY + i),
).reduce((sum, bit) => sum + bit, 0);
const PARTS: Missing = {
  what: 'migration by device parts',
  setup: 'admin',
  isOffered: ({ admin }) =>
    (fromLe(admin.command(VIRTIO_ADMIN_CMD_LIST_QUERY, SRIOV, 0, [], 8).result) & COMMANDS) !== 0,
};

const ACTS: readonly (readonly [id: string, act: string, clause: string])[] = [
  ['M01-running', 'gets parts of a VF that runs', 'ADM-PARTS-02'],
  ['M01-stopped', 'gets parts of a VF that is stopped', 'ADM-PARTS-02, ADM-PARTS-18'],
  ['M02-order', 'sets parts in another order than they came', 'ADM-PARTS-27, ADM-PARTS-29'],
  ['M02-twice', 'sets a part twice', 'ADM-PARTS-05'],
  ['M02-missing', 'leaves parts out', 'ADM-PARTS-05, ADM-CMD-09'],
  ['M02-type', 'sets a part of a type that there is not', 'ADM-PARTS-09'],
  ['M02-size', 'sets a part of the wrong size', 'ADM-PARTS-06'],
  ['M02-selector', 'sets parts of queues that there are not', 'ADM-CMD-07'],
  ['M03-sum', 'sets parts whose sizes sum up beyond every limit', 'ADM-CMD-07, ADM-VQ-07'],
  ['M04-cut', 'cuts the stream of parts at every byte', 'ADM-VQ-01, ADM-PARTS-06'],
  ['M05-twice', 'stops a VF twice', 'ADM-PARTS-23'],
  ['M05-clear', 'resumes a VF that was not stopped', 'ADM-PARTS-24'],
  ['M06-kick', 'restores a VF and rings at once', 'ADM-PARTS-13, ADM-PARTS-18'],
  ['M07-rings', 'restores rings that lie where there is no memory', 'GEN-STATUS-02'],
  ['M08-source', 'lets the source go on while its parts are read', 'ADM-PARTS-02'],
  ['M09-mismatch', 'restores parts of a device with other features', 'ADM-PARTS-08'],
];

export const MIGRATION_CASES: readonly Case[] = ACTS.map(([id, act, clause]) => waiting(id, act, clause, PARTS));
