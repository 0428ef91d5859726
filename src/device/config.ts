// SPDX-License-Identifier: Apache-2.0
// What a card is made of: options with defaults, a row each, checked all at once before anything is built.
import * as CFG from '../../assembly/abi/nic_config.ts';
import { VIRTIO_F_VERSION_1 } from '../../assembly/abi/virtio_features.ts';
import * as FN from '../../assembly/abi/function.ts';
import { NicError } from '../util/errors.ts';
import { isUnicast, macBytes } from '../util/mac.ts';
import { valueText } from '../util/names.ts';
import { checkObject, unknownOptions, type OptionNames } from '../util/options.ts';
import {
  Derived,
  flag,
  oneOf,
  pages,
  resolveOptions,
  ringSize,
  whole,
  type OptionProblem,
  type OptionRow,
  type OptionRows,
  type OptionRules,
} from './option_rows.ts';
import type { MemorySide, NicMode, ProfileOverrides } from './profile.ts';

/** Options of createNic; everything has a default. */
export interface NicConfig {
  /** `timed`: every step costs what the profile says. `functional`: the same behaviour without delay. Default timed. */
  readonly mode?: NicMode;
  /** Timing profile by name, one of PROFILES. Default fpga-gen3x8-250mhz. */
  readonly profileName?: string;
  /** Overrides of its parameters by name, see profileParameters(). */
  readonly profile?: ProfileOverrides;
  /** TotalVFs, 1..1024. Default 8. */
  readonly totalVfs?: number;
  /** Functions beside PF and VFs that createFunction() brings into being; at most 1,100 functions in all. Default 0. */
  readonly onDemandFunctions?: number;
  /** First VF Offset: routing id of VF 1 less that of the PF. Default 1. */
  readonly firstVfOffset?: number;
  /** VF Stride. Default 1. */
  readonly vfStride?: number;
  /** Routing id of the PF, bus << 8 | device << 3 | function. Default 0x0100 (01:00.0). */
  readonly routingId?: number;
  /** Descriptors in each net queue, a power of two from 2 to 256. Default 256. */
  readonly queueSize?: number;
  /** Descriptors in the admin queue, likewise. Default 256. */
  readonly adminQueueSize?: number;
  /** Receive/transmit queue pairs of the PF, 1..8. Default 1. */
  readonly pfQueuePairs?: number;
  /** Pairs of each VF. Default 1. */
  readonly vfQueuePairs?: number;
  /** MSI-X vectors of the PF, 2..32. Default one for each queue, one for the configuration. */
  readonly pfVectors?: number;
  readonly vfVectors?: number;
  /** MSI-X vectors that all VFs have together, two each at least. Default enough for all. */
  readonly vfVectorPool?: number;
  /** 68..9000. Default 1500. */
  readonly mtu?: number;
  /** Address of the PF; VF n has the number added to the last three bytes. Default 02:76:66:00:00:00. */
  readonly mac?: string;
  /** Feature bits that are not offered, by number. */
  readonly withoutFeatures?: readonly number[];
  /** Offer VIRTIO_F_RING_PACKED, so that drivers may choose packed rings. Default false. */
  readonly packed?: boolean;
  /** Offer the legacy access commands. Default true. */
  readonly legacy?: boolean;
  /** `host`: frames that leave on the wire come to onFrame. `discard`: they are counted. Default host. */
  readonly wire?: 'host' | 'discard';
  /**
   * Bytes of each function for frames that find no receive buffer: held back until there is one, in place of dropped. Its
   * receive queues share them. A multiple of 4096 up to 1 MiB. Default 0: such frames are dropped.
   */
  readonly receiveHoldBytes?: number;
  /** Bytes of guest memory that drivers share with the card. Default 2 MiB for each of up to 16 drivers, at least two. */
  readonly windowBytes?: number;
  /**
   * `inside`: the card reaches memory by address spaces, at the times of the profile. `outside`: each of its requests goes to
   * onDmaRead or onDmaWrite when it is at the root complex, and a read is answered when the caller likes; timed mode only.
   * Default inside.
   */
  readonly memory?: MemorySide;
  /** Whole window at iova 0 for every function, without any mapping by the caller. Default false. */
  readonly identityDma?: boolean;
  /** LIST_QUERY and LIST_USE of the SR-IOV group work while VF Enable is clear (AMB-01). Default true. */
  readonly lenientSriovLists?: boolean;
  /** A record of each admin command's life goes to onAdminCommand. Default false. */
  readonly traceAdmin?: boolean;
  /** Bytes of the ring for startTrace(), up to 256 MiB. Default 0: no trace. */
  readonly traceBytes?: number;
}

