// SPDX-License-Identifier: Apache-2.0
// `virtfn serve`: the functions of a card over vfio-user, one socket each, for QEMU and everything else that speaks it.
import { InvalidArgumentError, Command, Option } from 'commander';

import { loadLibc } from '../native/libc.ts';
import { print } from './output.ts';
import { wholeNumber } from './options.ts';
import { readWire, type WireChoice } from './serve_config.ts';
import { ServedCard } from './serve_card.ts';

interface ServeArguments {
  readonly vfs: number;
  readonly socketDir: string;
  readonly mode: 'functional' | 'timed';
  readonly pairs: number;
  readonly mac?: string;
  readonly mtu: number;
  readonly wire: WireChoice | null;
  readonly pf?: true;
  readonly transitional?: true;
  readonly raw?: true;
  readonly json?: true;
}

/** The verb. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('serve the functions of a card over vfio-user, for QEMU')
    .option('--vfs <n>', 'VFs of the card', wholeNumber(1, 1024), 1)
    .option('--socket-dir <folder>', 'where the sockets appear: vf1.sock, vf2.sock, ..., pf.sock', '.')
    .option('--pairs <n>', 'queue pairs of each function', wholeNumber(1, 8), 1)
    .option('--mac <address>', 'address of the PF; VF n has n added')
    .option('--mtu <bytes>', 'largest packet', wholeNumber(68, 9000), 1500)
    .addOption(
      new Option('--mode <mode>', 'functional, or timed: simulated time follows the clock')
        .choices(['functional', 'timed'])
        .default('functional'),
    )
    .option('--wire <port>', 'what the wire leads to: none, loopback, tap:NAME', parseWire, null)
    .option('--pf', 'serve the PF too; its driver is then the client')
    .option('--transitional', 'VFs behind the variant driver: device 1000 with an I/O BAR0')
    .option('--raw', 'the functions as the hardware shows them')
    .option('--json', 'print JSON lines')
    .action(serve);
}

function parseWire(text: string): WireChoice | null {
  const wire = readWire(text);
  if (wire === undefined) throw new InvalidArgumentError('Give none, loopback or tap:NAME.');
  return wire;
}

async function serve(options: ServeArguments): Promise<void> {
  const libc = await loadLibc();
  const card = new ServedCard(libc, {
    card: {
      mode: options.mode,
      totalVfs: options.vfs,
      pfQueuePairs: options.pairs,
      vfQueuePairs: options.pairs,
      mtu: options.mtu,
      ...(options.mac === undefined ? {} : { mac: options.mac }),
      wire: options.wire === null ? 'discard' : 'host',
      traceAdmin: options.transitional === true,
    },
    socketDir: options.socketDir,
    sockets: new Map(),
    pf: options.pf === true,
    transitional: options.transitional === true,
    raw: options.raw === true,
    wire: options.wire,
  });
  for (const { name, kind, server } of card.functions) print(`${name}  ${kind}  ${server.path}`);
  print('ready');
  const stop = (): void => card.stop();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  await card.run();
  card.close();
}
