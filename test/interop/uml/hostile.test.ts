// SPDX-License-Identifier: Apache-2.0
// What no kernel says: each is dropped with a reason that names it, leaves no descriptor and no mapping, and the other
// functions go on.
import { readFileSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openFiles, UmlBench } from './support/uml_bench.ts';
import {
  fields,
  NEED_REPLY,
  OP,
  RAM,
  RAM_BYTES,
  REQUEST,
  state,
  table,
  VERSION,
  type Descriptor,
  type Region,
  type UmlKernel,
} from './support/uml_kernel.ts';

let bench: UmlBench;
beforeEach(async () => {
  bench = await UmlBench.start();
});
afterEach(() => bench.close());

type Lie = readonly [what: string, reason: string | RegExp, tell: (kernel: UmlKernel) => void];

const memory =
  (...regions: readonly Region[]) =>
  (kernel: UmlKernel): void =>
    void kernel.send(
      REQUEST.SET_MEM_TABLE,
      table(...regions),
      regions.map(() => kernel.memoryFd),
    );
const send =
  (request: number, payload: Uint8Array = new Uint8Array(0), files = 0, flags = VERSION) =>
  (kernel: UmlKernel): void =>
    void kernel.send(
      request,
      payload,
      Array.from({ length: files }, () => kernel.memoryFd),
      flags,
    );
const addresses =
  (change: { desc?: number; used?: number; avail?: number; flags?: number }) =>
  (kernel: UmlKernel): void =>
    void kernel.send(REQUEST.SET_VRING_ADDR, kernel.addresses(0, change));
/** Descriptors from 0 on, the first of which is made available. */
const chain =
  (...descriptors: readonly Descriptor[]) =>
  (kernel: UmlKernel): void => {
    descriptors.forEach((descriptor, id) => kernel.setDescriptor(0, id, descriptor));
    kernel.offer(0, 0);
    kernel.send(REQUEST.VRING_KICK, state(0, 0));
  };
/** A command with so many bytes of data, and room for so many of an answer. */
const command =
  (op: number, bar: number, size: number, address: number | bigint, dataBytes = 0, answerBytes = 0) =>
  (kernel: UmlKernel): void => {
    kernel.ram.set(fields([1, op], [1, bar], [2, 0], [4, size], [8, address]), RAM + 0x8000);
    chain([RAM + 0x8000, 16 + dataBytes, 1, 1], [RAM + 0x9000, answerBytes, 2, 0])(kernel);
  };

const MESSAGES: readonly Lie[] = [
  [
    'a payload of 265 bytes',
    'a message with 265 bytes of payload',
    (k) => k.sendBytes(fields([4, 1], [4, 1], [4, 265])),
  ],
  [
    'a payload of 4 GiB',
    'a message with 4294967295 bytes of payload',
    (k) => k.sendBytes(fields([4, 1], [4, 1], [4, 0xffffffff])),
  ],
  ['version 0', 'a message with flags 0x0', send(REQUEST.GET_FEATURES, undefined, 0, 0)],
  ['version 2', 'a message with flags 0x2', send(REQUEST.GET_FEATURES, undefined, 0, 2)],
  ['a reply', 'a message with flags 0x5', send(REQUEST.GET_FEATURES, undefined, 0, 5)],
  ['flags that do not exist', 'a message with flags 0x80000001', send(REQUEST.GET_FEATURES, undefined, 0, 0x80000001)],
  ['request 0', /^pf: request 0 is not one/, send(0)],
  ['a request that was not offered', /^pf: request 24 is not one/, send(24, fields([4, 0], [4, 0], [4, 0]))],
  ['request 2^32 - 1', /^pf: request 4294967295 is not one/, send(0xffffffff)],
  ['a payload too short', 'request 8 with 4 bytes of payload; it has 8', send(REQUEST.SET_VRING_NUM, fields([4, 0]))],
  ['a payload too long', 'request 1 with 8 bytes of payload; it has 0', send(REQUEST.GET_FEATURES, fields([8, 0]))],
  [
    'a file with a message that has none',
    'request 1 with 1 file descriptors; it has 0',
    send(REQUEST.GET_FEATURES, undefined, 1),
  ],
  ['17 files', 'request 21 with too many file descriptors; it has 1', send(REQUEST.SET_SLAVE_REQ_FD, undefined, 17)],
  ['a backend channel without a file', 'request 21 with 0 file descriptors; it has 1', send(REQUEST.SET_SLAVE_REQ_FD)],
  [
    'features that were not offered',
    'features 0x10000000 are accepted and were not offered',
    send(REQUEST.SET_FEATURES, fields([8, 0x1_5000_0000])),
  ],
  ['no VERSION_1', 'VIRTIO_F_VERSION_1 is not accepted', send(REQUEST.SET_FEATURES, fields([8, 0x4000_0000]))],
  [
    'protocol features that were not offered',
    'protocol features 0x1 are accepted and were not offered',
    send(REQUEST.SET_PROTOCOL_FEATURES, fields([8, 0x4029])),
  ],
  [
    'no in-band notifications',
    /^pf: the kernel has no in-band notifications; Linux/,
    send(REQUEST.SET_PROTOCOL_FEATURES, fields([8, 0x28])),
  ],
];

