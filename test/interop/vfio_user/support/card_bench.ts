// SPDX-License-Identifier: Apache-2.0
// A card as `virtfn serve` makes it, on this thread, in a folder of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ServedCard } from '../../../../src/cli/serve/card.ts';
import { resolveServeConfig, type Settings } from '../../../../src/cli/serve/config.ts';
import { loadLibc, type Libc } from '../../../../src/native/libc.ts';
import { VfioUserClient } from '../../../../src/vfio_user/client.ts';
import { RawClient } from './raw_client.ts';

export class CardBench {
  readonly libc: Libc;
  readonly card: ServedCard;
  readonly folder: string;
  /** What the card said, line by line. */
  readonly lines: string[];

  private constructor(libc: Libc, folder: string, card: ServedCard, lines: string[]) {
    this.libc = libc;
    this.folder = folder;
    this.card = card;
    this.lines = lines;
  }

  /** `$` in settings stands for the folder. */
  static async start(settings: Settings, folder = CardBench.newFolder()): Promise<CardBench> {
    const libc = await loadLibc();
    const placed = JSON.parse(JSON.stringify(settings).replaceAll('$', folder)) as Settings;
    const config = resolveServeConfig({ socketDir: folder, ...placed }, null, {});
    const lines: string[] = [];
    return new CardBench(libc, folder, new ServedCard(libc, config, (line) => lines.push(line)), lines);
  }

  static newFolder(): string {
    return mkdtempSync(join(tmpdir(), 'virtfn-card-'));
  }

  /** What run() does between two sleeps, until nothing is left. */
  pump(): void {
    do this.card.work();
    while (this.card.poller.poll(0) > 0);
  }

  device(name: string): VfioUserClient {
    return new VfioUserClient(this.libc, join(this.folder, `${name}.sock`), { pump: () => this.pump() });
  }

  raw(name: string): RawClient {
    return new RawClient(this.libc, join(this.folder, `${name}.sock`), () => this.pump());
  }

  close(): void {
    this.card.close();
    rmSync(this.folder, { recursive: true, force: true });
    if (this.card.faults.count > 0) throw new Error(this.lines.join('\n')); // a bug that the card has contained
  }
}
