// SPDX-License-Identifier: Apache-2.0
// The pins of the chip: everything that the host can do to the core. Numbers are u32 or f64 (cycles and addresses, exact
// up to 2^53), because a u64 at the boundary costs three times the call.
import { ARENA_BASE } from './abi/state_map.ts';
import * as CTL from './abi/control.ts';
import { NONE } from './abi/state_value.ts';
import { bindFunction, ioasClear, ioasDirty, ioasMap, ioasTrack, ioasUnmap } from './host/address_space.ts';
import { isOutside } from './host/side.ts';
import { nextWriteEffect } from './host/write_queue.ts';
import { functionAt } from './mem/arena.ts';
import { applyVectors } from './nic/profile.ts';
import { createCard, memoryBytes } from './nic/topology.ts';
import { hostConfigRead, hostConfigWrite, hostRead, hostWrite, isWayFull } from './nic/access.ts';
import { requestConfigWrite as requestWrite, requestRead as request } from './nic/request.ts';
import {
  advanceTo,
  FOREVER,
  hostAnswer,
  hostCreateFunction,
  hostDestroyFunction,
  settleRequests,
  wireReceive,
} from './nic/run.ts';
import { decodeAddress, functionByRoutingId } from './nic/router.ts';
import { isReadWanted } from './pcie/completions.ts';
import { creditsTaken } from './pcie/credits.ts';
import { startGenerator } from './pcie/generator.ts';
import { answerOwed, isOwed, nextDeadline, targetOf } from './pcie/owed_reads.ts';
import { setLink } from './net/config.ts';
import { NEVER, nextEventTime } from './sim/scheduler.ts';
import { isFunctional } from './sim/time.ts';
import { TRACE_SPACE_CONFIG } from './virtio/state_trace.ts';

/** Bytes of memory that a card with so many functions needs, before it is created; `hold` as in CFG.RECEIVE_HOLD_BYTES. */
export function memoryNeeded(functions: u32, window: u32, hold: u32): u32 {
  return memoryBytes(functions, window, hold);
}

/** Builds the card from CONFIG and PARAM in zeroed memory; false if memory is too small. */
export function create(): bool {
  return createCard();
}

/** Memory read in a BAR of a function: 1, 2 or 4 naturally aligned bytes. Returns when the completion is back. */
export function mmioRead(fn: u32, bar: u32, offset: u32, size: u32): u32 {
  return hostRead(fn, bar, offset, size);
}

/** Memory write in a BAR of a function; posted. */
export function mmioWrite(fn: u32, bar: u32, offset: u32, size: u32, value: u32): void {
  hostWrite(fn, bar, offset, size, value);
}

export function configRead(fn: u32, offset: u32, size: u32): u32 {
  return hostConfigRead(fn, offset, size);
}

export function configWrite(fn: u32, offset: u32, size: u32, value: u32): void {
  hostConfigWrite(fn, offset, size, value);
}

/**
 * Memory read in a BAR, without waiting for its completion, which is an output: the tag that it has, NONE if all are in use.
 */
export function requestRead(fn: u32, bar: u32, offset: u32, size: u32): u32 {
  return request(fn, bar, offset, size);
}

/** The same of configuration space. */
export function requestConfigRead(fn: u32, offset: u32, size: u32): u32 {
  return request(fn, TRACE_SPACE_CONFIG, offset, size);
}

/** Configuration write, likewise; its completion has no value. */
export function requestConfigWrite(fn: u32, offset: u32, size: u32, value: u32): u32 {
  return requestWrite(fn, offset, size, value);
}

/** Would mmioWrite() have to let time pass, because there is no room for another write under way? */
export function isWriteHeldUp(): bool {
  return !isFunctional() && isWayFull();
}

/** Current time in cycles. */
export function now(): f64 {
  return <f64>load<u64>(CTL.NOW);
}

/** Runs up to cycle `until`; why it returned: RUN_*. */
export function advance(until: f64, stopOnOutput: bool): i32 {
  return advanceTo(<u64>until, stopOnOutput);
}

/** Time of the next event, of the next arrival of a DMA write, or of the next time-out; Infinity if there is none. */
export function nextEvent(): f64 {
  const time = min(nextEventTime(), isOutside() ? nextDeadline() : nextWriteEffect());
  return time == NEVER ? Infinity : <f64>time;
}

/** Offers the frame of `bytes` in WIRE_INPUT to the wire port; false: the one before is still under way. */
export function receiveFrame(bytes: u32): bool {
  return wireReceive(bytes);
}

/** Sets the link of the wire port; drivers see it in their configuration. */
export function setWireLink(isUp: bool): void {
  setLink(isUp);
}

/** Maps [iova, iova + length) of an address space to the window at `offset`; false if refused. */
export function dmaMap(ioas: u32, iova: f64, length: f64, offset: u32, permissions: u32): bool {
  return ioasMap(ioas, <u64>iova, <u64>length, offset, permissions);
}

