// SPDX-License-Identifier: Apache-2.0
// `virtfn serve`: the functions of a card, one socket each: over vfio-user, for QEMU and everything else that speaks it, or
// for a User Mode Linux kernel.
import { Command, Option } from 'commander';

import { loadLibc } from '../../native/libc.ts';
import { DASH } from '../../files/errors.ts';
import { checkFiles, type NamedFile } from '../../files/identity.ts';
import { readJsonFile } from '../../files/read.ts';
import { addOverride, wholeNumber } from '../kit/options.ts';
import { ServedCard } from './card.ts';
import { OPTION_OF, resolveServeConfig, VARIANTS, WIRE_FORMS, type ServeConfig, type Settings } from './config.ts';
import { ServeOutput } from './output.ts';
import { AdminTally } from './report.ts';
import { JsonView, SERVE_SCHEMA, TextView, type ServeView } from './view.ts';

const REFRESH_MS = 1000;

/** The verb. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('serve the functions of a card over vfio-user, for QEMU, or to User Mode Linux')
    .option('--vfs <n>', 'VFs of the card (default: 1)', wholeNumber(1, 1024))
    .addOption(new Option('--mode <mode>', 'functional (the default), or timed: simulated time follows the clock'))
    .option('--socket-dir <folder>', 'where the sockets appear: vf1.sock, vf2.sock, ... (default: here)')
    .option('--socket <name=path>', 'the socket of one function, say vf1; may come again', addSocket)
    .option('--wire <port>', `what the wire leads to: ${WIRE_FORMS} (default: none)`)
    .option('--pf', 'serve the PF as well (pf.sock): its driver is then the client')
    .option('--transitional [names]', 'VFs behind the variant driver, with an I/O BAR0: all, or say vf1,vf3')
    .option(
      '--legacy-only [names]',
      'the same without the modern interface: drivers that prefer it take the legacy one',
    )
    .option('--raw', 'PF and VFs as the hardware shows them, for simulators that enumerate by themselves')
    .option('--uml', 'PF and up to 7 VFs for a User Mode Linux kernel, whose command line is printed')
    .option('--time-travel', 'with --uml: one simulated time for kernel and card, the same in every run')
    .option(
      '--guest-ns <ns>',
      "with --time-travel: what the kernel's own work takes, for each access (default: 0)",
      wholeNumber(0, 1e9),
    )
    .option('--pairs <n>', 'queue pairs of each function', wholeNumber(1, 8))
    .option('--first-vf-offset <n>', 'routing id of VF 1, counted from the PF (default: 1)', wholeNumber(1, 0xffff))
    .option('--vf-stride <n>', 'routing ids from one VF to the next (default: 1)', wholeNumber(1, 0xffff))
    .option('--mac <address>', 'address of the PF; VF n has n added')
    .option('--mtu <bytes>', 'largest packet', wholeNumber(68, 9000))
    .option(
      '--receive-hold-bytes <n>',
      'of each function, for frames that find no buffer (default: 0, dropped)',
      wholeNumber(0, 1 << 20),
    )
    .option('--packed', 'offer VIRTIO_F_RING_PACKED')
    .option('--without-feature <bit>', 'a feature that is not offered; may come again', addNumber)
    .option('--set <name=value>', 'change a parameter of the timing profile; may come again', addOverride)
    .option('--config <file>', 'the same settings as JSON; options go first')
    .option('--json', `print records as JSON, one a line (schema ${SERVE_SCHEMA}), in place of the text`)
    .addHelpText(
      'after',
      `
Prints a line for each socket, then "ready". Ends with SIGINT or SIGTERM; the sockets are gone then.

Examples:
  virtfn serve --vfs 2 --wire tap:tap0
  virtfn serve --uml --vfs 7 --socket-dir /tmp
  virtfn serve --transitional --socket-dir /run/card --json
  qemu-system-x86_64 ... -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"vf1.sock"}}'`,
    )
    .action(serve);
}

interface ServeArguments extends Settings {
  readonly config?: string;
  readonly json?: true;
}

async function serve(args: ServeArguments): Promise<void> {
  const { config: file, json } = args;
  const settings = settingsOf(args);
  const fromFile = file === undefined ? {} : readJsonFile(file);
  const config = resolveServeConfig(settings, file ?? null, fromFile);
  checkFiles(filesRead(config, file), filesWritten(config));
  const libc = await loadLibc();
  const output = new ServeOutput(libc);
  let view: ServeView | null = null;
  const card = new ServedCard(libc, config, (line) => (view ?? output).note(`virtfn: ${line}`));
  const tally = new AdminTally(card.nic);
  const stop = (): void => card.stop();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  view = json ? new JsonView(card, tally, output) : new TextView(card, tally, output);
  view.begin(config);
  const timer = setInterval(() => card.faults.contain(() => view.refresh(), undefined), REFRESH_MS);
  try {
    await card.run();
    view.end(); // while clients and their drivers are still there
    output.finish();
  } finally {
    clearInterval(timer);
    card.close();
  }
}

function filesRead({ wire }: ServeConfig, config: string | undefined): NamedFile[] {
  const play = wire?.kind === 'pcap' && wire.play !== null ? wire.play : undefined;
  return [
    ['--config', config],
    ['PLAY of --wire', play],
  ];
}

/** All that is written to, or listened at; also what others listen at: it is none of our own. */
function filesWritten({ wire, functions }: ServeConfig): NamedFile[] {
  return [
    ['the report on standard output', DASH],
    ['FILE of --wire', wire?.kind === 'pcap' ? wire.path : undefined],
    ['SOCKET of --wire', wire?.kind === 'peer' ? wire.path : undefined],
    ['LOCAL of --wire', wire?.kind === 'dgram' ? wire.local : undefined],
    ['REMOTE of --wire', wire?.kind === 'dgram' ? wire.remote : undefined],
    ...functions.map(({ name, path }): NamedFile => [`the socket of ${name}`, path]),
  ];
}

/** Options by the names of the settings. */
function settingsOf(args: ServeArguments): Settings {
  const { config: _config, json: _json, ...given } = args;
  const settings = new Map(Object.entries(given));
  for (const [setting, option] of Object.entries(OPTION_OF)) {
    if (settings.has(option)) settings.set(setting, settings.get(option));
    settings.delete(option);
  }
  for (const variant of VARIANTS) {
    if (settings.has(variant)) settings.set(variant, allOrNames(settings.get(variant)));
  }
  return Object.fromEntries(settings);
}

/** An option that may stand alone, for all, or name some. */
function allOrNames(value: unknown): true | string[] {
  return value === true ? true : String(value).split(',');
}

function addSocket(words: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const [name = '', ...path] = words.split('=');
  return { ...before, [name]: path.join('=') };
}

function addNumber(words: string, before: readonly number[] = []): readonly number[] {
  return [...before, wholeNumber(0, 63)(words)];
}
