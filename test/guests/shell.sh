#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A shell in a test guest: shell.sh stable|backports [more options for QEMU]. The options' paths are those of the tree,
# which is .cache/guests/tree outside. `exit` ends it.
set -euo pipefail

readonly here=$(dirname "${BASH_SOURCE[0]}")
readonly kernel=$1
shift
bash "$here/prepare.sh"
exec chroot "$here/../../.cache/guests/tree" qemu-system-x86_64 \
  -accel tcg -cpu max -machine q35,memory-backend=ram -m 512 \
  -object memory-backend-memfd,id=ram,size=512M,share=on \
  -nodefaults -display none -no-reboot -serial mon:stdio \
  -kernel "/guests/$kernel/vmlinuz" -initrd "/guests/$kernel/initrd" \
  -append "console=ttyS0 quiet panic=-1 guest.shell ${APPEND-}" "$@"
