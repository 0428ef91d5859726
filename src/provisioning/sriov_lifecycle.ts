// SPDX-License-Identifier: Apache-2.0
// SR-IOV as Linux does it, around one card: the PF's driver comes and goes, sriov_numvfs makes all VFs at once and takes
// them away one by one, each as soon as nobody uses it. Calls that sleep in the kernel return a Pending here; a close of
// the last file lets them go on.
import type { Machine } from '../machine/machine.ts';
import { VIRTIO_F_SR_IOV } from '../../assembly/abi/virtio_features.ts';
import { addressText } from '../util/address_text.ts';
import { NicError } from '../util/errors.ts';
import { NumberPool, type Host, type PfChild } from './host.ts';
import { LifecycleState } from './lifecycle_state.ts';
import { SriovVf } from './sriov_vf.ts';
import { Tasks, type Pending, type Steps } from './tasks.ts';
import { VfioNodes } from './vfio_node.ts';

const PS_PER_MS = 1e9;

/** A PF with its VFs, and the nodes that their drivers register. */
export class SriovLifecycle implements Host {
  /** sriov_drivers_autoprobe: drivers are offered new VFs. */
  autoprobe = true;
  readonly machine: Machine;
  readonly lifecycle: LifecycleState;
  readonly nodes = new VfioNodes();
  readonly tasks = new Tasks();
  readonly functions: NumberPool;
  /** VF 1 first. */
  readonly vfs: readonly SriovVf[];
  private readonly children: PfChild[] = [];

  /** `machine`: one without VFs, its PF under its driver. */
  constructor(machine: Machine) {
    this.machine = machine;
    if (this.numVfs > 0)
      throw new NicError('LIFECYCLE', `${this.numVfs} VFs exist already; make the machine with numVfs 0`);
    const name = `0000:${addressText(machine.pfDevice.requesterId)}`;
    this.lifecycle = new LifecycleState('pf', name, this.hasSriov ? 'ready' : 'no-sriov');
    const { totalVfs } = machine.nic.config;
    this.functions = new NumberPool(totalVfs + 1, machine.nic.functions() - 1);
    this.vfs = Array.from({ length: totalVfs }, (_, i) => new SriovVf(this, i + 1));
  }

  get state(): string {
    return this.lifecycle.state;
  }

  /** sriov_numvfs as it reads. */
  get numVfs(): number {
    return this.machine.pf.sriov?.numVfs ?? 0;
  }

  /** VF `number`, from 1. */
  vf(number: number): SriovVf {
    const vf = this.vfs[number - 1];
    if (vf === undefined) throw new NicError('FUNCTION', `VF ${number} does not exist; VFs are 1..${this.vfs.length}`);
    return vf;
  }

  /** Something that goes with the PF's driver and with a reset of the PF, as VFs do. */
  addChild(child: PfChild): void {
    this.children.push(child);
  }

  /** Writes sriov_numvfs. EINVAL, ERANGE, ENOENT, EBUSY as the table says; 0 sleeps while a VF is in use. */
  setNumVfs(numVfs: number): Pending {
    return this.tasks.start(this.changeNumVfs(numVfs));
  }

  /** Writes the PF's name to virtio-pci's bind. */
  bindPf(): Pending {
    return this.tasks.start(this.bind());
  }

  /** Writes the PF's name to virtio-pci's unbind: the VFs go first, and while one is in use the caller sleeps. */
  unbindPf(): Pending {
    return this.tasks.start(this.unbind());
  }

  /** Writes 1 to the PF's reset. A virtio-net driver on it stays without a device until it is bound anew. */
  resetPf(): Pending {
    return this.tasks.start(this.reset());
  }

  /** To be called as simulated time passes: requests for release are repeated every 10 s. Returns how many were. */
  poll(): number {
    let repeated = 0;
    for (const node of this.nodes.all()) if (node.repeatRequest(this.nowMs())) repeated++;
    return repeated;
  }

  nowMs(): number {
    const { nic } = this.machine;
    return nic.toPs(nic.now()) / PS_PER_MS;
  }

  private get hasSriov(): boolean {
    return this.machine.pf.transport.hasFeature(VIRTIO_F_SR_IOV);
  }

  private *changeNumVfs(numVfs: number): Steps {
    const on = yield* this.lifecycle.turn(() => this.classify(numVfs));
    if (on === 'numvfs:same') return;
    if (numVfs > 0) this.machine.pf.setNumVfs(numVfs);
    this.lifecycle.step(on);
    if (numVfs > 0) {
      for (const vf of this.vfs.slice(0, numVfs)) vf.appear(this.autoprobe);
      return;
    }
    yield* this.drain();
    this.machine.pf.setNumVfs(0);
    this.lifecycle.step('drained:bound');
  }

  private classify(numVfs: number): string {
    if (!Number.isInteger(numVfs) || numVfs < 0 || numVfs > 0xffff) return 'numvfs:no-number';
    if (numVfs > this.vfs.length) return 'numvfs:too-many';
    if (numVfs === this.numVfs) return 'numvfs:same';
    return numVfs === 0 ? 'numvfs:0' : 'numvfs:n';
  }

  private *drain(): Steps {
    for (const vf of this.vfs.slice(0, this.numVfs)) yield* vf.remove();
  }

  private *bind(): Steps {
    yield* this.lifecycle.turn(() => 'bind');
    this.machine.pf.start();
    this.lifecycle.step(this.hasSriov ? 'bind' : 'bind:without-sriov');
    for (const child of this.children) child.register();
  }

  private *unbind(): Steps {
    const hasSlept = this.lifecycle.waits('unbind');
    while (this.lifecycle.waits('unbind')) yield () => !this.lifecycle.waits('unbind');
    if (hasSlept && this.state === 'unbound') return; // another has done it
    this.lifecycle.step('unbind');
    yield* this.drain();
    for (const child of this.children) yield* child.unregister();
    this.machine.pf.stop();
    this.lifecycle.step('drained:unbound');
  }

  private *reset(): Steps {
    const on = yield* this.lifecycle.turn(() => 'reset');
    this.machine.pfDevice.reset();
    this.machine.pf.sriov?.restore();
    for (const child of this.children) child.restore();
    this.lifecycle.step(on);
  }
}
