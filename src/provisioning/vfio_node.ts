// SPDX-License-Identifier: Apache-2.0
// /dev/vfio/devices/vfioN: the node of a device that a vfio driver has registered, its open files, and what happens when
// the driver wants to let go while somebody has one open. In the kernel that is vfio_unregister_group_dev().
import type { DmaBinding } from './dma_binding.ts';
import type { LifecycleState } from './lifecycle_state.ts';
import type { Steps, Tasks } from './tasks.ts';
import { VfioFile, type OpenedNode, type RegisteredDevice } from './vfio_file.ts';

/** Linux asks again so often while it waits for a user. */
const REQUEST_REPEAT_MS = 10_000;

/** The numbers of the nodes of one machine; the lowest free one is taken. */
export class VfioNodes {
  private readonly nodes: (VfioNode | undefined)[] = [];

  /** Nodes that exist. */
  get count(): number {
    return this.nodes.filter((node) => node !== undefined).length;
  }

  /** Every node that exists, by number. */
  *all(): Iterable<VfioNode> {
    for (const node of this.nodes) if (node !== undefined) yield node;
  }

  add(node: VfioNode): number {
    let number = 0;
    while (this.nodes[number] !== undefined) number++;
    this.nodes[number] = node;
    return number;
  }

  remove(number: number): void {
    this.nodes[number] = undefined;
  }
}

/** A registered vfio device. */
export class VfioNode implements OpenedNode {
  readonly number: number;
  readonly registered: RegisteredDevice;
  readonly lifecycle: LifecycleState;
  /** The file that is bound to an iommufd. */
  user: VfioFile | null = null;
  /** Its DMA in that iommufd. */
  binding: DmaBinding | null = null;
  /** Requests for release so far. */
  requests = 0;
  private readonly nodes: VfioNodes;
  private readonly tasks: Tasks;
  private readonly files = new Set<VfioFile>();
  private nextRequestMs = Infinity;

  constructor(nodes: VfioNodes, tasks: Tasks, lifecycle: LifecycleState, registered: RegisteredDevice) {
    this.nodes = nodes;
    this.tasks = tasks;
    this.lifecycle = lifecycle;
    this.registered = registered;
    this.number = nodes.add(this);
  }

  get path(): string {
    return `/dev/vfio/devices/vfio${this.number}`;
  }

  get openFiles(): number {
    return this.files.size;
  }

  /** Opens the node once more; the file is good for nothing until it is bound. */
  open(): VfioFile {
    this.lifecycle.step('open');
    const file = new VfioFile(this);
    this.files.add(file);
    return file;
  }

  /** A file was closed: the state follows, and who waits for the last one goes on. */
  closed(file: VfioFile): void {
    const wasUser = this.user === file;
    if (wasUser) {
      this.registered.device.close();
      this.binding!.release();
      this.binding = null;
      this.user = null;
    }
    this.files.delete(file);
    this.lifecycle.step(this.files.size === 0 ? 'close:last' : wasUser ? 'close:user' : 'close:other');
    this.tasks.wake();
  }

  /** The driver lets go: asks for release at once and sleeps until no file is open. The number is free then. */
  *unregister(nowMs: number): Steps {
    if (this.files.size > 0) {
      this.request(nowMs);
      yield () => this.files.size === 0;
    }
    this.nextRequestMs = Infinity;
    this.nodes.remove(this.number);
  }

  /** Asks again where that is due; true if it was. */
  repeatRequest(nowMs: number): boolean {
    if (nowMs < this.nextRequestMs) return false;
    this.request(nowMs);
    return true;
  }

  private request(nowMs: number): void {
    this.requests++;
    this.nextRequestMs = nowMs + REQUEST_REPEAT_MS;
    this.registered.requestRelease();
  }
}
