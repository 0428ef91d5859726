// SPDX-License-Identifier: Apache-2.0
// The reference for mediated devices and for the on-demand interface, on top of that for SR-IOV: who has a function of the
// card and a PASID, who removes what, and what goes with the driver of the PF.
import { LifecycleReference, refDevice, type Answer, type RefCall, type RefDevice } from './lifecycle_reference.ts';

/** A mediated device, or a function by PASID. */
export interface RefSoft extends RefDevice {
  /** GUID that its user chose; empty for those of the on-demand interface. */
  readonly guid: string;
  readonly usesPasid: boolean;
  /** The call that removes it. */
  remover: RefCall | null;
}

/** A function of the on-demand interface. */
export interface RefFunction {
  readonly kind: 'sriov' | 'mdev' | 'siov';
  state: 'created' | 'configured' | 'enabled' | 'leaving' | 'gone';
  /** The VF that is set aside, from 1; 0 for the other kinds. */
  readonly vf: number;
  hasProfile: boolean;
  device: RefDevice | null;
}

export interface ReferenceSizes {
  readonly vfs: number;
  /** Functions of the card on demand, as many mediated devices at most. */
  readonly onDemand: number;
  readonly pasids: number;
}

const VARIANT = 'virtio_vfio_pci';

/** The whole reference. */
export class FunctionReference extends LifecycleReference {
  readonly soft = new Set<RefSoft>();
  readonly functions: RefFunction[] = [];
  private readonly sizes: ReferenceSizes;
  private parent: 'there' | 'leaving' | 'gone' = 'there';
  /** VFs whose function is gone and whose profile is not. */
  private readonly stale = new Set<number>();
  private ownsVfs = false;

  constructor(sizes: ReferenceSizes) {
    super(sizes.vfs);
    this.sizes = sizes;
  }

  get cardFunctions(): number {
    return [...this.soft].filter(({ driver }) => driver !== '').length;
  }

  get pasids(): number {
    return [...this.soft].filter(({ driver, usesPasid }) => driver !== '' && usesPasid).length;
  }

  get mdevs(): RefSoft[] {
    return [...this.soft].filter(({ usesPasid }) => !usesPasid);
  }

  // ---- mediated devices -------------------------------------------------------------------------------------------------

  create(guid: string): Answer {
    if (this.parent === 'gone') return 'ENOENT';
    if (guid.length !== 36) return 'EINVAL';
    if (this.mdevs.some((mdev) => mdev.guid === guid)) return 'EEXIST';
    return this.addSoft(guid, false).answer;
  }

  find(guid: string): RefSoft | undefined {
    return this.mdevs.find((mdev) => mdev.guid === guid);
  }

  remove(mdev: RefSoft): RefCall {
    return this.call((call) => {
      if (mdev.remover !== null && mdev.remover !== call) return '';
      return this.goOnRemovingSoft(mdev, call) ? '' : 'sleeps';
    });
  }

  bindSoft(mdev: RefSoft): RefCall {
    return this.call(() => {
      if (!mdev.exists) return 'ENODEV';
      if (mdev.lock !== null) return 'sleeps';
      if (mdev.driver !== '') return 'EBUSY';
      if (this.cardFunctions === this.sizes.onDemand) return 'ENOSPC';
      if (!this.isAlive) return 'ETIMEDOUT';
      mdev.driver = 'mdev';
      return '';
    });
  }

  unbindSoft(mdev: RefSoft): RefCall {
    return this.call((call) => {
      if (!call.hasSlept && mdev.driver === '') return 'ENODEV';
      if (mdev.lock !== null && mdev.lock !== call) return 'sleeps';
      if (mdev.driver === '') return '';
      mdev.lock = call;
      if (mdev.files.length > 0) return 'sleeps';
      mdev.driver = '';
      mdev.lock = null;
      this.changes++;
      return '';
    });
  }

  private addSoft(guid: string, usesPasid: boolean): { answer: Answer; device: RefSoft | null } {
    const refused = (answer: Answer) => ({ answer, device: null });
    if (!usesPasid) {
      if (this.mdevs.length === this.sizes.onDemand) return refused('EUSERS');
      if (this.parent === 'leaving') return refused('ENODEV');
    } else if (this.pasids === this.sizes.pasids) return refused('ENOSPC');
    if (this.cardFunctions === this.sizes.onDemand) return refused('ENOSPC');
    if (!this.isAlive) return refused('ETIMEDOUT');
    const device: RefSoft = { ...refDevice(), guid, usesPasid, remover: null, exists: true, driver: 'mdev' };
    this.soft.add(device);
    return { answer: '', device };
  }

  /** True when it is gone; several may wait for one to remove it. */
  private goOnRemovingSoft(device: RefSoft, call: RefCall): boolean {
    if (!device.exists) return true;
    device.remover ??= call;
    if (device.remover !== call) return false;
    if (device.lock !== null && device.lock !== call) return false;
    device.lock = call;
    if (device.files.length > 0) return false;
    device.exists = false;
    device.driver = '';
    device.lock = null;
    this.soft.delete(device);
    this.changes++;
    return true;
  }

