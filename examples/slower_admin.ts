// SPDX-License-Identifier: Apache-2.0
// What if? The same legacy register read on cards with other timing profiles: a longer link, and administration commands
// that a firmware executes instead of logic. The record of each command says where the time goes.
import { Machine, type AdminRecord, type ProfileOverrides } from '../src/index.ts';

const PROFILES: Readonly<Record<string, ProfileOverrides>> = {
  'as it is': {},
  'link 4 times as long': { 'link.up_latency_ns': 880, 'link.down_latency_ns': 880 },
  'firmware, 5 us a command': { 'admin.legacy_read_ns': 5000, 'admin.legacy_write_ns': 5000 },
};
const STATUS = 18;
const READS = 16;

for (const [name, profile] of Object.entries(PROFILES)) {
  const machine = new Machine({ totalVfs: 1, traceAdmin: true, profile });
  const records: AdminRecord[] = [];
  machine.startLegacy(1);
  const device = machine.openTransitionalVf(1);
  device.write(7, 4, 2, 1); // command register: I/O decoding on, as a guest's BIOS would
  machine.settle();
  machine.nic.onAdminCommand((record) => records.push(record));
  for (let i = 0; i < READS; i++) device.read(0, STATUS, 1);
  machine.settle();

  const mean = (of: (record: AdminRecord) => number): string =>
    (machine.nic.toPs(records.reduce((sum, record) => sum + of(record), 0) / records.length) / 1000).toFixed(0);
  console.log(
    `${name}: ${records.length} reads, ${mean((r) => r.notified - r.doorbellIssued)} ns each:` +
      ` doorbell ${mean((r) => r.doorbellArrived - r.doorbellIssued)},` +
      ` fetch ${mean((r) => r.executing - r.doorbellArrived)},` +
      ` execute ${mean((r) => r.executed - r.executing)},` +
      ` write back and interrupt ${mean((r) => r.notified - r.executed)}`,
  );
}
