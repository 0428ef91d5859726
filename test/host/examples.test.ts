// SPDX-License-Identifier: Apache-2.0
// Every program in examples/ runs, and prints what it is there to show.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { repoFiles, repoPath } from '../support/repo.ts';

/** Lines that a program must print, in this order; others may stand between them. */
const EXPECTED: Readonly<Record<string, readonly RegExp[]>> = {
  'examples/embed.ts': [
    /^frame 1 arrives$/,
    /^answer 1 reaches the peer at cycle \d+$/,
    /^answer 4 reaches the peer at cycle 2\d{4}$/,
    /^4 frames in, 4 out$/,
  ],
  'examples/fuzz_own_driver.ts': [
    /^as it was: a descriptor was used that the card still has$/,
    /^ {2}17 steps: 17 times send$/,
    /^with the look: nothing in 5\d{3} runs$/,
  ],
  'examples/iommufd.ts': [
    /^a frame makes 2 of 512 pages dirty/,
    /^2097152 bytes at 0x100400000 are going: unpinned$/,
    /^faults of VF 2 after cycle \d+, none of VF 1$/,
    /^the first: requester 0x102 reads$/,
    /^0 objects are left$/,
  ],
  'examples/legacy_over_admin.ts': [
    /^NOTIFY_INFO .* 00000000000030000000000000000202 /, // offset 0x3000, BAR 2, flags: the member's own BAR
    /^COMMON_CFG_WRITE +18 device_status +00 /,
    /^DEV_CFG_READ +5 mac_hi +01 /,
    /^COMMON_CFG_WRITE +8 queue_address +[0-9a-f]{8} /,
    /^COMMON_CFG_WRITE +18 device_status +07 /,
    /^\d+ administration commands; the link is up$/,
  ],
  'examples/msix_routing.ts': [
    /^VF 2 has 4 vectors$/,
    /^VF 2: vector 0x41 at processor 3: 10 times$/,
    /^VF 2: vector 0x41 at processor 5: 10 times$/,
  ],
  'examples/on_demand.ts': [
    /^sriov: \/dev\/vfio\/devices\/vfio0, requester 0x101, 1 frame by a legacy driver$/,
    /^ {2}somebody wants it back$/,
    /^ {2}destroy sleeps$/,
    /^ {2}file closed: destroy is done, 0 nodes are left$/,
    /^mdev: .*, requester 0x100, 1 frame by a legacy driver$/,
    /^ {2}file closed: destroy is done, 0 nodes are left$/,
    /^siov: .*, requester 0x100, 1 frame by a legacy driver$/,
    /^ {2}file closed: destroy is done, 0 nodes are left$/,
  ],
  'examples/ping_pong.ts': [
    /^64 bytes: 100 of 100 came back, \d{4,5} ns a round trip$/,
    /^512 bytes: 100 of 100 came back/,
    /^1514 bytes: 100 of 100 came back/,
  ],
  'examples/random_registers.ts': [
    /^500 rounds of 50 accesses end in \d+ different states$/,
    /^round 7 again: the same digest$/,
    /^restored: device_status 0x0, 3 queues$/,
  ],
  'examples/slower_admin.ts': [
    /^as it is: 16 reads, \d+ ns each: doorbell \d+, fetch \d+, execute \d+, write back and interrupt \d+$/,
    /^link 4 times as long: 16 reads/,
    /^firmware, 5 us a command: 16 reads, .* execute 5\d{3},/,
  ],
};

afterEach(() => {
  vi.restoreAllMocks();
});

describe('examples/', () => {
  it('has only programs that are checked here', () => {
    expect(repoFiles('examples', '.ts')).toEqual(Object.keys(EXPECTED));
  });

  it.each(Object.entries(EXPECTED))('%s prints what it shows', async (file, expected) => {
    const lines: string[] = [];
    vi.spyOn(console, 'log').mockImplementation((line: unknown) => {
      lines.push(String(line));
    });

    await import(repoPath(file));

    let from = 0;
    for (const pattern of expected) {
      const at = lines.findIndex((line, i) => i >= from && pattern.test(line));
      expect(at, `${String(pattern)} in\n${lines.slice(from).join('\n')}`).toBeGreaterThanOrEqual(0);
      from = at + 1;
    }
  });
});