const TABLES: readonly Lie[] = [
  ['no region', 'a memory table of 0 regions in 8 bytes', send(REQUEST.SET_MEM_TABLE, table())],
  [
    '9 regions',
    /^pf: a memory table of 9 regions in 264 bytes$/,
    send(REQUEST.SET_MEM_TABLE, fields([4, 9], ...Array.from({ length: 65 }, () => [4, 0] as const))),
  ],
  [
    'more regions than the message has',
    'a memory table of 2 regions in 40 bytes',
    send(REQUEST.SET_MEM_TABLE, fields([4, 2], [4, 0], [32, 0]), 2),
  ],
  [
    'fewer files than regions',
    'request 5 with 1 file descriptors; it has 2',
    send(REQUEST.SET_MEM_TABLE, table([0, 4096, 0, 0], [8192, 4096, 8192, 0]), 1),
  ],
  [
    'more files than regions',
    'request 5 with 2 file descriptors; it has 1',
    send(REQUEST.SET_MEM_TABLE, table([0, 4096, 0, 0]), 2),
  ],
  ['a region of no bytes', /^pf: a region of 0 bytes at 0x200000 is none$/, memory([RAM, 0, RAM, RAM])],
  [
    'a region of 2^64 - 1 bytes',
    /^pf: a region of 18446744073709552000 bytes/,
    memory([0, 0xffff_ffff_ffff_ffffn, 0, 0]),
  ],
  [
    'a region that wraps',
    /^pf: a region of 8192 bytes at 0xfffffffffffff000 is none$/,
    memory([0xffff_ffff_ffff_f000n, 8192, 0, 0]),
  ],
  ['a user address beyond 2^53', /^pf: a region of 4096 bytes at 0x0 is none$/, memory([0, 4096, 2n ** 63n, 0])],
  [
    'a file that is too short',
    /^pf: the file of a region does not hold 262145 bytes from 2097152 on$/,
    memory([RAM, RAM_BYTES + 1, RAM, RAM]),
  ],
  [
    'an offset behind the file',
    /^pf: the file of a region does not hold 4096 bytes from/,
    memory([RAM, 4096, RAM, 2 ** 40]),
  ],
  [
    'guest addresses that overlap',
    'regions overlap at guest address 0x201000',
    memory([RAM, 8192, 0, 0], [RAM + 4096, 4096, 2 ** 30, 0]),
  ],
  [
    'user addresses that overlap',
    'regions overlap at user address 0x0',
    memory([RAM, 4096, 0, 0], [RAM + 4096, 4096, 0, 0]),
  ],
];

