// SPDX-License-Identifier: Apache-2.0
// A card with VFs, an iommufd context, and a way to make a function read and write wherever a test wants: the traffic
// generator of the port, one operation at a time, by the same way as every other request.
import { GENERATOR, GENERATOR_BUFFER } from '../../../assembly/abi/state_map.ts';
import * as GEN from '../../../assembly/abi/generator.ts';
import type { NicConfig } from '../../../src/device/config.ts';
import type { Nic } from '../../../src/device/nic.ts';
import { IommufdContext } from '../../../src/iommufd/context.ts';
import { FunctionPort, type DmaPort, type IommufdDevice } from '../../../src/iommufd/device.ts';
import { VfioError } from '../../../src/util/errors.ts';
import { RawCard } from '../../support/raw_card.ts';

export const PAGE = 4096;
const READ = 0;
const WRITE = 1;
const POISON = 0xee;
const SAMPLE = 64;

/** Errno name of what `call` throws, or what it returns. */
export function errno<T>(call: () => T): string | T {
  try {
    return call();
  } catch (error) {
    if (error instanceof VfioError) return error.code;
    throw error;
  }
}

export class IommufdBench {
  readonly card: RawCard;
  readonly nic: Nic;
  readonly context: IommufdContext;

  constructor(numVfs = 4, config: NicConfig = {}) {
    this.card = new RawCard({ numVfs, mode: 'functional', build: 'release', windowBytes: 1 << 20, ...config });
    this.nic = this.card.nic;
    this.context = new IommufdContext(this.nic);
    for (let fn = 0; fn <= numVfs; fn++) this.nic.configWrite(fn, 0x04, 2, 0x6);
  }

  bind(fn: number, context: IommufdContext = this.context): IommufdDevice {
    return context.bind(new FunctionPort(this.nic, fn));
  }

  /** The requests of a VF in the place of those that a requester makes with a PASID. */
  pasidPort(fn: number, requesterId: number, pasid: number | null): DmaPort {
    const { nic } = this;
    return {
      requesterId,
      pasid,
      attach: (ioas) => nic.attachIoas(fn, ioas),
      takeFaults: () => nic.iommu.takeFaults(fn),
    };
  }

  /** Bytes of the guest window. */
  window(offset: number, length: number): Uint8Array {
    const at = this.nic.core.windowBase + offset;
    return this.nic.core.u8.subarray(at, at + length);
  }

  /** Every page of the window holds its number, plus 1, in every byte. */
  numberPages(): void {
    for (let at = 0; at < this.nic.config.windowBytes; at += PAGE) this.window(at, PAGE).fill(at / PAGE + 1);
  }

  /** The function reads; null if it may not. */
  read(fn: number, iova: number, length = SAMPLE): Uint8Array | null {
    const buffer = this.nic.core.u8.subarray(GENERATOR_BUFFER, GENERATOR_BUFFER + length);
    buffer.fill(POISON);
    return this.operate(fn, READ, iova, length) ? buffer.slice() : null;
  }

  /** The function writes bytes of one value; false if it may not. */
  write(fn: number, iova: number, value: number, length = SAMPLE): boolean {
    this.nic.core.u8.fill(value, GENERATOR_BUFFER, GENERATOR_BUFFER + length);
    return this.operate(fn, WRITE, iova, length);
  }

  /** Starts operations of a function, one after the other through `bytesInAll`, `outstanding` at a time. */
  start(
    fn: number,
    kind: 'read' | 'write',
    iova: number,
    options: { length?: number; bytesInAll?: number; count?: number; outstanding?: number } = {},
  ): void {
    const { length = SAMPLE, bytesInAll = length, count = 1, outstanding = 1 } = options;
    const { view, pins } = this.nic.core;
    for (let field = 0; field < 80; field += 4) view.setUint32(GENERATOR + field, 0, true);
    view.setUint32(GENERATOR + GEN.OPERATION, kind === 'read' ? READ : WRITE, true);
    view.setUint32(GENERATOR + GEN.BYTES, length, true);
    view.setUint32(GENERATOR + GEN.LEFT, count, true);
    view.setBigUint64(GENERATOR + GEN.IOVA, BigInt(iova), true);
    view.setUint32(GENERATOR + GEN.WINDOW, bytesInAll, true);
    pins.generate(fn, outstanding);
  }

  private operate(fn: number, operation: number, iova: number, length: number): boolean {
    const before = this.nic.counters()['dma_faults'];
    this.start(fn, operation === READ ? 'read' : 'write', iova, { length });
    this.nic.runToIdle();
    return this.nic.counters()['dma_faults'] === before;
  }
}
