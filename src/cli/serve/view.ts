// SPDX-License-Identifier: Apache-2.0
// How `virtfn serve` shows its card while it serves: JSON, one object a line, or a table for a person.
import { adminOpcodesInUse } from '../../device/driver_state.ts';
import { changeTexts, grouped } from '../kit/output.ts';
import type { ServedCard } from './card.ts';
import type { ServeConfig } from './config.ts';
import type { ServeOutput } from './output.ts';
import { adminTable, attachmentRows, attachmentTable, functionRows, functionTable, type AdminTally } from './report.ts';

export const SERVE_SCHEMA = 'virtfn.serve/1';

export interface ServeView {
  begin(config: ServeConfig): void;
  refresh(): void;
  end(): void;
  /** A line about something that has happened. */
  note(line: string): void;
}

/** One JSON object a line: `ready`, `state` whenever something has changed, `end`. */
export class JsonView implements ServeView {
  private readonly card: ServedCard;
  private readonly tally: AdminTally;
  private readonly output: ServeOutput;
  private last = '';

  constructor(card: ServedCard, tally: AdminTally, output: ServeOutput) {
    this.card = card;
    this.tally = tally;
    this.output = output;
  }

  begin({ functions, card }: ServeConfig): void {
    const sockets = functions.map(({ name, kind, path }) => ({ name, kind, socket: path }));
    const { commandLine } = this.card;
    const kernel = commandLine === null ? {} : { commandLine };
    this.output.report(line('ready', { mode: card.mode, set: card.profile, functions: sockets, ...kernel }));
  }

  refresh(): void {
    const text = line('state', this.state());
    if (text !== this.last && this.output.reportNow(text)) this.last = text;
  }

  end(): void {
    this.output.report(line('end', this.state()));
  }

  note(text: string): void {
    this.output.note(text);
  }

  private state(): object {
    const { wire, faults, nic } = this.card;
    return {
      functions: functionRows(this.card),
      adminCommands: this.tally.rows(),
      adminOpcodesInUse: adminOpcodesInUse(nic.core),
      wire: wire === null ? null : { sent: wire.sent, received: wire.received, dropped: wire.dropped },
      attachments: attachmentRows(this.card, this.output.attachment),
      internalErrors: faults.count,
    };
  }
}

function line(event: string, content: object): string {
  return JSON.stringify({ schema: SERVE_SCHEMA, event, ...content });
}

/** Lines for a person: tables that are drawn again on a terminal, once at the end elsewhere. */
export class TextView implements ServeView {
  private readonly card: ServedCard;
  private readonly tally: AdminTally;
  private readonly output: ServeOutput;
  private last = '';

  constructor(card: ServedCard, tally: AdminTally, output: ServeOutput) {
    this.card = card;
    this.tally = tally;
    this.output = output;
  }

  begin({ functions, card }: ServeConfig): void {
    const changes = changeTexts(card.profile ?? {});
    if (changes.length > 0) this.output.report(`changed: ${changes.join(', ')}`);
    for (const { name, kind, path } of functions) this.output.report(`${name}  ${kind}  ${path}`);
    const { commandLine } = this.card;
    if (commandLine !== null) this.output.report(`linux ${commandLine.join(' ')}`);
    this.output.report('ready');
  }

  refresh(): void {
    if (!process.stdout.isTTY) return;
    const text = this.text();
    if (text !== this.last && this.output.reportNow(`${this.up()}${text}`)) this.last = text;
  }

  end(): void {
    const rows = this.tally.rows();
    this.output.report([`${this.up()}${this.text()}`, ...(rows.length > 0 ? [adminTable(rows)] : [])].join('\n'));
  }

  /** Above the tables, where they share a terminal with standard error. */
  note(text: string): void {
    if (!process.stdout.isTTY || !process.stderr.isTTY || this.last === '') {
      this.output.note(text);
      return;
    }
    this.output.report(`${this.up()}${text}\n${this.last}`);
  }

  private text(): string {
    const { wire, faults } = this.card;
    const attachments = attachmentTable(attachmentRows(this.card, this.output.attachment));
    const parts = [functionTable(functionRows(this.card))];
    if (attachments !== '') parts.push(attachments);
    if (wire !== null) {
      const { sent, received, dropped } = wire;
      parts.push(`wire: ${grouped(sent)} sent, ${grouped(received)} received, ${grouped(dropped)} dropped`);
    }
    if (faults.count > 0) parts.push(`internal errors: ${grouped(faults.count)}`);
    return parts.join('\n');
  }

  /** Over the tables before, so that they seem to stand still. */
  private up(): string {
    const lines = this.last === '' ? 0 : this.last.split('\n').length;
    return process.stdout.isTTY && lines > 0 ? `\u001b[${lines}A\u001b[J` : '';
  }
}
