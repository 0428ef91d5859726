// SPDX-License-Identifier: Apache-2.0
// A legacy driver starts on a VF that has no I/O BAR: each of its register accesses is printed as the administration
// command that the variant driver makes of it.
import { findRegisterBlock, Machine, VirtioVfioPci, type PfAdmin } from '../src/index.ts';
import { VirtioNetLegacy } from '../src/guest/index.ts';
import { VfioPci } from '../src/vfio/index.ts';

const COMMANDS: Readonly<Record<number, readonly [name: string, block: string]>> = {
  2: ['COMMON_CFG_WRITE', 'virtio_pci_legacy'],
  3: ['COMMON_CFG_READ', 'virtio_pci_legacy'],
  4: ['DEV_CFG_WRITE', 'virtio_net_legacy_config'],
  5: ['DEV_CFG_READ', 'virtio_net_legacy_config'],
  6: ['NOTIFY_INFO', 'virtio_admin_notify_info'],
};
const ENTRY_BYTES = 16; // of the result of NOTIFY_INFO; the first one is printed
const WRITE_DATA = 8; // offset and seven reserved bytes stand before the value
const machine = new Machine({ totalVfs: 1 });
const { admin } = machine.pf;

const printing: PfAdmin = {
  supportedCommands: admin.supportedCommands,
  devicePartsLimit: admin.devicePartsLimit,
  exec(opcode, groupType, memberId, data, resultLength) {
    const start = machine.nic.now();
    const answer = admin.exec(opcode, groupType, memberId, data, resultLength);
    const [name = `opcode ${opcode}`, block = ''] = COMMANDS[opcode] ?? [];
    const offset = data?.[0] ?? 0;
    const register =
      findRegisterBlock(block)?.registers.findLast((candidate) => candidate.offset <= offset)?.name ?? '';
    const value =
      resultLength > 0
        ? answer.result.slice(0, Math.min(answer.resultLength, ENTRY_BYTES))
        : (data?.slice(WRITE_DATA) ?? []);
    const digits = [...value].reverse().map((byte) => byte.toString(16).padStart(2, '0'));
    const ns = machine.nic.toPs(machine.nic.now() - start) / 1000;
    console.log(`${name.padEnd(17)} ${String(offset).padStart(2)} ${register.padEnd(18)} ${digits.join('')}  ${ns} ns`);
    return answer;
  },
};

const device = new VirtioVfioPci(new VfioPci(machine.nic, 1, machine.bus), printing, 0);
device.open();
const driver = new VirtioNetLegacy(device, machine.memoryFor(device), machine.clock);
driver.start();
console.log(`${admin.commands} administration commands; the link is ${driver.isLinkUp ? 'up' : 'down'}`);
