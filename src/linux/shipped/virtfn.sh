# SPDX-License-Identifier: Apache-2.0
# Functions for scripts of `virtfn uml run`. Each returns what went wrong as its exit code and says it.

# pf: the PCI address of the PF.
pf() {
  basename "$(dirname "$(ls -d /sys/bus/pci/devices/*/sriov_totalvfs | head -n 1)")"
}

# vf N: the PCI address of VF N, from 1.
vf() {
  _link=/sys/bus/pci/devices/$(pf)/virtfn$(($1 - 1))
  [ -e "$_link" ] || { echo "vf: VF $1 is not there; enable_vfs $1" >&2; return 1; }
  basename "$(readlink "$_link")"
}

# enable_vfs N: N VFs, 0 for none.
enable_vfs() {
  echo "$1" 2>/dev/null >"/sys/bus/pci/devices/$(pf)/sriov_numvfs" && return
  echo "enable_vfs: $1 of $(cat "/sys/bus/pci/devices/$(pf)/sriov_totalvfs") VFs: refused; uml run --vfs N, or enable_vfs 0 first" >&2
  return 1
}

# driver_of ADDRESS: the driver that is bound, `none` without one.
driver_of() {
  _link=/sys/bus/pci/devices/$1/driver
  if [ -e "$_link" ]; then basename "$(readlink "$_link")"; else echo none; fi
}

# unbind ADDRESS
unbind() {
  [ "$(driver_of "$1")" = none ] || echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
}

# bind ADDRESS DRIVER: takes the device from its driver and gives it to this one.
bind() {
  [ $# = 2 ] || { echo 'bind: usage: bind ADDRESS DRIVER' >&2; return 2; }
  unbind "$1" && echo "$2" >"/sys/bus/pci/devices/$1/driver_override" && echo "$1" >/sys/bus/pci/drivers_probe || return
  [ "$(driver_of "$1")" = "$2" ] || { echo "bind: $1 has driver $(driver_of "$1"), not $2" >&2; return 1; }
}

# netdev ADDRESS: the network interface of a device.
netdev() {
  ls "/sys/bus/pci/devices/$1/net" 2>/dev/null || ls /sys/bus/pci/devices/"$1"/virtio*/net
}

# clock: the guest's time in ns, which goes in steps of 256.
clock() {
  vfio --clock
}
