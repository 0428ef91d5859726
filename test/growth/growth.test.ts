// SPDX-License-Identifier: Apache-2.0
// What comes next has its place. A second ring format is a file on each side, an administration command and a control
// command are a file, a row and a case each, an option of a card is a row. All of them are added to one core here, and used.
import { beforeAll, describe, expect, it } from 'vitest';

import * as CFG from '../../assembly/abi/nic_config.ts';
import { optionTable, resolveOptions, whole, type OptionRows } from '../../src/device/option_rows.ts';
import { VirtioModern } from '../../src/guest/virtio_modern.ts';
import { VirtioNet } from '../../src/guest/virtio_net.ts';
import { Machine } from '../../src/machine/machine.ts';
import { makePlainRing } from '../support/plain_ring.ts';
import { type Growth, grownCore, type Place } from './grown_core.ts';

const TRIPLE = 7; // the next opcode; Linux's driver wants it, too
const SRIOV = 1;
const SEVEN = 0x42;

const RING: Growth = {
  files: { 'assembly/virtio/ring/plain.ts': 'test/growth/core/plain_ring.txt' },
  places: [
    { file: 'assembly/virtio/ring/ring.ts', find: "split from './split.ts'", replace: "split from './plain.ts'" },
    {
      file: 'assembly/virtio/ring/ring.ts',
      find: "splitTable from './split_table.ts'",
      replace: "splitTable from './plain.ts'",
    },
  ],
};

/** A file, a row of the table, a case of the switch with its import. */
const ADMIN_COMMAND: Growth = {
  files: { 'assembly/admin/triple_command.ts': 'test/growth/core/triple_command.txt' },
  places: [
    after(
      'assembly/abi/admin_command.ts',
      '// LEGACY_NOTIFY_INFO\n',
      'GROUP_SRIOV, COMMAND_MEMBER, 0, P.ADMIN_LIST, 4,\n',
    ),
    after('assembly/admin/command.ts', '  switch (opcode) {\n', `    case ${TRIPLE}:\n      return triple(job);\n`),
    after(
      'assembly/admin/command.ts',
      "from './list_commands.ts';\n",
      "import { triple } from './triple_command.ts';\n",
    ),
  ],
};

const CONTROL_COMMAND: Growth = {
  files: { 'assembly/net/seven_command.ts': 'test/growth/core/seven_command.txt' },
  places: [
    after('assembly/abi/net_control.ts', 'CONTROL_COMMANDS: StaticArray<u32> = [\n', `${SEVEN}, 0, 17, 17,\n`), // CTRL_VQ
    after('assembly/net/control.ts', '  switch (type) {\n', `    case ${SEVEN}:\n      return seven(data, bytes);\n`),
    after('assembly/net/control.ts', "from './config.ts';\n", "import { seven } from './seven_command.ts';\n"),
  ],
};

/** What is put behind a text. */
function after(file: string, find: string, added: string): Place {
  return { file, find, replace: find + added };
}

const PARTS = [RING, ADMIN_COMMAND, CONTROL_COMMAND];
const grown = grownCore({
  files: Object.assign({}, ...PARTS.map(({ files }) => files)) as Growth['files'],
  places: PARTS.flatMap(({ places }) => places),
});

describe.each(['functional', 'timed'] as const)('a grown card, %s', (mode) => {
  let machine: Machine;

  beforeAll(async () => {
    const module = await grown;
    machine = new Machine({ mode, totalVfs: 4, numVfs: 4, pf: { makeRing: makePlainRing } }, { module });
  });

  /** The driver of a VF over the ring of the tests' own. */
  function startVf(vf: number): VirtioNet {
    const device = machine.openVf(vf);
    const transport = new VirtioModern(device, { makeRing: makePlainRing });
    const driver = new VirtioNet(transport, machine.memoryFor(device), machine.clock);
    driver.start();
    return driver;
  }

  it('is brought up over rings of the other format, admin queue included', () => {
    expect(machine.pf.admin.supportedCommands).toBe(0xfc); // legacy access, which it wants, and the new one
  });

  it('carries frames between two functions over them, short and in several buffers', () => {
    const [one, other] = [startVf(1), startVf(2)];
    const received: Uint8Array[] = [];
    other.rx[0]!.onReceive = (bytes, offset, length) => received.push(bytes.slice(offset, offset + length));
    const sent = [60, 61, 1514].map((length) => {
      const frame = new Uint8Array(length).fill(length & 0xff);
      frame.set([0x02, 0x76, 0x66, 0, 0, 2, 0x02, 0x76, 0x66, 0, 0, 1, 0x88, 0xb5]);
      return frame;
    });

    for (const frame of sent) expect(one.send(frame)).toBe(true);
    machine.settle();

    expect(received).toEqual(sent);
  });

  it('has the new administration command', () => {
    const { status, result } = machine.pf.admin.exec(TRIPLE, SRIOV, 3, null, 4);

    expect([status, ...result.slice(0, 4)]).toEqual([0, 9, 0, 0, 0]);
  });

  it('has the new control command', () => {
    const driver = startVf(4);

    expect([7, 8].map((byte) => driver.command(SEVEN, 0, [byte]))).toEqual([true, false]);
  });
});

interface Lanes {
  readonly lanes?: number;
  readonly spares?: number;
}

describe('an option of a card', () => {
  const rows: OptionRows<Lanes> = {
    lanes: whole(1, 16, { what: 'Lanes', byDefault: 8, word: CFG.MTU }),
    spares: whole(0, 3, { what: 'Spare lanes', byDefault: 1, word: CFG.LEGACY }),
  };

  it('is a row: its default, its check, its word and its line in the documentation follow', () => {
    expect(resolveOptions<Lanes>(rows, {}, { lanes: 4 })).toEqual({
      values: { lanes: 4, spares: 1 },
      problems: [],
      words: new Map([
        [CFG.MTU, 4],
        [CFG.LEGACY, 1],
      ]),
    });
    expect(resolveOptions<Lanes>(rows, {}, { spares: 4 }).problems).toEqual([
      { option: 'spares', message: '4: a whole number from 0 to 3 is needed', remedy: 3 },
    ]);
    expect(optionTable(rows as Parameters<typeof optionTable>[0])).toContain('| `spares` | Spare lanes | 0 to 3 | 1 |');
  });
});