  protected override goOnUnbinding(call: RefCall): boolean {
    if (this.parent === 'there') {
      this.parent = 'leaving';
      this.changes++;
    }
    for (const usesPasid of [false, true]) {
      for (const device of this.soft) {
        if (device.usesPasid === usesPasid && !this.goOnRemovingSoft(device, call)) return false;
      }
      if (this.parent === 'leaving') {
        this.parent = 'gone';
        this.changes++;
      }
    }
    return true;
  }

  override bindPf(): RefCall {
    return this.call(() => {
      if (this.lock !== null) return 'sleeps';
      if (this.isBound) return 'EBUSY';
      this.isBound = true;
      this.isAlive = true;
      this.parent = 'there';
      return '';
    });
  }

  // ---- the on-demand interface ------------------------------------------------------------------------------------------

  createFunction(kind: RefFunction['kind']): Answer {
    let vf = 0;
    if (kind === 'sriov') {
      this.clean();
      const isTaken = (n: number): boolean =>
        this.stale.has(n) || this.functions.some((other) => other.vf === n && other.state !== 'gone');
      vf = this.vfs.findIndex((_, i) => !isTaken(i + 1)) + 1;
      if (vf === 0) return 'ENOSPC';
    }
    this.functions.push({ kind, state: 'created', vf, hasProfile: false, device: null });
    return '';
  }

  configure(f: RefFunction): Answer {
    this.notice(f);
    if (f.state === 'gone') return 'ENODEV';
    if (f.state === 'enabled' || f.state === 'leaving') return 'EBUSY';
    // VF Enable is cleared when the last VF is gone: until then the card has them all
    if (f.kind === 'sriov' && f.vf <= this.numVfs) return 'EBUSY';
    if (f.kind === 'sriov') f.hasProfile = true;
    f.state = 'configured';
    return '';
  }

  enable(f: RefFunction): Answer {
    this.notice(f);
    if (f.state === 'gone') return 'ENODEV';
    if (f.state === 'enabled' || f.state === 'leaving') return 'EBUSY';
    const answer = f.kind === 'sriov' ? this.enableVf(f) : this.enableSoft(f);
    if (answer === '') f.state = 'enabled';
    return answer;
  }

  openFunction(f: RefFunction): Answer {
    this.notice(f);
    if (f.state === 'gone') return 'ENODEV';
    return f.state === 'enabled' ? this.open(f.device!) : 'ENOENT';
  }

  destroy(f: RefFunction): RefCall {
    this.notice(f);
    let isMine = false;
    let unbind: RefCall | null = null;
    return this.call((call) => {
      if (!isMine) {
        if (f.state === 'gone') return 'ENODEV';
        if (f.state === 'leaving') return 'sleeps';
        isMine = true;
        f.state = 'leaving';
        const vf = this.vfs[f.vf - 1];
        if (vf !== undefined && vf.driver === VARIANT) unbind = this.unbind(vf, VARIANT, true);
      }
      if (unbind !== null && unbind.answer === 'sleeps') return 'sleeps';
      if (f.kind !== 'sriov' && f.device !== null && !this.goOnRemovingSoft(f.device as RefSoft, call)) return 'sleeps';
      if (f.kind === 'sriov') this.releaseVf(f);
      f.state = 'gone';
      this.changes++;
      return '';
    });
  }

  private enableSoft(f: RefFunction): Answer {
    if (f.kind === 'mdev' && this.parent === 'gone') return 'ENOENT';
    if (f.kind === 'siov' && (!this.isBound || this.lock !== null)) return 'ENODEV';
    const { answer, device } = this.addSoft('', f.kind === 'siov');
    if (device !== null) f.device = device;
    return answer;
  }

  private enableVf(f: RefFunction): Answer {
    const vf = this.vfs[f.vf - 1]!;
    if (this.lock !== null || vf.lock !== null || vf.driver !== '') return 'EBUSY';
    if (!vf.exists) {
      if (!this.isBound) return 'ENOENT';
      if (this.numVfs > 0 || !this.isAlive) return 'EBUSY';
      this.numVfs = this.vfs.length;
      for (const each of this.vfs) Object.assign(each, refDevice(), { exists: true });
      this.ownsVfs = true;
    }
    f.device = vf;
    vf.override = VARIANT;
    const answer = this.take(vf, VARIANT);
    if (answer === '') return '';
    vf.override = '';
    this.disableIdle();
    return answer;
  }

  private releaseVf(f: RefFunction): void {
    const vf = this.vfs[f.vf - 1]!;
    if (vf.exists && vf.driver === '' && vf.lock === null) vf.override = '';
    if (f.hasProfile) this.stale.add(f.vf);
    f.state = 'gone';
    this.disableIdle();
  }

  private disableIdle(): void {
    const isEnabled = this.isBound && this.isAlive && this.lock === null && this.numVfs > 0;
    if (this.ownsVfs && isEnabled && this.vfs.every(({ driver }) => driver === '')) this.setNumVfs(0);
    this.clean();
  }

  private clean(): void {
    if (this.numVfs === 0) this.ownsVfs = false;
    for (const vf of this.stale) if (vf > this.numVfs) this.stale.delete(vf);
  }

  /** The device of a function may be gone without its doing. */
  private notice(f: RefFunction): void {
    if (f.state !== 'enabled') return;
    const { driver } = f.device!;
    if (driver === '' || driver === 'virtio-pci') f.state = 'configured';
  }
}