/** The options that say how long things take: the timing profile, and the format of the rings. */
export type TimingChoice = Pick<NicConfig, 'profileName' | 'profile' | 'packed'>;

/** The options of the card itself. */
export type CardOptions = Omit<NicConfig, 'profileName' | 'profile'>;

/** A configuration with every value filled in. */
export interface ResolvedConfig extends Required<CardOptions> {
  readonly words: ReadonlyMap<number, number>;
}

/** A bad option of a card. */
export type ConfigProblem = OptionProblem;

type All = Required<CardOptions>;

/** Address of the PF. */
const DEFAULT_MAC = '02:76:66:00:00:00';
/** PF, VFs and functions on demand that a card may have together. */
const MAX_FUNCTIONS = 1100;
/** Bus 255, device 31, function 7. */
const LAST_ROUTING_ID = 0xffff;

const MAC_ROW: OptionRow<string, All> = {
  what: 'Address of the PF; VF n has the number added to the last three bytes',
  range: 'a unicast address',
  byDefault: DEFAULT_MAC,
  faultsOf: (mac) => {
    const bytes = macBytes(mac);
    const say = `needed, say ${DEFAULT_MAC}`;
    if (bytes === null) return [{ text: `six bytes in hexadecimal with colons are ${say}`, remedy: DEFAULT_MAC }];
    return isUnicast(bytes) ? [] : [{ text: `a unicast address is ${say}`, remedy: DEFAULT_MAC }];
  },
  wordsOf: (mac) => {
    const [a, b, c, d, e, f] = macBytes(mac)! as [number, number, number, number, number, number];
    return [
      [CFG.MAC_LO, (a | (b << 8) | (c << 16) | (d << 24)) >>> 0],
      [CFG.MAC_HI, e | (f << 8)],
    ];
  },
};

const isBit = (bit: unknown): boolean => Number.isInteger(bit) && (bit as number) >= 0 && (bit as number) < 64;

const FEATURES_ROW: OptionRow<readonly number[], All> = {
  what: 'Feature bits that are not offered, by number',
  range: 'a list of bits, 0 to 63 without 32',
  byDefault: [],
  faultsOf: (bits) => {
    if (!Array.isArray(bits)) return [{ text: 'a list of bit numbers is needed, say []', remedy: [] }];
    const others = bits.filter((bit) => isBit(bit) && bit !== VIRTIO_F_VERSION_1);
    return bits
      .filter((bit) => !others.includes(bit))
      .map((bit) => ({
        part: bit,
        text: isBit(bit)
          ? `VIRTIO_F_VERSION_1 is always offered; leave ${VIRTIO_F_VERSION_1} out`
          : `bit numbers from 0 to 63 are needed, say [${others}]`,
        remedy: others,
      }));
  },
  wordsOf: (bits) =>
    [CFG.FEATURES_MASK_0, CFG.FEATURES_MASK_1].map((index, word) => [
      index,
      bits.reduce((mask, bit) => (bit >> 5 === word ? mask & ~(1 << (bit & 31)) : mask), 0xffffffff) >>> 0,
    ]),
};