/**
 * Unmaps whole ranges inside [iova, iova + length), once what was sent by now is in effect; bytes unmapped, -1 if a range
 * would be cut.
 */
export function dmaUnmap(ioas: u32, iova: f64, length: f64): f64 {
  settleRequests(0, ioas);
  const bytes = ioasUnmap(ioas, <u64>iova, <u64>length);
  return bytes == NEVER ? -1 : <f64>bytes;
}

/** Removes every mapping of an address space, likewise. */
export function dmaClear(ioas: u32): void {
  settleRequests(0, ioas);
  ioasClear(ioas);
}

/** Marks the pages that are written from now on, all clean at first, or ends it; false if there is no room for the marks. */
export function dmaTrack(ioas: u32, isOn: bool): bool {
  return ioasTrack(ioas, isOn);
}

/** Was the page at `iova` written? With `clear` it is clean afterwards. */
export function dmaDirty(ioas: u32, iova: f64, clear: bool): bool {
  return ioasDirty(ioas, <u64>iova, clear);
}

/** Binds the function's requester id to an address space, once what it sent by now is in effect; NONE detaches it. */
export function attachIoas(fn: u32, ioas: u32): void {
  const f = functionAt(fn);
  settleRequests(f, NONE);
  bindFunction(fn, ioas);
}

/** Are the bytes that foreign memory owes to `reader`, for its read `number`, still wanted? Then they may be put in place. */
export function isMemoryWanted(reader: u32, number: u32): bool {
  return isReadWanted(reader, number);
}

/** Foreign memory answers what it was asked for at `iova`: the bytes are in place, or, not good, cannot be had. */
export function answerMemory(reader: u32, number: u32, iova: f64, isGood: bool): void {
  hostAnswer(reader, number, <u64>iova, isGood);
}

/**
 * Memory outside: where the bytes of the read with tag `tag` are to be put before it is answered; 0: nobody waits for them any
 * more, NONE: no read with that tag is owed an answer.
 */
export function readTarget(tag: u32): u32 {
  return isOwed(tag) ? <u32>targetOf(tag) : NONE;
}

/** Memory outside answers the read with tag `tag`, which is owed: its bytes are in place, or READ_FAULT_* tells otherwise. */
export function answerRead(tag: u32, status: u32): void {
  answerOwed(tag, status);
}

/** Brings a function on demand into being as its profile says; its DMA carries `pasid`, unless that is NONE. */
export function createFunction(fn: u32, pasid: u32): void {
  hostCreateFunction(fn, pasid);
}

/** Takes a function on demand away; afterwards nothing of it is on the link. */
export function destroyFunction(fn: u32): void {
  hostDestroyFunction(fn);
}

/** The profile of a VF that is there names another number of vectors; no driver uses the VF. */
export function changeVectors(fn: u32): void {
  applyVectors(functionAt(fn));
}

/** Starts the traffic generator on a function: `outstanding` operations at a time of those that GENERATOR describes. */
export function generate(fn: u32, outstanding: u32): void {
  startGenerator(functionAt(fn), outstanding);
}

/** Credits of a class (in the order from CREDIT_UP_P on) that its sender has not back now: headers << 16 | data units. */
export function creditsUnderWay(index: u32): u32 {
  return creditsTaken(index);
}

/** Function that answers to a routing id, NONE if there is none. */
export function findRoutingId(routingId: u32): u32 {
  return functionByRoutingId(routingId);
}

/** function << 3 | bar that claims a memory address, NONE if nobody does; the offset is in CTL.DECODED_OFFSET. */
export function findAddress(address: f64): u32 {
  return address < 0 ? NONE : decodeAddress(<u64>address);
}

/** Hash of the whole state, the guest window included; equal states give equal digests. */
export function digest(): f64 {
  const end: usize = load<u32>(CTL.MEMORY_BYTES);
  let a: u64 = 0xcbf29ce484222325;
  let b: u64 = 0x9ae16a3b2f90404f;
  for (let at: usize = ARENA_BASE; at < end; at += 16) {
    a = rotl(a ^ load<u64>(at), 27) * 0x9e3779b97f4a7c15;
    b = rotl(b ^ load<u64>(at, 8), 31) * 0xc2b2ae3d27d4eb4f;
  }
  return <f64>((a ^ (b >> 11)) & 0x1fffffffffffff);
}

/** Address and size of the guest window in linear memory. */
export function windowBase(): u32 {
  return load<u32>(CTL.WINDOW_BASE);
}

export function windowBytes(): u32 {
  return load<u32>(CTL.WINDOW_BYTES);
}

/**
 * Runs until nothing is left to do (EV.RUN_IDLE), or until the host has to take output (EV.RUN_EVENT), with `stopOnOutput` at
 * the first. Time stands at the last thing that happened.
 */
export function runToIdle(stopOnOutput: bool): i32 {
  return advanceTo(FOREVER, stopOnOutput);
}
