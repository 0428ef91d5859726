// SPDX-License-Identifier: Apache-2.0
// What `virtfn serve` writes to standard output and standard error. Guests do not wait for whoever reads it: a reader that
// is slow, or a terminal that is stopped, misses reports; one that has gone gets no more of them.
import { Attachment } from '../../native/attachment.ts';
import { errnoText } from '../../native/errno_text.ts';
import { EAGAIN, EDQUOT, EFBIG, ENOSPC, type Libc } from '../../native/libc.ts';
import { Outlet } from '../../native/outlet.ts';
import { POLLOUT, waitFor } from '../../native/wait.ts';

const STDOUT = 1;
const STDERR = 2;
const WAITING_BYTES = 1 << 16;
/** How long the last report may take. */
const LAST_MS = 1000;
const FULL: ReadonlySet<number> = new Set([ENOSPC, EDQUOT, EFBIG]);

export class ServeOutput {
  /** Standard output. */
  readonly attachment: Attachment;
  private readonly libc: Libc;
  private readonly reports: Outlet;
  private readonly notes: Outlet;

  constructor(libc: Libc) {
    this.libc = libc;
    this.reports = new Outlet(libc, STDOUT, WAITING_BYTES, true);
    this.notes = new Outlet(libc, STDERR, WAITING_BYTES, true);
    this.attachment = new Attachment('stdout', (line) => this.note(`virtfn: ${line}`));
  }

  /** Text for standard output, behind what waits. */
  report(text: string): void {
    if (this.attachment.state === 'ended') return;
    if (!this.reports.put(Buffer.from(`${text}\n`))) this.attachment.dropped++;
    this.flush();
  }

  /** A report that is worth something now or never: false where those before it have not been read. */
  reportNow(text: string): boolean {
    this.flush();
    if (this.attachment.state === 'ended') return false;
    if (!this.reports.isEmpty) {
      this.attachment.dropped++;
      return false;
    }
    this.report(text);
    return true;
  }

  /** A line for standard error. */
  note(line: string): void {
    this.notes.put(Buffer.from(`${line}\n`));
    this.notes.flush(); // where it fails, nobody is left to be told
  }

  /** Waits a moment for the last reports to be read. */
  finish(): void {
    const deadline = performance.now() + LAST_MS;
    this.flush();
    while (this.attachment.state === 'up' && !this.reports.isEmpty && performance.now() < deadline) {
      waitFor(this.libc, STDOUT, POLLOUT, deadline - performance.now());
      this.flush();
    }
  }

  private flush(): void {
    if (this.attachment.state === 'ended') return;
    const reason = this.reports.flush();
    if (reason === 0) this.attachment.restore('there is room again');
    else if (FULL.has(reason)) this.attachment.lose(`${errnoText(reason)}; reports wait until there is room`);
    else if (reason !== EAGAIN) this.attachment.end(`${errnoText(reason)}; nothing more is reported, the card goes on`);
  }
}
