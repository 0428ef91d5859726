// SPDX-License-Identifier: Apache-2.0
// The port that --wire names.
import type { Say } from '../../native/attachment.ts';
import type { Libc } from '../../native/libc.ts';
import type { Poller } from '../../native/poller.ts';
import { DgramPort } from '../../wire/dgram_port.ts';
import { LoopbackPort } from '../../wire/loopback.ts';
import { PcapPort } from '../../wire/pcap_port.ts';
import { StreamPort } from '../../wire/stream_port.ts';
import { TapPort } from '../../wire/tap.ts';
import type { WirePort } from '../../wire/wire_port.ts';
import type { WireChoice } from './config.ts';

export function openWirePort(libc: Libc, poller: Poller, choice: WireChoice, say: Say): WirePort {
  switch (choice.kind) {
    case 'loopback':
      return new LoopbackPort();
    case 'tap':
      return new TapPort(libc, poller, choice.name, say);
    case 'pcap':
      return new PcapPort(libc, poller, choice.path, choice.play, say);
    case 'peer':
      return new StreamPort(libc, poller, choice.path, say);
    case 'dgram':
      return new DgramPort(libc, poller, choice.local, choice.remote, say);
  }
}
