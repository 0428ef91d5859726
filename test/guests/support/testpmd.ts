// SPDX-License-Identifier: Apache-2.0
// DPDK's testpmd in a guest with initrd.tools, on a function that vfio-pci has: it answers ARP and echo requests for any
// address.
import type { Guest } from './guest.ts';
import { FUNCTION_ADDRESS } from './pci.ts';

const DRIVERS = '/usr/lib/x86_64-linux-gnu/dpdk/pmds-25.0';
const LOG = '/tmp/testpmd.log';
// statistics every second are what it flushes its output for
const START = `
  mkdir -p /dev/hugepages /run /var/run
  grep -q hugetlbfs /proc/mounts || mount -t hugetlbfs none /dev/hugepages
  rm -f ${LOG}
  (/usr/bin/dpdk-testpmd -l 0,1 -a ${FUNCTION_ADDRESS} --no-telemetry --in-memory --iova-mode=va \\
    -d ${DRIVERS}/librte_mempool_ring.so.25 -d ${DRIVERS}/librte_net_virtio.so.25 \\
    -- --forward-mode=icmpecho --total-num-mbufs=4096 --stats-period 1 >${LOG} 2>&1; echo ended $? >>${LOG}) &
  i=0
  until grep -q 'Port statistics' ${LOG}; do
    if grep -q '^ended' ${LOG} || [ $((i = i + 1)) -gt 900 ]; then cat ${LOG}; exit 1; fi
    sleep 0.1
  done`;
const STOP = `
  kill -TERM $(pidof dpdk-testpmd)
  i=0
  until grep -q '^ended' ${LOG} || [ $((i = i + 1)) -gt 600 ]; do sleep 0.1; done
  tail -n 40 ${LOG}
  grep -q '^Bye' ${LOG}`;

export class Testpmd {
  private readonly guest: Guest;

  private constructor(guest: Guest) {
    this.guest = guest;
  }

  /** It forwards when this returns. */
  static async start(guest: Guest): Promise<Testpmd> {
    await guest.run(START, 120_000);
    return new Testpmd(guest);
  }

  /** Ends it; what it has printed. One that hangs or fails is an error. */
  stop(): Promise<string> {
    return this.guest.run(STOP, 120_000);
  }
}
