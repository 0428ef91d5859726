// SPDX-License-Identifier: Apache-2.0
// A function as the bus has it, for a client that enumerates by itself: nothing is set up for it, put back behind its resets
// or written into its MSI-X table. SET_IRQS says where the messages go that the client's own table sends.
import type { BusLayout } from '../device/bus.ts';
import type { Nic } from '../device/nic.ts';
import { restoreState, type SavedState } from './saved_state.ts';
import type { IrqHandler } from './vfio_device.ts';
import { VfioPci } from './vfio_pci.ts';

export class BareFunction extends VfioPci {
  private readonly atPowerOn: SavedState;

  /** `atPowerOn`: what a reset leaves alone, as a new client is to find it. */
  constructor(nic: Nic, fn: number, bus: BusLayout, atPowerOn: SavedState) {
    super(nic, fn, bus, 'hardware');
    this.atPowerOn = atPowerOn;
  }

  override open(): void {
    this.resetFunction();
    restoreState(this.nic, this.fn, this.atPowerOn);
  }

  override reset(): void {
    this.resetFunction();
  }

  override close(): void {
    this.setIntx(null);
    this.clearVectors();
    this.open();
  }

  protected override setVectors(start: number, handlers: readonly (IrqHandler | null)[]): void {
    handlers.forEach((handler, i) => this.nic.onVector(this.fn, start + i, handler));
  }

  protected override clearVectors(): void {
    for (let vector = 0; vector < this.vectors; vector++) this.nic.onVector(this.fn, vector, null);
  }
}
