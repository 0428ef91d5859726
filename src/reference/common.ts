// SPDX-License-Identifier: Apache-2.0
// Common configuration (virtio 1.4 §4.1.4.3) as a model: each field's rules in one place, each register with the bits of it
// that the specification settles. Drivers owe each field its natural width (§4.1.3.1); on this card any aligned access
// acts on the bytes that it covers, field by field upwards, as docs/testing.md says ("the same registers byte by byte").
import { Bits, bytesMask } from './bits.ts';
import { acceptance } from './features.ts';
import { COMMON, COMMON_BYTES, COMMON_QUEUE_END, FEATURE, NO_VECTOR, STATUS } from './spec.ts';

/** What the common configuration has to know about its function. */
export interface CommonDescription {
  /** num_queues: queues without the admin queue. */
  readonly queues: number;
  /** Largest queue_size of a queue, the admin queue included. */
  readonly maxQueueSize: (queue: number) => number;
  readonly offeredFeatures: bigint;
  /** MSI-X vectors. */
  readonly vectors: number;
  /** admin_queue_index; null where there is no admin queue. */
  readonly adminQueueIndex: number | null;
}

const FIELD_AT = Uint8Array.from(
  Object.values(COMMON).flatMap((at, i, all) => Array.from({ length: (all[i + 1] ?? COMMON_BYTES) - at }, () => at)),
);
const WIDTH = new Uint8Array(COMMON_BYTES);
for (const at of FIELD_AT) WIDTH[at] = WIDTH[at]! + 1;

/** Words of driver_feature that are served (decision 0008, AMB-34). */
const FEATURE_WORDS = 4;
const KEPT_STATUS = STATUS.acknowledge | STATUS.driver | STATUS.driverOk | STATUS.featuresOk | STATUS.failed;
/** What an unavailable queue shows: size 0 (PCI-COMMON-14), and that it is not enabled. */
const SHOWN_UNAVAILABLE: readonly number[] = [COMMON.queueSize, COMMON.queueEnable];
const STARTED = STATUS.acknowledge | STATUS.driver;

export class CommonModel {
  private readonly about: CommonDescription;
  /** Fields of which there is one, and those of each queue, by their offset. */
  private readonly one = new Bits(COMMON_BYTES);
  private readonly queues: readonly (Bits | undefined)[];
  private readonly driverFeature = new Bits(FEATURE_WORDS);
  private readonly offered: Uint32Array;
  /** Result of look(). */
  private seen = 0;
  private mask = 0;
  /** Result of read(). */
  value = 0;
  valueMask = 0;

  constructor(about: CommonDescription) {
    this.about = about;
    const { queues, adminQueueIndex } = about;
    this.queues = Array.from({ length: (adminQueueIndex ?? queues - 1) + 1 }, (_, queue) =>
      queue < queues || queue === adminQueueIndex ? new Bits(COMMON_QUEUE_END) : undefined,
    );
    this.offered = Uint32Array.from({ length: FEATURE_WORDS }, (_, word) =>
      Number((about.offeredFeatures >> BigInt(32 * word)) & 0xffffffffn),
    );
    this.reset();
    this.one.set(COMMON.configGeneration, 0);
  }

  /** Device reset: every register as after power-on. The configuration may have changed back, so the generation, too. */
  reset(): void {
    for (let at = 0; at < COMMON_BYTES; at++) if (at !== COMMON.configGeneration) this.one.set(at, 0);
    this.configChanged();
    this.one.set(COMMON.configMsixVector, NO_VECTOR);
    this.one.set(COMMON.numQueues, this.about.queues);
    this.one.set(COMMON.adminQueueIndex, this.about.adminQueueIndex ?? 0);
    this.one.set(COMMON.adminQueueNum, this.about.adminQueueIndex === null ? 0 : 1);
    for (let word = 0; word < FEATURE_WORDS; word++) this.driverFeature.set(word, 0);
    for (let queue = 0; queue < this.queues.length; queue++) this.resetQueue(queue, true);
  }

  /** A configuration field changed: the generation moves on once the driver has looked (PCI-COMMON-06). */
  configChanged(): void {
    this.one.forget(COMMON.configGeneration, 0xff);
  }

