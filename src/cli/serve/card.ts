// SPDX-License-Identifier: Apache-2.0
// The card that `virtfn serve` serves: its functions behind sockets, its wire on a port, and time that follows the clock
// on the wall where the card is a timed one.
import { EXT_CAP_SRIOV } from '../../../assembly/abi/config_layout.ts';
import {
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_MSE,
  PCI_SRIOV_CTRL_VFE,
  PCI_SRIOV_NUM_VF,
} from '../../../assembly/abi/pci_sriov.ts';
import { enumerate, type BusLayout } from '../../device/bus.ts';
import { createNic, type Nic } from '../../device/nic.ts';
import { WallClock } from '../../device/wall_clock.ts';
import { Machine } from '../../machine/machine.ts';
import { withPfDriverOnly } from '../../machine/machine_config.ts';
import type { Attachment, Say } from '../../native/attachment.ts';
import type { Libc } from '../../native/libc.ts';
import { Poller } from '../../native/poller.ts';
import type { PfAdmin } from '../../variant/pf_admin.ts';
import { VirtioVfioPci } from '../../variant/virtio_vfio_pci.ts';
import { BareFunction } from '../../vfio/bare_function.ts';
import { restoreState, saveAtPowerOn, type SavedState } from '../../vfio/saved_state.ts';
import type { VfioDevice } from '../../vfio/vfio_device.ts';
import { VfioPci } from '../../vfio/vfio_pci.ts';
import { runAll } from '../../util/run_all.ts';
import type { Calendar } from '../../uml/calendar.ts';
import { UmlServer, type UmlEvent } from '../../uml/uml_server.ts';
import { FunctionServer } from '../../vfio_user/function_server.ts';
import { openWirePort } from './wire.ts';
import { Wire } from '../../wire/wire_port.ts';
import type { FunctionKind, PlannedFunction, ServeConfig } from './config.ts';
import { Faults } from './faults.ts';

/** A function at its socket, whatever its client speaks. */
type ServedSocket = Pick<FunctionServer, 'attachment' | 'clients' | 'close' | 'isConnected' | 'messages' | 'tend'>;

export interface ServedFunction extends PlannedFunction {
  readonly server: ServedSocket;
}

/** Longest that the card goes without a look at the clock. */
const IDLE_MS = 200;
/** How often attachments are looked after. */
const TEND_MS = 100;

export class ServedCard {
  readonly nic: Nic;
  readonly poller: Poller;
  readonly functions: ServedFunction[] = [];
  /** What a User Mode Linux kernel needs on its command line; null where none is served. */
  readonly commandLine: readonly string[] | null;
  readonly wire: Wire | null;
  /** Errors of ours that were contained. */
  readonly faults: Faults;
  private tendAtMs = 0;
  private readonly config: ServeConfig;
  /** Null: the client enumerates a card that nobody has touched. */
  private readonly bus: BusLayout | null;
  /** Of the PF, before anybody enumerated it. */
  private readonly atPowerOn: SavedState = [];
  private readonly admin: PfAdmin | null;
  /** Who looks after the sockets: a server for each function over vfio-user, one for all that a kernel gets. */
  private readonly servers: (FunctionServer | UmlServer)[] = [];
  /** The calendar of a kernel, where the card has its time from there. */
  private calendar: Calendar | null = null;
  /** Null: the card's time is a kernel's. */
  private readonly clock: WallClock | null;

  /** `say` takes lines about what happens. Throws NicError CONFIG, SOCKET, WIRE; what was opened until then is closed again. */
  constructor(libc: Libc, config: ServeConfig, say: Say) {
    this.config = config;
    this.poller = new Poller(libc);
    this.faults = new Faults(say);
    const onFault = (error: unknown): void => this.faults.add(error);
    if (config.hasPfDriver) {
      const machine = new Machine(withPfDriverOnly(config.card));
      this.nic = machine.nic;
      this.bus = machine.bus;
      this.admin = machine.pf.admin;
    } else {
      this.nic = createNic(config.card);
      this.atPowerOn = saveAtPowerOn(this.nic);
      this.bus = config.isUml ? null : this.enumerate();
      this.admin = null;
    }
    this.clock = config.timeTravel === null ? new WallClock(this.nic) : null;
    let wire: Wire | null = null;
    try {
      if (config.wire !== null) {
        wire = new Wire(this.nic, openWirePort(libc, this.poller, config.wire, say), onFault);
      }
      this.commandLine = config.isUml ? this.serveUml(libc, say) : null;
      if (!config.isUml) this.serveVfioUser(libc, say);
    } catch (error) {
      for (const server of this.servers) server.close();
      wire?.close();
      throw error;
    }
    this.wire = wire;
    this.poller.onFault = onFault;
    this.poller.onWake = () => this.clock?.keep();
  }