const QUEUES: readonly Lie[] = [
  ['queue 2', 'queue 2 does not exist; there are 0..1', send(REQUEST.SET_VRING_NUM, state(2, 256))],
  ['a size of 0', /^pf: queue 0 has a size of 0;/, send(REQUEST.SET_VRING_NUM, state(0, 0))],
  ['a size of 3', /^pf: queue 0 has a size of 3;/, send(REQUEST.SET_VRING_NUM, state(0, 3))],
  [
    'a size of 65536',
    /^pf: queue 0 has a size of 65536; a power of 2 up to 32768/,
    send(REQUEST.SET_VRING_NUM, state(0, 65536)),
  ],
  ['a size of 2^31', /^pf: queue 1 has a size of 2147483648;/, send(REQUEST.SET_VRING_NUM, state(1, 2 ** 31))],
  ['a base beyond 16 bits', /^pf: queue 0 begins at index 65536/, send(REQUEST.SET_VRING_BASE, state(0, 65536))],
  [
    'descriptors outside of the memory',
    /^pf: queue 0 has its desc ring at 0x1000, outside/,
    addresses({ desc: 0x1000 }),
  ],
  [
    'a used ring that ends behind the memory',
    /^pf: queue 0 has its used ring at/,
    addresses({ used: RAM + RAM_BYTES - 2048 }),
  ],
  [
    'an available ring at an odd address',
    /^pf: queue 0 has its avail ring at 0x201001, outside of the memory or not aligned/,
    addresses({ avail: RAM + 0x1001 }),
  ],
  ['a log of dirty pages', /^pf: a queue with flags 0x1;/, addresses({ flags: 1 })],
  [
    'a kick of a queue that is off',
    /^pf: a queue is kicked that is not set up/,
    (k) => {
      k.order(REQUEST.SET_VRING_ENABLE, state(0, 0));
      k.send(REQUEST.VRING_KICK, state(0, 0));
    },
  ],
  [
    'a kick behind a new size',
    /^pf: a queue is kicked that is not set up/,
    (k) => {
      k.order(REQUEST.SET_VRING_NUM, state(0, 128));
      k.send(REQUEST.VRING_KICK, state(0, 0));
    },
  ],
  [
    'rings in memory that was taken away',
    /^pf: queue 0 has its avail ring at .* outside/,
    (k) => {
      k.setMemory([0x4000_0000, RAM_BYTES, 0x4000_0000, RAM]);
      k.send(REQUEST.VRING_KICK, state(0, 0));
    },
  ],
  [
    'rings in a file that was cut',
    /^pf: queue 0 lies in a part of the file that is gone$/,
    (k) => {
      k.libc.ftruncate(k.memoryFd, 0);
      k.send(REQUEST.VRING_KICK, state(0, 0));
    },
  ],
];

const CHAINS: readonly Lie[] = [
  [
    'more buffers than the queue has',
    'queue 0 has 300 buffers available, of 256',
    (k) => {
      k.setAvailable(0, 300);
      k.send(REQUEST.VRING_KICK, state(0, 0));
    },
  ],
  [
    'an index that goes back',
    'queue 0 has 65535 buffers available, of 256',
    (k) => {
      k.setAvailable(0, 0xffff);
      k.send(REQUEST.VRING_KICK, state(0, 0));
    },
  ],
  [
    'a head that is none',
    'queue 0 has descriptor 256, of 256',
    (k) => {
      k.offer(0, 256);
      k.send(REQUEST.VRING_KICK, state(0, 0));
    },
  ],
  ['a next that is none', 'queue 0 has descriptor 65535, of 256', chain([RAM, 16, 1, 65535])],
  [
    'a chain that loops',
    'queue 0 has a chain of more than its 256 descriptors',
    chain([RAM, 16, 1, 1], [RAM, 16, 1, 0]),
  ],
  ['an indirect descriptor', /^pf: queue 0 has a descriptor with flags 4,/, chain([RAM, 16, 4, 0])],
  [
    'a readable descriptor behind a writable one',
    /^pf: queue 0 has a chain with a readable/,
    chain([RAM, 16, 3, 1], [RAM, 16, 0, 0]),
  ],
  [
    'a buffer outside of the memory',
    'queue 0 has a buffer of 16 bytes at 0x1000, outside of the memory',
    chain([0x1000, 16, 0, 0]),
  ],
  [
    'a buffer that ends behind the memory',
    /^pf: queue 0 has a buffer of 17 bytes at/,
    chain([RAM + RAM_BYTES - 16, 17, 0, 0]),
  ],
  [
    'a buffer at 2^64 - 8',
    /^pf: queue 0 has a buffer of 16 bytes at 0x10000000000000000, outside/,
    chain([0xffff_ffff_ffff_fff8n, 16, 0, 0]),
  ],
  ['a buffer of 4 GiB', /^pf: queue 0 has a buffer of 4294967295 bytes/, chain([RAM, 0xffffffff, 0, 0])],
];