  needsReset(): void {
    this.one.value[COMMON.deviceStatus] = this.one.value[COMMON.deviceStatus]! | STATUS.deviceNeedsReset;
    this.one.known[COMMON.deviceStatus] = this.one.known[COMMON.deviceStatus]! | STATUS.deviceNeedsReset;
  }

  /** device_status is 0. */
  isReset(): boolean {
    return this.one.isKnown(COMMON.deviceStatus, 0xff) && this.one.value[COMMON.deviceStatus] === 0;
  }

  /** Surely set up by the driver, or surely not; both false where that is open. */
  isRunning(): boolean {
    return this.one.isSet(COMMON.deviceStatus, STATUS.driverOk);
  }

  isStopped(): boolean {
    return this.one.isClear(COMMON.deviceStatus, STATUS.driverOk);
  }

  /** May the device be at work on a queue, and so raise interrupts or DEVICE_NEEDS_RESET by itself? */
  isLive(): boolean {
    if (this.isStopped()) return false;
    for (const queue of this.queues) if (queue !== undefined && !queue.isClear(COMMON.queueEnable, 1)) return true;
    return false;
  }

  /** Is a feature negotiated? Undefined where that is open. */
  negotiated(feature: number): boolean | undefined {
    if (this.one.isClear(COMMON.deviceStatus, STATUS.featuresOk)) return false;
    const bit = (1 << (feature & 31)) >>> 0;
    if (this.driverFeature.isClear(feature >>> 5, bit)) return false;
    const isSettled = this.one.isSet(COMMON.deviceStatus, STATUS.featuresOk);
    return isSettled && this.driverFeature.isSet(feature >>> 5, bit) ? true : undefined;
  }

  /** FEATURES_OK stands, does not, or may. */
  featuresOk(): boolean | undefined {
    if (this.one.isSet(COMMON.deviceStatus, STATUS.featuresOk)) return true;
    return this.one.isClear(COMMON.deviceStatus, STATUS.featuresOk) ? false : undefined;
  }

  /** config_msix_vector, or that of a queue; undefined where it is open. */
  vector(queue: number | null): number | undefined {
    const bank = queue === null ? this.one : this.queues[queue];
    const at = queue === null ? COMMON.configMsixVector : COMMON.queueMsixVector;
    return bank?.isKnown(at, NO_VECTOR) ? bank.value[at] : undefined;
  }

  /** Sets `value` and `valueMask`. */
  read(offset: number, size: number): void {
    this.value = 0;
    this.valueMask = 0;
    for (let at = offset; at < offset + size; at++) {
      const field = FIELD_AT[at]!;
      if (at === offset || at === field) this.look(field);
      const from = 8 * (at - field);
      const to = 8 * (at - offset);
      this.value |= ((this.seen >>> from) & 0xff) << to;
      this.valueMask |= ((this.mask >>> from) & 0xff) << to;
    }
    this.value >>>= 0;
    this.valueMask >>>= 0;
  }

  /** Takes over from a read what was open. */
  learn(offset: number, size: number, actual: number): void {
    for (let at = offset; at < offset + size;) {
      const field = FIELD_AT[at]!;
      const end = Math.min(field + WIDTH[field]!, offset + size);
      const skipped = 8 * (at - field);
      const bits = bytesMask(end - at) << skipped;
      const value = ((actual >>> (8 * (at - offset))) << skipped) & bits;
      if (field === COMMON.driverFeature) {
        const word = this.one.value[COMMON.driverFeatureSelect]!;
        if (word < FEATURE_WORDS) this.driverFeature.learn(word, value, bits);
      } else {
        this.bankOf(field)?.learn(field, value, bits);
        // The device raises DEVICE_NEEDS_RESET by itself, and it stays.
        if (field === COMMON.deviceStatus && (value & STATUS.deviceNeedsReset) !== 0) this.needsReset();
      }
      at = end;
    }
  }