  /** Serves until stop(). */
  run(): Promise<void> {
    return this.poller.run(() => this.faults.contain(() => this.work(), IDLE_MS));
  }

  /** What the card hangs on: its wire's, and the sockets that were ever taken away. */
  get attachments(): readonly Attachment[] {
    const sockets = this.functions.map(({ server }) => server.attachment);
    return [...(this.wire?.attachments ?? []), ...sockets.filter(({ losses, dropped }) => losses > 0 || dropped > 0)];
  }

  stop(): void {
    this.poller.stop();
  }

  /** Drops all clients; sockets and wire are gone when it returns. */
  close(): void {
    runAll(
      ...this.servers.map((server) => () => server.close()),
      () => this.wire?.close(),
      () => this.poller.close(),
    );
  }

  private serveVfioUser(libc: Libc, say: Say): void {
    const { nic, poller } = this;
    for (const planned of this.config.functions) {
      const { fn, kind, path } = planned;
      const openDevice = (): VfioDevice => this.device(fn, kind);
      const server = new FunctionServer({ libc, poller, nic, path, openDevice, say });
      this.servers.push(server);
      this.functions.push({ ...planned, server });
    }
  }

  /** What the kernel needs on its command line. */
  private serveUml(libc: Libc, say: Say): readonly string[] {
    const { nic, poller } = this;
    const { functions } = this.config;
    const sockets = Object.fromEntries(functions.map(({ name, path }) => [name, path]));
    const onEvent = (event: UmlEvent): void => {
      if (event.kind === 'dropped') say(`${event.name}: the kernel is dropped: ${event.reason}`);
    };
    const { timeTravel } = this.config;
    const clock = timeTravel === null ? {} : { timeTravel };
    const server = new UmlServer({ libc, poller, nic, folder: '.', sockets, onEvent, say, ...clock });
    this.servers.push(server);
    this.calendar = server.calendar;
    server.functions.forEach((one, i) => this.functions.push({ ...functions[i]!, server: one }));
    return server.commandLine;
  }

  private device(fn: number, kind: FunctionKind): VfioDevice {
    if (kind === 'raw') return new BareFunction(this.nic, fn, this.bus!, fn === 0 ? this.atPowerOn : []);
    const device = new VfioPci(this.nic, fn, this.bus!);
    if (kind === 'modern' || kind === 'pf') return device;
    return new VirtioVfioPci(device, this.admin, fn - 1, kind === 'legacy' ? 'legacy' : undefined);
  }

  /** What the host does before anybody comes; nothing of it stays for a client that does it by itself. */
  private enumerate(): BusLayout {
    const bus = enumerate(this.nic);
    if (this.config.functions.some(({ kind }) => kind === 'raw')) restoreState(this.nic, 0, this.atPowerOn);
    else this.enableVfs();
    return bus;
  }

  /** What the host does when somebody writes sriov_numvfs of a PF whose driver is elsewhere. */
  private enableVfs(): void {
    this.nic.configWrite(0, EXT_CAP_SRIOV + PCI_SRIOV_NUM_VF, 2, this.config.card.totalVfs);
    this.nic.configWrite(0, EXT_CAP_SRIOV + PCI_SRIOV_CTRL, 2, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
  }

  /** Between polls: time passes, frames come in. Milliseconds until there is something to do again; run() does it. */
  work(): number {
    this.tend(performance.now());
    const isMore = this.wire?.bringIn() === true;
    const waitMs = this.clock?.keep() ?? IDLE_MS; // also while a frame waits: only time makes room for it
    this.calendar?.poke();
    return isMore ? 0 : Math.min(waitMs, Math.ceil(this.wire?.dueMs() ?? IDLE_MS));
  }

  private tend(nowMs: number): void {
    if (nowMs < this.tendAtMs) return;
    this.tendAtMs = nowMs + TEND_MS;
    this.wire?.tend(nowMs);
    for (const server of this.servers) server.tend(nowMs);
  }
}