const COMMANDS: readonly Lie[] = [
  ['no bytes', 'a command of 0 bytes; 16 are its header', chain([RAM, 64, 2, 0])],
  ['half a header', 'a command of 8 bytes; 16 are its header', chain([RAM, 8, 1, 1], [RAM, 64, 2, 0])],
  ['command 0', 'command 0 does not exist', command(0, 0, 4, 0)],
  ['a message of the device', 'command 7 does not exist', command(OP.MSI, 0, 4, 0, 4)],
  ['command 255', 'command 255 does not exist', command(255, 0, 4, 0, 4, 4)],
  [
    'a configuration read of 3 bytes',
    /^pf: an access of 3 bytes in configuration space/,
    command(OP.CFG_READ, 0, 3, 0, 0, 4),
  ],
  [
    'a configuration write of 64 bytes, as memset_io of Linux',
    /^pf: an access of 64 bytes in configuration space/,
    command(OP.CFG_WRITE, 2, 64, 0, 8),
  ],
  [
    'a read behind configuration space',
    'an access at 0xffd, behind configuration space',
    command(OP.CFG_READ, 0, 4, 4093, 0, 4),
  ],
  [
    'a read at 2^64 - 4',
    /^pf: an access at 0x10000000000000000, behind configuration space/,
    command(OP.CFG_READ, 0, 4, 0xffff_ffff_ffff_fffcn, 0, 4),
  ],
  ['BAR 6', 'an access of BAR 6; there are 0..5', command(OP.MMIO_READ, 6, 4, 0, 0, 4)],
  ['no bytes of a BAR', /^pf: an access of 0 bytes in a BAR/, command(OP.MMIO_READ, 2, 0, 0, 0, 4)],
  [
    'more of a BAR than there is',
    /^pf: an access of 65537 bytes in a BAR; 1..65536/,
    command(OP.MMIO_READ, 2, 65537, 0, 0, 4),
  ],
  ['a memset of 4 GiB', /^pf: an access of 4294967295 bytes in a BAR/, command(OP.MMIO_MEMSET, 2, 0xffffffff, 0, 1)],
  [
    'a BAR of more than 4 GiB',
    'an access at 0xfffffffd, which no BAR reaches',
    command(OP.MMIO_READ, 2, 4, 2 ** 32 - 3, 0, 4),
  ],
  ['an answer that has no room', 'a read of 4 bytes into a buffer of 3', command(OP.CFG_READ, 0, 4, 0, 0, 3)],
  ['an answer without any', 'a read of 4 bytes into a buffer of 0', chain([RAM + 0x8000, 16, 0, 0])],
  ['data that are not there', 'a write of 4 bytes with 3 bytes of data', command(OP.MMIO_WRITE, 2, 4, 0, 3)],
  ['a memset without its byte', 'a write of 4 bytes with 0 bytes of data', command(OP.MMIO_MEMSET, 2, 4, 0)],
];