  write(offset: number, size: number, value: number): void {
    for (let at = offset; at < offset + size;) {
      const field = FIELD_AT[at]!;
      const end = Math.min(field + WIDTH[field]!, offset + size);
      const skipped = 8 * (at - field);
      this.put(field, (value >>> (8 * (at - offset))) << skipped, bytesMask(end - at) << skipped);
      at = end;
    }
  }

  private bankOf(field: number): Bits | undefined {
    if (field < COMMON.queueSize || field >= COMMON_QUEUE_END) return this.one;
    return this.queues[this.one.value[COMMON.queueSelect]!];
  }

  private look(field: number): void {
    const bank = this.bankOf(field);
    if (bank === undefined) {
      // A queue that is not there has queue_size 0 (PCI-COMMON-14); nothing is said about its other registers.
      this.seen = 0;
      this.mask = field === COMMON.queueSize ? 0xffff : 0;
      return;
    }
    const isAvailable = bank === this.one || this.isAvailable();
    if (isAvailable !== true) {
      this.seen = 0;
      this.mask = isAvailable === false && SHOWN_UNAVAILABLE.includes(field) ? 0xffff : 0;
      return;
    }
    this.seen = bank.value[field]!;
    this.mask = bank.known[field]!;
    switch (field) {
      case COMMON.deviceFeature: {
        // Bits beyond the last word are not offered (PCI-COMMON-03).
        this.seen = this.offered[this.one.value[COMMON.deviceFeatureSelect]!] ?? 0;
        return;
      }
      case COMMON.driverFeature: {
        const word = this.one.value[COMMON.driverFeatureSelect]!;
        this.seen = this.driverFeature.value[word] ?? 0;
        // Bits that were never offered MAY be echoed (PCI-COMMON-05), those that were must be.
        this.mask = (this.driverFeature.known[word] ?? 0) & ((this.offered[word] ?? 0) | ~this.seen);
        return;
      }
      case COMMON.deviceStatus: {
        const isRaised = (this.seen & STATUS.deviceNeedsReset) !== 0;
        if (!isRaised && this.isLive()) this.mask &= ~STATUS.deviceNeedsReset;
        return;
      }
      case COMMON.queueNotifyOff: {
        this.seen = this.one.value[COMMON.queueSelect]!; // decision 0001
        return;
      }
      case COMMON.queueNotifConfigData: {
        this.mask = 0; // exists with VIRTIO_F_NOTIF_CONFIG_DATA, which is not offered
        return;
      }
      case COMMON.queueReset: {
        if (this.negotiated(FEATURE.ringReset) !== true) this.mask = 0;
        break;
      }
      case COMMON.adminQueueIndex:
      case COMMON.adminQueueNum: {
        if (this.negotiated(FEATURE.adminVq) !== true) this.mask = 0;
        return;
      }
    }
  }

  /**
   * Is the queue that is selected available? Those of the negotiated features are (§5.1.2, §2.13); until FEATURES_OK all
   * that may come to be, but of the admin queue nothing is said. Undefined where that is open.
   */
  private isAvailable(): boolean | undefined {
    const queue = this.one.value[COMMON.queueSelect]!;
    const isSettled = this.featuresOk();
    if (queue === this.about.adminQueueIndex) {
      return isSettled === true ? this.negotiated(FEATURE.adminVq) : undefined;
    }
    if (isSettled === false || queue < 2) return true;
    const isMultiqueue = this.negotiated(FEATURE.mq);
    if (isSettled === undefined || isMultiqueue === undefined) return undefined;
    const control = isMultiqueue ? this.about.queues - 1 : 2;
    return queue === control ? this.negotiated(FEATURE.ctrlVq) : queue < control;
  }

