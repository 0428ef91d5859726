// SPDX-License-Identifier: Apache-2.0
// What the lifecycles ought to do, in plain words of its own: no states by name and no table, but who has what, who holds
// which lock and who sleeps. The property tests hold the real thing against it.

export type Answer = string; // '' done, 'sleeps', or an errno name

/** An open file. */
export interface RefFile {
  readonly owner: RefDevice;
  isClosed: boolean;
}

/** A thing that can have a driver: a VF, or a mediated device. */
export interface RefDevice {
  exists: boolean;
  override: string;
  driver: string;
  files: RefFile[];
  user: RefFile | null;
  isAttached: boolean;
  /** The call that holds its lock. */
  lock: RefCall | null;
}

/** A call that is under way; `step` is run again and again until it answers something other than `sleeps`. */
export interface RefCall {
  readonly step: (call: RefCall) => Answer;
  hasSlept: boolean;
  answer: Answer;
}

/** A device that is not there. */
export function refDevice(): RefDevice {
  return { exists: false, override: '', driver: '', files: [], user: null, isAttached: false, lock: null };
}

/** The reference. */
export class LifecycleReference {
  isBound = true;
  isAlive = true;
  autoprobe = false;
  numVfs = 0;
  readonly vfs: RefDevice[];
  lock: RefCall | null = null;
  /** Calls that sleep, oldest first, and all that ever slept. */
  readonly calls: RefCall[] = [];
  readonly slept: RefCall[] = [];
  private isWaking = false;
  /** Goes up with whatever may let a sleeper go on. */
  protected changes = 0;
  readonly files: RefFile[] = [];

  constructor(totalVfs: number) {
    this.vfs = Array.from({ length: totalVfs }, refDevice);
  }

  // ---- calls that may sleep ---------------------------------------------------------------------------------------------

  /** Begins a call; it is kept while it sleeps. `isInner`: another call makes it, and nobody outside sees it. */
  call(step: (call: RefCall) => Answer, isInner = false): RefCall {
    const call: RefCall = { step, hasSlept: false, answer: 'sleeps' };
    call.answer = step(call);
    if (call.answer === 'sleeps') {
      call.hasSlept = true;
      this.calls.push(call);
      if (!isInner) this.slept.push(call);
    }
    this.wake();
    return call;
  }

  /** Everybody tries again, the oldest first, until nothing moves. */
  wake(): void {
    if (this.isWaking) return;
    this.isWaking = true;
    for (let i = 0; i < this.calls.length; i++) {
      const call = this.calls[i]!;
      const before = this.changes;
      call.answer = call.step(call);
      if (call.answer !== 'sleeps') this.calls.splice(this.calls.indexOf(call), 1);
      else if (before === this.changes) continue;
      i = -1;
    }
    this.isWaking = false;
  }

  setNumVfs(numVfs: number): RefCall {
    return this.call((call) => {
      if (this.lock === call) return this.goOnRemoving(call, false);
      if (numVfs > this.vfs.length) return 'ERANGE';
      if (this.lock !== null) return 'sleeps';
      if (numVfs === this.numVfs) return '';
      if (!this.isBound) return 'ENOENT';
      if (numVfs > 0 && this.numVfs > 0) return 'EBUSY';
      if (!this.isAlive) return 'EBUSY';
      if (numVfs === 0) return this.goOnRemoving(call, false);
      this.numVfs = numVfs;
      for (const vf of this.vfs.slice(0, numVfs)) {
        Object.assign(vf, refDevice(), { exists: true });
        if (this.autoprobe) this.probe(vf);
      }
      return '';
    });
  }

  unbindPf(): RefCall {
    return this.call((call) => {
      if (this.lock === call) return this.goOnRemoving(call, true);
      if (this.lock !== null) return 'sleeps';
      if (!this.isBound) return call.hasSlept ? '' : 'ENODEV';
      return this.goOnRemoving(call, true);
    });
  }

  bindPf(): RefCall {
    return this.call(() => {
      if (this.lock !== null) return 'sleeps';
      if (this.isBound) return 'EBUSY';
      this.isBound = true;
      this.isAlive = true;
      return '';
    });
  }

  resetPf(): RefCall {
    return this.call(() => {
      if (this.lock !== null) return 'sleeps';
      if (this.isBound) this.isAlive = false;
      return '';
    });
  }

