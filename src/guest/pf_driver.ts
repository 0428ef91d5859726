// SPDX-License-Identifier: Apache-2.0
// The driver of the physical function as Linux's virtio-pci and virtio-net together are it: network queues, admin queue
// and the VFs. The other functions' drivers and the variant driver reach the admin queue through it.
import { STATUS_DRIVER_OK } from '../../assembly/abi/device_status.ts';
import { VIRTIO_F_ADMIN_VQ, VIRTIO_F_SR_IOV } from '../../assembly/abi/virtio_features.ts';
import { VfioError } from '../util/errors.ts';
import { ANYTHING, checkOptions, optionsFor, wholeFrom, type OptionChecks } from '../util/options.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { ADMIN_CLIENT_OPTIONS, AdminClient, type AdminClientOptions } from './admin_client.ts';
import { DEVICE_PARTS_COMMANDS, LEGACY_COMMANDS } from '../../assembly/abi/admin_command.ts';
import type { Clock, DmaMemory } from './platform.ts';
import { Sriov, SRIOV_OPTIONS, type SriovOptions } from './sriov.ts';
import { VIRTIO_MODERN_OPTIONS, VirtioModern, type VirtioModernOptions } from './virtio_modern.ts';
import { VIRTIO_NET_OPTIONS, VirtioNet, type VirtioNetOptions } from './virtio_net.ts';

/** How the PF is driven: its network device, its VFs, its admin queue. */
export interface PfDriverOptions extends Omit<VirtioNetOptions, 'admin'>, SriovOptions, VirtioModernOptions {
  /** Admin commands to use where the device lists them; the default is Linux's with legacy support, 0x3e7fc. */
  readonly wantedCommands?: number;
  readonly admin?: AdminClientOptions;
}

const PF_DRIVER_OPTIONS: OptionChecks<PfDriverOptions> = {
  ...VIRTIO_NET_OPTIONS,
  ...SRIOV_OPTIONS,
  ...VIRTIO_MODERN_OPTIONS,
  wantedCommands: wholeFrom(0, 0xffff_ffff),
  admin: ANYTHING,
};

/** Throws NicError OPTION that names bad options, those of the admin client among them. */
export function checkPfDriver(options: PfDriverOptions): void {
  checkOptions("PF's driver", options, PF_DRIVER_OPTIONS);
  if (options.admin !== undefined) checkOptions("PF's driver: admin", options.admin, ADMIN_CLIENT_OPTIONS);
}

/** A PF under its driver. */
export class PfDriver {
  readonly transport: VirtioModern;
  readonly net: VirtioNet;
  /** Usable after start() where the device offers VIRTIO_F_ADMIN_VQ. */
  readonly admin: AdminClient;
  /** Null where the function has no SR-IOV capability, or one that cannot be used: the PF works all the same. */
  readonly sriov: Sriov | null;
  private readonly sriovFault: VfioError | null = null;

  constructor(device: VfioDevice, memory: DmaMemory, clock: Clock, options: PfDriverOptions = {}) {
    checkPfDriver(options);
    const { admin, wantedCommands = LEGACY_COMMANDS | DEVICE_PARTS_COMMANDS, ...rest } = options;
    let sriov: Sriov | null = null;
    try {
      sriov = Sriov.find(device, clock, optionsFor<SriovOptions>(rest, SRIOV_OPTIONS)); // the PCI core does that before any driver comes
    } catch (error) {
      if (!(error instanceof VfioError)) throw error;
      this.sriovFault = error;
    }
    this.sriov = sriov;
    this.transport = new VirtioModern(device, optionsFor<VirtioModernOptions>(rest, VIRTIO_MODERN_OPTIONS));
    this.admin = new AdminClient(memory, clock, this.transport, admin);
    const net = optionsFor<VirtioNetOptions>(rest, VIRTIO_NET_OPTIONS);
    this.net = new VirtioNet(this.transport, memory, clock, { ...net, admin: { client: this.admin, wantedCommands } });
  }

  get hasAdminQueue(): boolean {
    return this.transport.hasFeature(VIRTIO_F_ADMIN_VQ);
  }

  /** Brings the PF up; admin commands are ready when it returns. */
  start(): void {
    this.net.start();
  }

  /** Takes the VFs away and resets the PF. */
  stop(): void {
    if (this.sriov !== null && this.sriov.numVfs > 0) this.sriov.disable();
    this.net.stop();
  }

  /** What writing `sriov_numvfs` does, with its errors: ERANGE, EBUSY, EINVAL; ENOENT where there is no SR-IOV. */
  setNumVfs(numVfs: number): void {
    const { sriov } = this;
    if (sriov === null || sriov.totalVfs === 0) {
      const why = this.sriovFault === null ? '' : `: ${this.sriovFault.message}`;
      throw new VfioError('ENOENT', `the function has no VFs${why}`);
    }
    if (!Number.isInteger(numVfs) || numVfs < 0 || numVfs > sriov.totalVfs) {
      throw new VfioError('ERANGE', `${numVfs} VFs: 0 to ${sriov.totalVfs} are possible`);
    }
    if (numVfs === sriov.numVfs) return;
    if (numVfs > 0 && sriov.numVfs > 0) {
      throw new VfioError('EBUSY', `${sriov.numVfs} VFs exist; go to 0 first`);
    }
    if ((this.transport.status() & STATUS_DRIVER_OK) === 0) throw new VfioError('EBUSY', 'the PF is not running');
    if (!this.transport.hasFeature(VIRTIO_F_SR_IOV)) throw new VfioError('EINVAL', 'VIRTIO_F_SR_IOV is not negotiated');
    if (numVfs === 0) sriov.disable();
    else sriov.enable(numVfs);
  }
}