  /** `bits` of a field are written. */
  private put(field: number, written: number, bits: number): void {
    const bank = this.bankOf(field);
    if (bank === undefined) return;
    if (field === COMMON.driverFeature) return this.putDriverFeature(written, bits);
    const isAvailable = bank === this.one || this.isAvailable();
    if (isAvailable === false) return; // there is nothing to write to (PCI-COMMON-14)
    if (isAvailable === undefined) {
      if (field === COMMON.queueReset) this.resetQueue(this.one.value[COMMON.queueSelect]!, false);
      return bank.forget(field, 0xffffffff);
    }
    const whole = (0xffffffff >>> (32 - 8 * WIDTH[field]!)) & ~bits;
    const value = ((bank.value[field]! & ~bits) | (written & bits)) >>> 0;
    const isWhole = bank.isKnown(field, whole);
    switch (field) {
      case COMMON.deviceFeatureSelect:
      case COMMON.driverFeatureSelect:
      case COMMON.queueSelect:
        return bank.set(field, value);
      case COMMON.configMsixVector:
      case COMMON.queueMsixVector:
        // Any event to any vector at any time; what cannot be is NO_VECTOR (PCI-MSIX-04, PCI-MSIX-09).
        if (isWhole) return bank.set(field, value < this.about.vectors ? value : NO_VECTOR);
        return bank.forget(field, 0xffff);
      case COMMON.deviceStatus:
        return this.putStatus(value);
      case COMMON.queueSize:
        return this.putQueueSize(bank, value);
      case COMMON.queueDesc:
      case COMMON.queueDescHigh:
      case COMMON.queueDriver:
      case COMMON.queueDriverHigh:
      case COMMON.queueDevice:
      case COMMON.queueDeviceHigh:
        return this.putWhileDisabled(bank, field, value, isWhole);
      case COMMON.queueEnable:
        return this.putQueueEnable(bank, value, isWhole);
      case COMMON.queueReset:
        return this.putQueueReset(value);
    }
  }

  private putDriverFeature(written: number, bits: number): void {
    const word = this.one.value[COMMON.driverFeatureSelect]!;
    const bank = this.driverFeature;
    if (word >= FEATURE_WORDS || this.featuresOk() === true) return; // the set stands (§3.1.1, step 5)
    const value = ((bank.value[word]! & ~bits) | (written & bits)) >>> 0;
    if (this.featuresOk() === undefined) return bank.maybe(word, value);
    bank.value[word] = value;
    bank.known[word] = bank.known[word]! | bits;
  }

  /** A change after queue_enable is a mistake of the driver and is ignored (decision 0008, AMB-39). */
  private putWhileDisabled(bank: Bits, field: number, value: number, isWhole: boolean): void {
    if (bank.isSet(COMMON.queueEnable, 1)) return;
    if (!isWhole) return bank.forget(field, 0xffffffff);
    if (bank.isClear(COMMON.queueEnable, 1)) bank.set(field, value);
    else bank.maybe(field, value);
  }

  private putQueueSize(bank: Bits, value: number): void {
    const most = this.about.maxQueueSize(this.one.value[COMMON.queueSelect]!);
    // Any size with packed rings (§2.8.10.1), a power of two without (§2.7).
    const isPacked = this.isPacked();
    const isSize = value > 0 && value <= most;
    if (isSize && (value & (value - 1)) !== 0 && isPacked === undefined) return bank.maybe(COMMON.queueSize, value);
    const isGood = isSize && (isPacked === true || (value & (value - 1)) === 0);
    if (isGood || !bank.isKnown(COMMON.queueSize, 0xffff)) {
      this.putWhileDisabled(bank, COMMON.queueSize, value, bank.isKnown(COMMON.queueSize, 0xffff));
    }
  }

  private putQueueEnable(bank: Bits, value: number, isWhole: boolean): void {
    if (value === 0 && isWhole) return; // AMB-39
    // §4.1.4.3: descriptor table on 16 bytes, available ring on 2, used ring on 4; of a packed ring the driver area on 4
    // (§2.8.10.1); else ignored, AMB-39.
    const isPacked = this.isPacked();
    const surely = isPacked === true ? 3 : 1;
    const perhaps = isPacked === false ? 1 : 3;
    if (bank.isSet(COMMON.queueEnable, 1)) return;
    const isMisaligned =
      (bank.value[COMMON.queueDesc]! & bank.known[COMMON.queueDesc]! & 15) !== 0 ||
      (bank.value[COMMON.queueDriver]! & bank.known[COMMON.queueDriver]! & surely) !== 0 ||
      (bank.value[COMMON.queueDevice]! & bank.known[COMMON.queueDevice]! & 3) !== 0;
    if (isMisaligned) return;
    const isAligned =
      bank.isKnown(COMMON.queueDesc, 15) &&
      bank.isKnown(COMMON.queueDriver, perhaps) &&
      (bank.value[COMMON.queueDriver]! & perhaps) === 0 &&
      bank.isKnown(COMMON.queueDevice, 3);
    // Nothing is said about values above 1, and about queues that are enabled before FEATURES_OK.
    if (value === 1 && isWhole && isAligned && this.featuresOk() === true) bank.set(COMMON.queueEnable, 1);
    else bank.maybe(COMMON.queueEnable, 1);
  }