  /** VFs go in order of their numbers; the first that is in use, or whose lock another holds, stops it. */
  private goOnRemoving(call: RefCall, isUnbind: boolean): Answer {
    this.lock = call;
    for (const vf of this.vfs) {
      if (!vf.exists) continue;
      if (vf.lock !== null && vf.lock !== call) return 'sleeps';
      vf.lock = call;
      if (vf.files.length > 0) return 'sleeps';
      Object.assign(vf, refDevice());
      this.changes++;
    }
    if (isUnbind && !this.goOnUnbinding(call)) return 'sleeps';
    this.numVfs = 0;
    this.lock = null;
    this.changes++;
    if (isUnbind) this.isBound = false;
    return '';
  }

  /** What else hangs on the PF's driver; false while it has to be waited for. */
  protected goOnUnbinding(_call: RefCall): boolean {
    return true;
  }

  // ---- a VF -------------------------------------------------------------------------------------------------------------

  override(vf: RefDevice, name: string): RefCall {
    return this.call(() => {
      if (!vf.exists) return 'ENOENT';
      if (vf.lock !== null) return 'sleeps';
      vf.override = name;
      return '';
    });
  }

  bind(vf: RefDevice, driver: string): RefCall {
    return this.call(() => {
      if (!vf.exists || driver !== (vf.override || 'virtio-pci')) return 'ENODEV';
      if (vf.lock !== null) return 'sleeps';
      return vf.driver === '' ? this.take(vf, driver) : 'EBUSY';
    });
  }

  unbind(vf: RefDevice, driver: string, isInner = false): RefCall {
    return this.call((call) => {
      if (!call.hasSlept && vf.driver !== driver) return 'ENODEV';
      if (vf.lock !== null && vf.lock !== call) return 'sleeps';
      if (vf.driver === '') return '';
      vf.lock = call;
      if (vf.files.length > 0) return 'sleeps';
      vf.driver = '';
      vf.lock = null;
      this.changes++;
      return '';
    }, isInner);
  }

  reset(vf: RefDevice): RefCall {
    return this.call(() => {
      if (!vf.exists) return 'ENOENT';
      return vf.lock === null ? '' : 'sleeps';
    });
  }

  /** drivers_probe: nobody hears of a probe that fails. */
  probe(vf: RefDevice): Answer {
    if (!vf.exists) return 'ENODEV';
    const driver = vf.override || 'virtio-pci';
    if (vf.driver === '' && ['virtio-pci', 'vfio-pci', 'virtio_vfio_pci'].includes(driver)) this.take(vf, driver);
    return '';
  }

  /** The variant driver asks the PF's device, and a dead one does not answer. */
  protected take(vf: RefDevice, driver: string): Answer {
    if (driver === 'virtio_vfio_pci' && !this.isAlive) return 'ETIMEDOUT';
    vf.driver = driver;
    return '';
  }

  // ---- files ------------------------------------------------------------------------------------------------------------

  open(owner: RefDevice): Answer {
    if (!owner.exists || owner.lock !== null || owner.driver === '' || owner.driver === 'virtio-pci') return 'ENOENT';
    const file = { owner, isClosed: false };
    owner.files.push(file);
    this.files.push(file);
    return '';
  }

  bindFile(file: RefFile): Answer {
    if (file.isClosed) return 'EBADF';
    if (file.owner.user !== null) return 'EINVAL';
    file.owner.user = file;
    return '';
  }

  /** Attach, detach, reset and access need the file that has the device. */
  use(file: RefFile, what: 'attach' | 'detach' | 'reset' | 'read' | 'send'): Answer {
    if (file.isClosed) return 'EBADF';
    if (file.owner.user !== file) return 'EINVAL';
    if (what === 'attach') file.owner.isAttached = true;
    if (what === 'detach') file.owner.isAttached = false;
    if (what === 'send') return file.owner.isAttached ? 'sent' : 'faulted';
    return '';
  }

  close(file: RefFile): Answer {
    if (file.isClosed) return 'EBADF';
    const { owner } = file;
    file.isClosed = true;
    owner.files = owner.files.filter((other) => other !== file);
    if (owner.user === file) {
      owner.user = null;
      owner.isAttached = false;
    }
    this.changes++;
    this.wake();
    return '';
  }
}
