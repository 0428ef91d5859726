// SPDX-License-Identifier: Apache-2.0
// What an administration command may be answered with: virtio 1.4 "Group administration commands", "Administration
// virtqueues" and "Legacy Interface", with the readings of decision 0008. Commands that the model does not know, but the
// card lists, may be answered with anything that the checks before them allow.
import {
  ADMIN_EINVAL,
  ADMIN_OK,
  ADMIN_OPCODE as OPCODE,
  GROUP_SELF,
  GROUP_SRIOV,
  NET_CONFIG,
  QUALIFIER as Q,
} from './spec.ts';

/** Lists of one group type. Bit n is opcode n. */
export interface AdminLists {
  /** What LIST_QUERY shows. */
  readonly supported: number;
  /** What LIST_USE announced last; null since the reset. */
  used: number | null;
}

/** What the answers depend on. */
export interface AdminState {
  readonly self: AdminLists;
  readonly sriov: AdminLists;
  /** VF Enable and NumVFs of the owner. */
  isVfEnabled: boolean;
  numVfs: number;
  /** LIST_QUERY and LIST_USE of the SR-IOV group work while VF Enable is clear (AMB-01). */
  readonly lenientSriovLists: boolean;
  /** MSI-X Enable of VF `member`: it moves the end of the legacy registers from 20 to 24 (AMB-38). */
  readonly hasMsix: (member: number) => boolean;
  /** The one entry of LEGACY_NOTIFY_INFO (AMB-11). */
  readonly notify: { readonly bar: number; readonly offset: number };
}

/** One allowed answer: status, qualifier, and the bytes of the device-writable part that are written. */
export interface AdminOutcome {
  readonly status: number;
  /** Null: any. */
  readonly qualifier: number | null;
  readonly leastBytes: number;
  readonly mostBytes: number;
}

export interface AdminAnswer {
  /** Any of these; none where the chain has no room for an answer, which stops the device. */
  readonly outcomes: readonly AdminOutcome[];
  /** What command_specific_result begins with if the command succeeds, as far as it is settled. */
  readonly result: Uint8Array | null;
}

const HEADER = 24;
const RESULT_HEADER = 8;
const NOTIFY_INFO_BYTES = 64;
const FLAGS_OWNER_MEMBER = 2;
const LIST_COMMANDS = (1 << OPCODE.listQuery) | (1 << OPCODE.listUse);
const LEGACY_CONFIG = 0b111100;
const LEGACY_NOTIFY = 1 << OPCODE.legacyNotifyInfo;

/** Ends of the legacy registers (§4.1.4.10), and of the fields of struct virtio_net_config behind them. */
const COMMON_ENDS = [4, 8, 12, 14, 16, 18, 19, 20];
const COMMON_ENDS_MSIX = [...COMMON_ENDS, 22, 24];
/** Fields behind `mtu` exist with features that this card does not offer (§5.1.4): an access to them may be refused or not. */
const DEVICE_ENDS = [
  NET_CONFIG.status,
  NET_CONFIG.maxVirtqueuePairs,
  NET_CONFIG.mtu,
  NET_CONFIG.end,
  16,
  17,
  18,
  20,
  24,
  28,
];

/** Answers to `command`, the device-readable bytes, of a chain with `writableBytes` for the answer. */
export function expectedAdminAnswer(command: Uint8Array, writableBytes: number, state: AdminState): AdminAnswer {
  if (writableBytes === 0) return { outcomes: [], result: null };
  const fail = (qualifier: number): AdminAnswer => ({ outcomes: [failure(qualifier, writableBytes)], result: null });

  // Group first, then opcode, then member (ADM-CMD-02 to 04). What is missing of the command reads as zero (ADM-VQ-01).
  const opcode = le16(command, 0);
  const group = le16(command, 2);
  if (group !== GROUP_SELF && group !== GROUP_SRIOV) return fail(Q.invalidGroup);
  const isList = opcode <= OPCODE.listUse;
  const isSriov = group === GROUP_SRIOV;
  if (isSriov && !state.isVfEnabled && !(isList && state.lenientSriovLists)) return fail(Q.invalidGroup);
  const lists = isSriov ? state.sriov : state.self;
  if (opcode > 31 || (lists.supported & (lists.used ?? LIST_COMMANDS) & (1 << opcode)) === 0) {
    return fail(Q.invalidOpcode);
  }
  // The list commands do not use the member id (AMB-01).
  const member = le32(command, 16);
  const isMember = isSriov ? member >= 1 && member <= state.numVfs : member === 0;
  if (!isList && !(isMember && le32(command, 20) === 0)) return fail(Q.invalidMember);

  switch (opcode) {
    case OPCODE.listQuery: {
      const bitmap = new Uint8Array(8);
      new DataView(bitmap.buffer).setUint32(0, lists.supported, true);
      // Further words, all zero, may follow.
      return { outcomes: [{ ...success(bitmap.length, writableBytes), mostBytes: writableBytes }], result: bitmap };
    }
    case OPCODE.listUse:
      return { outcomes: listUse(command, writableBytes, lists.supported), result: null };
    case OPCODE.legacyCommonWrite:
    case OPCODE.legacyDeviceWrite: {
      const length = Math.max(0, command.length - HEADER - 8);
      return { outcomes: access(command, length, 0, writableBytes, fieldEnds(opcode, member, state)), result: null };
    }
    case OPCODE.legacyCommonRead:
    case OPCODE.legacyDeviceRead: {
      const length = Math.max(0, writableBytes - RESULT_HEADER);
      const ends = fieldEnds(opcode, member, state);
      return { outcomes: access(command, length, length, writableBytes, ends), result: null };
    }
    case OPCODE.legacyNotifyInfo:
      return { outcomes: [success(NOTIFY_INFO_BYTES, writableBytes)], result: notifyInfo(state) };
  }
  const any = { leastBytes: Math.min(RESULT_HEADER, writableBytes), mostBytes: writableBytes };
  const statuses = [ADMIN_OK, 6, 11, 12, 16, 17, ADMIN_EINVAL, 28];
  return { outcomes: statuses.map((status) => ({ status, qualifier: null, ...any })), result: null };
}

