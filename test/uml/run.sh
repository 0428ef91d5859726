#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests with Linux's own drivers: makes sure of a kernel of User Mode Linux and hands the arguments to vitest. A kernel that
# is named by VIRTFN_UML_KERNEL is taken as it is, so is one in the cache; otherwise it is built, which takes minutes, and where
# that is not possible it says why, and that is no failure. The debug flavour is tested where it is there
# (VIRTFN_UML_KERNEL_DEBUG, or virtfn uml kernel --debug).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

node .ci/build.mjs core cli
if [[ -z ${VIRTFN_UML_KERNEL:-} ]] && ! node dist/src/cli/virtfn.mjs uml kernel; then
  echo 'the tests with User Mode Linux are skipped: there is no kernel, and none can be built here (see above)'
  exit 0
fi
exec npx vitest run --config vitest.uml.config.ts "$@"
