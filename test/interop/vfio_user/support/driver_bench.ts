// SPDX-License-Identifier: Apache-2.0
// A driver of src/guest on a function that is reached over a socket: memory of the client's own, interrupts by eventfd.
import type { Clock } from '../../../../src/guest/platform.ts';
import { VirtioModern } from '../../../../src/guest/virtio_modern.ts';
import { VirtioNet } from '../../../../src/guest/virtio_net.ts';
import { VirtioNetLegacy } from '../../../../src/guest/virtio_net_legacy.ts';
import type { Libc } from '../../../../src/native/libc.ts';
import type { VfioUserClient } from '../../../../src/vfio_user/client.ts';
import { ClientMemory, type Sharing } from '../../../../src/vfio_user/client_memory.ts';

const MEMORY_BYTES = 2 << 20;
const MEMORY_BASE = 0x1_0000_0000;
const CONFIG_REGION = 7;

export interface Station {
  readonly client: VfioUserClient;
  readonly memory: ClientMemory;
  readonly driver: VirtioNet | VirtioNetLegacy;
  readonly received: Uint8Array[];
  /** Lets everything arrive that was sent before. */
  settle(): void;
}

export function startStation(
  libc: Libc,
  client: VfioUserClient,
  kind: 'modern' | 'legacy' = 'modern',
  sharing: Sharing = 'sealed',
  poll = (one: VfioUserClient): void => void one.read(CONFIG_REGION, 0, 4),
): Station {
  const memory = new ClientMemory(libc, MEMORY_BYTES, MEMORY_BASE, sharing);
  client.map(memory);
  const settle = (): boolean => {
    poll(client); // comes back behind everything that was written before
    return client.takeIrqs();
  };
  const clock: Clock = { now: () => 0, waitForEvent: settle, advance: settle };
  const received: Uint8Array[] = [];
  const onReceive = (bytes: Uint8Array, offset: number, length: number): void => {
    received.push(bytes.slice(offset, offset + length));
  };
  const driver =
    kind === 'legacy'
      ? new VirtioNetLegacy(client, memory, clock, { onReceive })
      : new VirtioNet(new VirtioModern(client), memory, clock, { onReceive });
  driver.start();
  return { client, memory, driver, received, settle };
}

/** An Ethernet frame of the type for experiments, whose data counts up. */
export function frame(to: Uint8Array, from: Uint8Array, bytes = 64): Uint8Array {
  const data = Uint8Array.from({ length: bytes }, (_, i) => i & 0xff);
  data.set(to, 0);
  data.set(from, 6);
  data.set([0x88, 0xb5], 12);
  return data;
}
