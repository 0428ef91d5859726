// SPDX-License-Identifier: Apache-2.0
// Options of a card that a verb takes under names of its own: what the card says of one is said of the option that was typed.
import { ConfigError, type NicConfig } from '../../device/config.ts';
import { UsageError } from '../../util/errors.ts';

/** Makes something of a card's options; a refusal is that of the command line. Throws UsageError. */
export function withCardOptions<T>(options: Readonly<Partial<Record<keyof NicConfig, string>>>, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const names: Readonly<Record<string, string | undefined>> = options;
    const texts = error.problems.map(({ option, message }) => `${names[option] ?? `${option} =`} ${message}`);
    throw new UsageError(texts.join('; '));
  }
}