/**
 * What is wrong with an answer, or null. `writable` is the device-writable part as the driver finds it, `usedLength` the
 * length in the used ring; status and qualifier count as far as they were written.
 */
export function adminAnswerFault(answer: AdminAnswer, writable: Uint8Array, usedLength: number): string | null {
  if (answer.outcomes.length === 0) return 'an answer, although the chain has no room for one';
  const status = le16(writable, 0);
  const qualifier = le16(writable, 2);
  const isOne = answer.outcomes.some(
    (one) =>
      (usedLength < 2 || one.status === status) &&
      (usedLength < 4 || one.qualifier === null || one.qualifier === qualifier) &&
      usedLength >= one.leastBytes &&
      usedLength <= one.mostBytes,
  );
  if (!isOne) {
    const allowed = answer.outcomes.map((one) => [one.status, one.qualifier, one.leastBytes, one.mostBytes].join(' '));
    return `status ${status} ${qualifier}, ${usedLength} bytes; allowed ${allowed.join(', or ')}`;
  }
  for (let i = 4; i < Math.min(RESULT_HEADER, usedLength); i++) if (writable[i] !== 0) return 'reserved2 is not zero';
  if (answer.result === null || status !== ADMIN_OK) return null;
  const end = Math.min(answer.result.length, usedLength - RESULT_HEADER);
  for (let i = 0; i < end; i++) {
    const byte = writable[RESULT_HEADER + i];
    if (byte !== answer.result[i]) return `result byte ${i} is ${byte}, expected ${answer.result[i]}`;
  }
  return null;
}

/** Keeps the lists up to date: call it with each command and the status that it was answered with. */
export function noteAdminAnswer(state: AdminState, command: Uint8Array, status: number): void {
  if (status !== ADMIN_OK || le16(command, 0) !== OPCODE.listUse) return;
  const lists = le16(command, 2) === GROUP_SRIOV ? state.sriov : state.self;
  lists.used = le32(command, HEADER);
}

/** A reset of the owner: only the list commands are legal again (ADM-CMD-14). */
export function resetAdmin(state: AdminState): void {
  state.self.used = null;
  state.sriov.used = null;
}

function listUse(command: Uint8Array, writableBytes: number, supported: number): AdminOutcome[] {
  const wanted = le32(command, HEADER);
  const invalid = failure(Q.invalidField, writableBytes);
  if ((wanted & ~supported) !== 0 || le32(command, HEADER + 4) !== 0) return [invalid];
  // A list that breaks a dependency MAY be refused (ADM-CMD-11); words beyond the first may count as surplus (ADM-VQ-03).
  const config = wanted & LEGACY_CONFIG;
  const isPartial = config !== 0 && config !== LEGACY_CONFIG;
  const isBroken =
    isPartial || ((wanted & LEGACY_NOTIFY) !== 0 && config === 0) || (wanted & 1) === 0 || (wanted & 2) === 0;
  const isLong = command.subarray(HEADER + 8).some((byte) => byte !== 0);
  const good = success(0, writableBytes);
  return isBroken || isLong ? [good, invalid] : [good];
}

/** Legacy register access of `length` bytes: inside one field, and inside the part (ADM-LEG-03, ADM-LEG-04, AMB-09, AMB-38). */
function access(
  command: Uint8Array,
  length: number,
  resultBytes: number,
  writableBytes: number,
  ends: readonly number[],
): AdminOutcome[] {
  const offset = command[HEADER] ?? 0;
  const good = success(resultBytes, writableBytes);
  const invalid = failure(Q.invalidField, writableBytes);
  if (length === 0) return [good, invalid]; // is nothing one field?
  const end = ends.find((one) => offset < one);
  if (end === undefined || offset + length > end) return [invalid];
  return ends === DEVICE_ENDS && end > NET_CONFIG.end ? [good, invalid] : [good];
}

function fieldEnds(opcode: number, member: number, state: AdminState): readonly number[] {
  if (opcode === OPCODE.legacyDeviceRead || opcode === OPCODE.legacyDeviceWrite) return DEVICE_ENDS;
  return state.hasMsix(member) ? COMMON_ENDS_MSIX : COMMON_ENDS;
}

function notifyInfo({ notify }: AdminState): Uint8Array {
  const result = new Uint8Array(NOTIFY_INFO_BYTES);
  result[0] = FLAGS_OWNER_MEMBER;
  result[1] = notify.bar;
  new DataView(result.buffer).setUint32(8, notify.offset, true);
  return result;
}

/** What is written is cut to the room there is (ADM-VQ-02), and the used length says how much it was (ADM-VQ-05). */
function success(resultBytes: number, writableBytes: number): AdminOutcome {
  const bytes = Math.min(RESULT_HEADER + resultBytes, writableBytes);
  return { status: ADMIN_OK, qualifier: Q.ok, leastBytes: bytes, mostBytes: bytes };
}

/** A command that fails has no defined result; the room for one may be filled with zeros. */
function failure(qualifier: number, writableBytes: number): AdminOutcome {
  const leastBytes = Math.min(RESULT_HEADER, writableBytes);
  return { status: ADMIN_EINVAL, qualifier, leastBytes, mostBytes: writableBytes };
}

function le16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function le32(bytes: Uint8Array, at: number): number {
  return (le16(bytes, at) | (le16(bytes, at + 2) << 16)) >>> 0;
}
