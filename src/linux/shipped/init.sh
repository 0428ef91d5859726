#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first process of the guest of `virtfn uml run`: makes the machine usable, runs /script, tells the host how it ended, and
# goes down in the order in which User Mode Linux survives it.
export PATH=/bin:/sbin HOME=/root TERM=dumb
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug
ip link set lo up

stty -F /dev/ttyS0 raw
stty -F /dev/console -onlcr
exec 3>/dev/ttyS0 </dev/null
. /etc/run
uptime() { cut -d ' ' -f 1 /proc/uptime; }
echo "started $(uptime)" >&3
if [ -n "$LIMIT" ]; then
  (sleep "$LIMIT" && echo limit >&3 && kill -9 -1) &
fi

(exec 3>&-; cd /root; exec sh -c '. /lib/virtfn.sh; . /script' /script "$@")
code=$?

sync
echo "exit $code $(uptime)" >&3
# Powering off with VFs and their drivers at work is a panic in User Mode Linux.
kill -9 -1
for numvfs in /sys/bus/pci/devices/*/sriov_numvfs; do
  [ -e "$numvfs" ] && echo 0 >"$numvfs"
done 2>/dev/null
poweroff -f
