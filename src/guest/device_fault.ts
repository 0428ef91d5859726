// SPDX-License-Identifier: Apache-2.0
// A device that breaks the protocol: what it wrote into the used ring or its registers cannot be. A driver that trusted
// such values would index out of range; these drivers check them first and stop with this error instead.
import { NicError } from '../util/errors.ts';

/** What the device got wrong; `code` of the error. */
export type DeviceFaultCode =
  | 'DEVICE_USED_INDEX' // the used index ran ahead of what is in flight
  | 'DEVICE_USED_ID' // a used element names a descriptor that heads no chain in flight
  | 'DEVICE_USED_LENGTH' // a used element claims more bytes than the chain could take
  | 'DEVICE_FLOOD' // it returns buffers as fast as it is given them, and the driver comes to nothing else
  | 'DEVICE_SILENT'; // nothing more will happen, and what was asked for did not

/** The device, not the program, is at fault; `code` says how and the message names the value. */
export class DeviceFaultError extends NicError {
  constructor(code: DeviceFaultCode, message: string) {
    super(code, message);
    this.name = 'DeviceFaultError';
  }
}
