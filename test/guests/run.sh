#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The guest tests: builds the program, prepares the guests and hands the arguments to vitest. Where guests cannot be
# had it says why, and that is no failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

bash test/guests/prepare.sh || { [[ $? == 77 ]] && exit 0 || exit 1; }
node .ci/build.mjs core cli
exec npx vitest run --config vitest.guests.config.ts "$@"