/** The rows, in the order in which they are checked. */
export const CARD_OPTIONS: OptionRows<CardOptions> = {
  mode: oneOf<NicMode, All>(['timed', 'functional'], {
    what: 'Every step costs what the timing profile says, or nothing',
    byDefault: 'timed',
  }),
  wire: oneOf<All['wire'], All>(['host', 'discard'], {
    what: 'Frames that leave on the wire come to `onFrame`, or are counted',
    byDefault: 'host',
    wordsOf: (wire) => [[CFG.WIRE_MODE, wire === 'host' ? 1 : 0]],
  }),
  packed: flag({ what: 'Offer VIRTIO_F_RING_PACKED', byDefault: false, word: CFG.PACKED }),
  legacy: flag({ what: 'Offer the legacy access commands', byDefault: true, word: CFG.LEGACY }),
  identityDma: flag({
    what: 'Whole window at iova 0 for every function, without any mapping by the caller',
    byDefault: false,
    word: CFG.IDENTITY_DMA,
  }),
  memory: oneOf<MemorySide, All>(['inside', 'outside'], {
    what: 'Memory is reached by address spaces, or by whoever takes `onDmaRead` and `onDmaWrite`; then the card is timed',
    byDefault: 'inside',
    wordsOf: (memory) => [[CFG.MEMORY_OUTSIDE, memory === 'outside' ? 1 : 0]],
  }),
  lenientSriovLists: flag({
    what: '`LIST_QUERY` and `LIST_USE` of the SR-IOV group work while VF Enable is clear (AMB-01)',
    byDefault: true,
    word: CFG.SRIOV_LIST_LENIENT,
  }),
  traceAdmin: flag({
    what: "A record of each admin command's life goes to `onAdminCommand`",
    byDefault: false,
    word: CFG.TRACE_ADMIN,
  }),
  totalVfs: whole(1, 1024, { what: 'TotalVFs', byDefault: 8, word: CFG.TOTAL_VFS }),
  onDemandFunctions: whole(0, 1024, {
    what: `Functions beside PF and VFs that createFunction() brings into being; ${MAX_FUNCTIONS} in all at most`,
    byDefault: 0,
    word: CFG.ON_DEMAND_FUNCTIONS,
  }),
  firstVfOffset: whole(1, 0xffff, {
    what: 'First VF Offset: routing id of VF 1 less that of the PF',
    byDefault: 1,
    word: CFG.FIRST_VF_OFFSET,
  }),
  vfStride: whole(1, 0xffff, { what: 'VF Stride', byDefault: 1, word: CFG.VF_STRIDE }),
  routingId: whole(0, 0xffff, {
    what: 'Routing id of the PF, bus << 8, device << 3, function: 01:00.0',
    byDefault: 0x0100,
    word: CFG.PF_ROUTING_ID,
  }),
  queueSize: ringSize({ what: 'Descriptors in each net queue', byDefault: 256, word: CFG.QUEUE_SIZE }),
  adminQueueSize: ringSize({ what: 'Descriptors in the admin queue', byDefault: 256, word: CFG.ADMIN_QUEUE_SIZE }),
  pfQueuePairs: whole(1, 8, { what: 'Receive/transmit queue pairs of the PF', byDefault: 1, word: CFG.PF_PAIRS }),
  vfQueuePairs: whole(1, 8, { what: 'Pairs of each VF', byDefault: 1, word: CFG.VF_PAIRS }),
  pfVectors: whole(2, FN.MSIX_VECTORS_MAX, {
    what: 'MSI-X vectors of the PF',
    byDefault: new Derived('one for each queue, one for the configuration', (card: All) => 2 * card.pfQueuePairs + 3),
    word: CFG.PF_VECTORS,
  }),
  vfVectors: whole(2, FN.MSIX_VECTORS_MAX, {
    what: 'MSI-X vectors of each VF',
    byDefault: new Derived('likewise', (card: All) => 2 * card.vfQueuePairs + 2),
    word: CFG.VF_VECTORS,
  }),
  vfVectorPool: whole(
    new Derived('2', ({ totalVfs }: All) => 2 * totalVfs),
    new Derived(`${FN.MSIX_VECTORS_MAX} for each VF`, ({ totalVfs }: All) => FN.MSIX_VECTORS_MAX * totalVfs),
    {
      what: 'MSI-X vectors that all VFs have together',
      byDefault: new Derived('enough for all', ({ totalVfs, vfVectors }: All) => totalVfs * vfVectors),
      word: CFG.VF_VECTOR_POOL,
    },
  ),
  mtu: whole(68, 9000, { what: 'MTU', byDefault: 1500, word: CFG.MTU }),
  windowBytes: pages(4096, 2 ** 30, {
    what: 'Bytes of guest memory that drivers share with the card',
    byDefault: new Derived('2 MiB for each of up to 16 drivers, at least two; 4096 with memory outside', windowFor),
    word: CFG.WINDOW_BYTES,
  }),
  traceBytes: pages(0, 2 ** 28, { what: 'Bytes of the ring for startTrace(); 0: no trace', byDefault: 0 }),
  receiveHoldBytes: pages(0, 2 ** 20, {
    what: 'Bytes of each function for frames that find no receive buffer; 0: such frames are dropped',
    byDefault: 0,
    word: CFG.RECEIVE_HOLD_BYTES,
  }),
  mac: MAC_ROW,
  withoutFeatures: FEATURES_ROW,
};