  /** What a queue that is set up now looks like; undefined where that is open. */
  private isPacked(): boolean | undefined {
    if (((this.about.offeredFeatures >> BigInt(FEATURE.ringPacked)) & 1n) === 0n) return false;
    const isSettled = this.featuresOk();
    return isSettled === true ? this.negotiated(FEATURE.ringPacked) : undefined;
  }

  private putQueueReset(value: number): void {
    // A driver that is at its queues before FEATURES_OK has left the order of §3.1.1: nothing is said about it.
    const isThere = this.featuresOk() === true ? this.negotiated(FEATURE.ringReset) : undefined;
    if (value === 0 || isThere === false) return;
    const queue = this.one.value[COMMON.queueSelect]!;
    // Only an enabled queue is to be reset (§2.6.1); what 1 does to another is not said. Done at once, decision 0012.
    const isCertain = value === 1 && isThere === true && this.queues[queue]?.isSet(COMMON.queueEnable, 1) === true;
    this.resetQueue(queue, isCertain);
  }

  private resetQueue(queue: number, isCertain: boolean): void {
    const bank = this.queues[queue];
    if (bank === undefined) return;
    for (let at: number = COMMON.queueSize; at < COMMON_QUEUE_END; at += 2) {
      let value = 0;
      if (at === COMMON.queueSize) value = this.about.maxQueueSize(queue);
      else if (at === COMMON.queueMsixVector) value = NO_VECTOR;
      if (isCertain) bank.set(at, value);
      else bank.maybe(at, value);
    }
  }

  private putStatus(value: number): void {
    if (value === 0) return this.reset();
    const status = this.one;
    const at = COMMON.deviceStatus;
    const old = status.value[at]!;
    const wasKnown = status.known[at]!;
    // A driver must not clear bits (§2.1.1), and has an order to keep (§3.1.1). Where it does not, nothing says what becomes
    // of the write: all that it would change is open.
    const isCleared = (old & ~value & KEPT_STATUS) !== 0;
    const isOpen = isCleared || (wasKnown & 0xff) !== 0xff;
    let next = old | (value & KEPT_STATUS);
    let open = isOpen ? old ^ value : 0;
    const raised = next & ~old;
    if ((raised & STATUS.driver) !== 0 && (next & STATUS.acknowledge) === 0) open |= STATUS.driver;
    if ((raised & STATUS.featuresOk) !== 0) {
      const answer = acceptance(this.about.offeredFeatures, this.wanted());
      const isSettled = this.driverFeature.known.every((known) => known === 0xffffffff);
      if (answer === 'no' && isSettled && !isOpen) next &= ~STATUS.featuresOk;
      else if (answer !== 'yes' || !isSettled || (next & STARTED) !== STARTED) open |= STATUS.featuresOk;
    }
    if ((raised & STATUS.driverOk) !== 0 && !(old & wasKnown & STATUS.featuresOk)) open |= STATUS.driverOk;
    // Bits that are not the driver's to write, or not negotiated.
    open |= (old ^ value) & (STATUS.suspend | STATUS.deviceNeedsReset);
    status.value[at] = next;
    status.known[at] = wasKnown & ~(open & ~0x20);
  }

  private wanted(): bigint {
    let wanted = 0n;
    for (let word = FEATURE_WORDS - 1; word >= 0; word--) {
      wanted = (wanted << 32n) | BigInt(this.driverFeature.value[word]!);
    }
    return wanted;
  }
}
