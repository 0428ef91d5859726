// SPDX-License-Identifier: Apache-2.0
// One card for many sequences of lifecycle operations, with what the test holds of it: open files and calls that sleep.
import assert from 'node:assert/strict';

import { CTL_TAGS_USED } from '../../../assembly/abi/state_map.ts';
import type { SriovLifecycle } from '../../../src/provisioning/sriov_lifecycle.ts';
import type { Pending } from '../../../src/provisioning/tasks.ts';
import type { VfioFile } from '../../../src/provisioning/vfio_file.ts';
import type { IommufdContext } from '../../../src/iommufd/context.ts';
import { errnoOf, iommufd, sriovHost } from './lifecycle_bench.ts';

/** The real thing under test. */
export class LifecycleWorld {
  readonly host: SriovLifecycle;
  /** One /dev/iommu for all, with one IOAS. */
  readonly context: IommufdContext;
  readonly ioas: number;
  files: VfioFile[] = [];
  calls: Pending[] = [];
  /** Operations of the last sequence. */
  operations = 0;

  constructor(totalVfs: number) {
    this.host = sriovHost({ totalVfs });
    this.context = iommufd(this.host);
    this.ioas = this.context.ioasAlloc();
  }

  /** What a call answers; one that sleeps is remembered. */
  call(start: () => Pending): string {
    let pending: Pending | undefined;
    const code = errnoOf(() => (pending = start()));
    if (pending === undefined || pending.isDone) return code;
    this.calls.push(pending);
    return 'sleeps';
  }

  /** Closes every file, brings the PF back, and looks for what is left over. */
  takeDown(): void {
    const { host, files, calls } = this;
    for (const file of files) errnoOf(() => file.close());
    assert.deepEqual(
      calls.filter(({ isDone }) => !isDone),
      [],
    );
    assert.equal(host.tasks.waiting, 0);
    if (host.state.startsWith('dead')) host.unbindPf();
    if (host.state === 'unbound') host.bindPf();
    host.setNumVfs(0);
    host.autoprobe = false;
    this.files = [];
    this.calls = [];

    const { nic } = host.machine;
    assert.deepEqual(
      {
        pf: host.state,
        states: new Set(host.vfs.map(({ state }) => state)),
        nodes: host.nodes.count,
        present: host.vfs.filter(({ number }) => nic.isPresent(number)).length,
        iommufd: this.context.objectCount,
        tags: nic.core.u32[CTL_TAGS_USED >> 2],
      },
      { pf: 'ready', states: new Set(['absent']), nodes: 0, present: 0, iommufd: 1, tags: 0 },
    );
  }
}
