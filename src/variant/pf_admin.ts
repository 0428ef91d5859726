// SPDX-License-Identifier: Apache-2.0
// What the variant driver needs of the PF's driver: administration commands in the VF's name. The PF driver's admin
// client has this shape; the two do not know each other.

/** Outcome of one command; read before the next one is sent. */
export interface PfAdminResult {
  /** 0, or a Linux error number: what the VFIO user gets as -status. */
  readonly status: number;
  readonly qualifier: number;
  /** Bytes of result that the device wrote into the front of `result`. */
  readonly resultLength: number;
  readonly result: Uint8Array;
}

/** The admin queue of a PF as the variant driver uses it for a VF. */
export interface PfAdmin {
  /** Bit n: the PF driver told the device that it uses opcode n. */
  readonly supportedCommands: number;
  /** Device-parts objects that the device grants; 0 where it does not migrate. */
  readonly devicePartsLimit: number;
  /** Sends one command and waits for its answer. */
  exec(
    opcode: number,
    groupType: number,
    memberId: number,
    data: Uint8Array | null,
    resultLength: number,
  ): PfAdminResult;
}