describe.each([
  ['a message with', MESSAGES],
  ['a memory table with', TABLES],
  ['a queue with', QUEUES],
  ['a chain with', CHAINS],
  ['a command with', COMMANDS],
])('%s', (_, lies) => {
  it.each(lies)('%s ends the connection and nothing else', (what, reason, tell) => {
    const other = bench.kernel('vf1');
    const before = openFiles();
    const kernel = bench.kernel();
    if (what === 'an answer without any') kernel.configRead(0, 4); // its header is the one that the lie sends
    tell(kernel);
    kernel.sendBytes(new Uint8Array(0));

    expect(kernel.isGone).toBe(true);
    expect(bench.reasons).toEqual([typeof reason === 'string' ? `pf: ${reason}` : expect.stringMatching(reason)]);
    kernel.release();
    expect(openFiles()).toEqual(before);
    expect(other.configRead(0, 4)).toBe(0xffff_ffff);
    expect(bench.kernel().configRead(0, 4)).toBe(0x1041_1af4);
  });
});

describe('a kernel that is killed', () => {
  it.each([1, 11, 12, 19])('behind %i bytes of a kick leaves nothing', (count) => {
    const before = openFiles();
    const kernel = bench.kernel();
    const kick = fields([4, REQUEST.VRING_KICK], [4, VERSION | NEED_REPLY], [4, 8], [8, 0]);
    kernel.sendBytes(kick.subarray(0, count));
    kernel.release();

    expect(bench.events.map(({ kind }) => kind)).toEqual(['connected', 'closed']);
    expect(openFiles()).toEqual(before);
  });

  it('while it is told of an interrupt is one that went by itself', () => {
    const kernel = bench.kernel();
    kernel.closeChannel();
    const { poller } = bench;
    const poll = poller.poll.bind(poller);
    poller.poll = () => 0; // the server is busy elsewhere
    kernel.kill();
    bench.server.functions[0]!.slot.present!.msi({ fn: 0, vector: 0, address: 0xa_0000, data: 131, timeCycles: 0 });
    poller.poll = poll;
    bench.pump();

    expect(bench.events.map(({ kind }) => kind)).toEqual(['connected', 'closed']);
    kernel.release(false);
  });

  it('with its memory mapped leaves no mapping', () => {
    const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('memfd:uml').length - 1;
    const before = mappings();
    const kernel = bench.kernel('pf', { isSealed: true });
    const during = mappings();
    kernel.kill();

    expect([during - before, mappings() - before]).toEqual([2, 1]); // the other one is the kernel's own
  });

  it('before its replies are read is no kernel any more', () => {
    const kernel = bench.kernel();
    for (let i = 0; i < 4; i++) kernel.shout(fields([4, REQUEST.GET_FEATURES], [4, VERSION], [4, 0]));
    kernel.kill();

    expect(bench.events.at(-1)).toEqual({ kind: 'closed', name: 'pf', fn: 0 });
  });
});

describe('a kernel that reads', () => {
  it('no replies is dropped when there is no room for one more', () => {
    const kernel = bench.kernel();
    const asked = fields([4, REQUEST.GET_FEATURES], [4, VERSION], [4, 0]);
    for (let i = 0; i < 5000 && bench.reasons.length === 0; i++) kernel.shout(asked);

    expect(bench.reasons).toEqual(['pf: replies are not read']);
  });

  it('no backend channel goes on, and is told of each queue once when it does', () => {
    const kernel = bench.kernel();
    for (let i = 0; i < 5000; i++) kernel.configRead(0, 4);
    const calls = kernel.takeCalls();
    bench.pump();

    expect(calls.length).toBeLessThan(5000);
    expect(kernel.takeCalls()).toEqual([0]);
    expect(bench.reasons).toEqual([]);
  });

  it('a backend channel no longer is dropped', () => {
    const kernel = bench.kernel();
    kernel.closeChannel();
    expect(() => kernel.configRead(0, 4)).toThrow('drops');

    expect(bench.reasons).toEqual(['pf: the backend channel is closed, or no socket']);
    kernel.release(false);
  });

  it('its backend channel from a file is dropped', () => {
    const kernel = bench.kernel();
    kernel.order(REQUEST.SET_SLAVE_REQ_FD, new Uint8Array(0), [kernel.memoryFd]);
    expect(() => kernel.configRead(0, 4)).toThrow('drops');

    expect(bench.reasons).toEqual(['pf: the backend channel is closed, or no socket']);
  });
});
