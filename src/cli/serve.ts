// SPDX-License-Identifier: Apache-2.0
// `virtfn serve`: the functions of a card over vfio-user, one socket each, for QEMU and everything else that speaks it.
import { readFileSync } from 'node:fs';

import { Command, Option } from 'commander';

import { adminOpcodesInUse } from '../device/driver_state.ts';
import { loadLibc } from '../native/libc.ts';
import { DASH, withFile } from '../files/errors.ts';
import { checkFiles, type NamedFile } from '../files/identity.ts';
import { jsonOption, wholeNumber } from './options.ts';
import { print } from './output.ts';
import { ServedCard } from './serve_card.ts';
import { parseConfigFile, resolveServeConfig, WIRE_FORMS, type ServeConfig, type Settings } from './serve_config.ts';
import { adminTable, AdminTally, functionRows, functionTable } from './serve_report.ts';

const SCHEMA = 'virtfn.serve/1';
const REFRESH_MS = 1000;

/** The verb. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('serve the functions of a card over vfio-user, for QEMU')
    .option('--vfs <n>', 'VFs of the card (default: 1)', wholeNumber(1, 1024))
    .addOption(new Option('--mode <mode>', 'functional (the default), or timed: simulated time follows the clock'))
    .option('--socket-dir <folder>', 'where the sockets appear: vf1.sock, vf2.sock, ... (default: here)')
    .option('--socket <name=path>', 'the socket of one function, say vf1; may come again', addSocket)
    .option('--wire <port>', `what the wire leads to: ${WIRE_FORMS} (default: none)`)
    .option('--pf', 'serve the PF as well (pf.sock): its driver is then the client')
    .option('--transitional [names]', 'VFs behind the variant driver, with an I/O BAR0: all, or say vf1,vf3')
    .option('--raw', 'PF and VFs as the hardware shows them, for simulators that enumerate by themselves')
    .option('--pairs <n>', 'queue pairs of each function', wholeNumber(1, 8))
    .option('--mac <address>', 'address of the PF; VF n has n added')
    .option('--mtu <bytes>', 'largest packet', wholeNumber(68, 9000))
    .option('--without-feature <bit>', 'a feature that is not offered; may come again', addNumber)
    .option('--set <name=value>', 'change a parameter of the timing profile; may come again', addParameter)
    .option('--config <file>', 'the same settings as JSON; options go first')
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
Prints a line for each socket, then "ready". Ends with SIGINT or SIGTERM; the sockets are gone then.

Examples:
  virtfn serve --vfs 2 --wire tap:tap0
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
  const content = file === undefined ? null : withFile(file, () => readFileSync(file, 'utf8'));
  const fromFile = content === null ? {} : parseConfigFile(file!, content);
  const config = resolveServeConfig(settings, file ?? null, fromFile);
  checkFiles(filesRead(config, file), filesWritten(config));
  const card = new ServedCard(await loadLibc(), config);
  const tally = new AdminTally(card.nic);
  const stop = (): void => card.stop();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  const view = json ? new JsonView(card, tally) : new TextView(card, tally);
  view.begin(config);
  const timer = setInterval(() => view.refresh(), REFRESH_MS);
  try {
    await card.run();
    view.end(); // while clients and their drivers are still there
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

function filesWritten({ wire, functions }: ServeConfig): NamedFile[] {
  return [
    ['the report on standard output', DASH],
    ['FILE of --wire', wire?.kind === 'pcap' ? wire.path : undefined],
    ...functions.map(({ name, path }): NamedFile => [`the socket of ${name}`, path]),
  ];
}

/** Options by the names of the settings. */
function settingsOf(args: ServeArguments): Settings {
  const { config: _config, json: _json, transitional, pairs, socket, withoutFeature, set, ...rest } = args;
  return {
    ...rest,
    ...(pairs === undefined ? {} : { queuePairs: pairs }),
    ...(socket === undefined ? {} : { sockets: socket }),
    ...(withoutFeature === undefined ? {} : { withoutFeatures: withoutFeature }),
    ...(set === undefined ? {} : { profile: set }),
    ...(transitional === undefined
      ? {}
      : { transitional: transitional === true ? true : String(transitional).split(',') }),
  };
}

/** One JSON object a line: `ready`, `state` whenever something has changed, `end`. */
class JsonView {
  private readonly card: ServedCard;
  private readonly tally: AdminTally;
  private last = '';

  constructor(card: ServedCard, tally: AdminTally) {
    this.card = card;
    this.tally = tally;
  }

  begin({ functions }: ServeConfig): void {
    this.line('ready', { functions: functions.map(({ name, kind, path }) => ({ name, kind, socket: path })) });
  }

  refresh(): void {
    const state = this.state();
    const text = JSON.stringify(state);
    if (text !== this.last) this.line('state', state);
    this.last = text;
  }

  end(): void {
    this.line('end', this.state());
  }

  private state(): object {
    const { wire } = this.card;
    return {
      functions: functionRows(this.card),
      adminCommands: this.tally.rows(),
      adminOpcodesInUse: adminOpcodesInUse(this.card.nic.core),
      wire: wire === null ? null : { sent: wire.sent, received: wire.received, dropped: wire.dropped },
    };
  }

  private line(event: string, content: object): void {
    print(JSON.stringify({ schema: SCHEMA, event, ...content }));
  }
}

/** Lines for a person: a table that is drawn again on a terminal, once at the end elsewhere. */
class TextView {
  private readonly card: ServedCard;
  private readonly tally: AdminTally;
  private last = '';

  constructor(card: ServedCard, tally: AdminTally) {
    this.card = card;
    this.tally = tally;
  }

  begin({ functions }: ServeConfig): void {
    for (const { name, kind, path } of functions) print(`${name}  ${kind}  ${path}`);
    print('ready');
  }

  refresh(): void {
    if (process.stdout.isTTY) this.draw();
  }

  end(): void {
    this.draw();
    const rows = this.tally.rows();
    if (rows.length > 0) print(adminTable(rows));
  }

  /** Over the table before, so that it seems to stand still. */
  private draw(): void {
    const text = functionTable(functionRows(this.card));
    if (text === this.last) return;
    const lines = this.last === '' ? 0 : this.last.split('\n').length;
    const up = process.stdout.isTTY && lines > 0 ? `\u001b[${lines}A\u001b[J` : '';
    print(`${up}${text}`);
    this.last = text;
  }
}

function addSocket(words: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const [name = '', ...path] = words.split('=');
  return { ...before, [name]: path.join('=') };
}

function addNumber(words: string, before: readonly number[] = []): readonly number[] {
  return [...before, wholeNumber(0, 63)(words)];
}

function addParameter(words: string, before: Readonly<Record<string, number>> = {}): Readonly<Record<string, number>> {
  const [name = '', value = ''] = words.split('=');
  return { ...before, [name]: value === '' ? Number.NaN : Number(value) };
}