/** What must hold among several of them. */
const CARD_RULES: OptionRules<CardOptions> = {
  memory: {
    of: ['mode', 'identityDma', 'memory'],
    problemOf: ({ mode, identityDma, memory }) => {
      if (memory === 'inside' || (mode === 'timed' && !identityDma)) return null;
      const why =
        mode === 'timed' ? 'identityDma maps memory inside' : 'in functional mode there is no time to answer in';
      return { option: 'memory', text: `${why}; inside would do`, remedy: 'inside' };
    },
  },
  onDemandFunctions: {
    of: ['totalVfs', 'onDemandFunctions'],
    problemOf: ({ totalVfs, onDemandFunctions }) => {
      const functions = 1 + totalVfs + onDemandFunctions;
      if (functions <= MAX_FUNCTIONS) return null;
      const left = MAX_FUNCTIONS - 1 - totalVfs;
      const text = `PF, VFs and these are ${functions}; at most ${left} are possible beside them`;
      return { option: 'onDemandFunctions', text, remedy: left };
    },
  },
  routingId: { of: ['totalVfs', 'firstVfOffset', 'vfStride', 'routingId'], problemOf: routingProblem },
  receiveHoldBytes: {
    of: ['pfQueuePairs', 'vfQueuePairs', 'mtu', 'receiveHoldBytes'],
    problemOf: ({ pfQueuePairs, vfQueuePairs, mtu, receiveHoldBytes }) => {
      const pairs = Math.max(pfQueuePairs, vfQueuePairs);
      const least = Math.ceil((pairs * heldBytes(mtu)) / 4096) * 4096;
      if (receiveHoldBytes === 0 || receiveHoldBytes >= least) return null;
      const text = `each of ${pairs} receive queues has to hold a frame of mtu ${mtu}; ${least} would do`;
      return { option: 'receiveHoldBytes', text, remedy: least };
    },
  },
};

/** Checked by resolveProfile(). */
const TIMING_OPTIONS: OptionNames<Pick<NicConfig, 'profileName' | 'profile'>> = { profileName: true, profile: true };

/** A configuration that no card can have; `problems` has every bad option. */
export class ConfigError extends NicError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const texts = problems.map(({ option, message }) => `${option} = ${message}`);
    super('CONFIG', `configuration of the card: ${texts.join('; ')}`);
    this.problems = problems;
  }
}

/** Fills defaults in and checks. Throws ConfigError that names every bad value. */
export function resolveConfig(config: NicConfig): ResolvedConfig {
  checkObject('CONFIG', 'configuration of the card', config);
  const given = config as Readonly<Record<string, unknown>>;
  const unknown = unknownOptions(config, { ...CARD_OPTIONS, ...TIMING_OPTIONS }).map(({ name, message }) => ({
    option: name,
    message: `${valueText(given[name])}: ${message}`,
    remedy: undefined,
  }));
  const { values, problems, words } = resolveOptions<CardOptions>(CARD_OPTIONS, CARD_RULES, config);
  if (unknown.length + problems.length > 0) throw new ConfigError([...unknown, ...problems]);
  return { ...values, words };
}

/** Guest memory of a card with so many VFs. */
function windowFor({ totalVfs, memory }: All): number {
  return memory === 'outside' ? 4096 : (Math.min(totalVfs, 14) + 2) << 21;
}

/** A held frame in its ring: length, Ethernet header, two tags, packet. */
function heldBytes(mtu: number): number {
  return 4 + Math.ceil((mtu + 14 + 8) / 4) * 4;
}

/** VFs lie between the PF and the last routing id that there is, that of bus 255. */
function routingProblem({ routingId, firstVfOffset, vfStride, totalVfs }: All) {
  const behind = totalVfs - 1;
  const last = routingId + firstVfOffset + behind * vfStride;
  if (last <= LAST_ROUTING_ID) return null;
  const problem = <T extends keyof CardOptions>(option: T, remedy: number) => ({
    option,
    text: `the last VF would have routing id ${last}, beyond bus 255; ${remedy} would do`,
    remedy,
  });
  const stride = Math.floor((LAST_ROUTING_ID - routingId - firstVfOffset) / behind);
  const offset = LAST_ROUTING_ID - routingId - behind * vfStride;
  const pf = LAST_ROUTING_ID - firstVfOffset - behind * vfStride;
  if (behind > 0 && stride >= 1) return problem('vfStride', stride);
  if (offset >= 1) return problem('firstVfOffset', offset);
  if (pf >= 0 && pf < routingId) return problem('routingId', pf);
  return vfStride > 1 ? problem('vfStride', 1) : problem('firstVfOffset', 1);
}
