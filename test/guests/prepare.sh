#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the guest tests need, in .cache/guests: a Debian tree with a QEMU that speaks vfio-user, two kernels as Debian
# packages them, and an initramfs for each. Everything comes from the package mirror that this machine's apt is set up
# with. A second run finds the stamps and does nothing. Exit code 77: not possible here, and why.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
readonly here repo
readonly cache=$repo/.cache/guests tree=$repo/.cache/guests/tree
readonly suite=trixie backports=trixie-backports
readonly modules='failover net_failover virtio_net' # in the order of loading
readonly tool_modules='llc stp garp mrp 8021q irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci' # loaded by the tests that want them
readonly tools='/usr/sbin/ethtool'
# iperf3 loads the last when it cancels its threads
readonly more_tools='/usr/bin/iperf3 /usr/bin/dpdk-testpmd /usr/lib/x86_64-linux-gnu/libgcc_s.so.1'
# what testpmd loads by name: buses, pool and driver
readonly dpdk_drivers='bus_pci bus_vdev mempool_ring net_virtio'

skip() {
  printf 'skipped: %s\n' "$1"
  exit 77
}

# A command in the tree at $root.
in_tree() {
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

# The mirror of the distribution that runs here; nothing where that is not Debian.
mirror() {
  local ID='' VERSION_CODENAME=''
  source /etc/os-release
  [[ $ID == debian ]] || return 0
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' \
    | awk -v name="$VERSION_CODENAME" '$2 == name { print $1; exit }'
}

# Unpacks a kernel and its modules without installing it, since the tree itself never boots.
fetch_kernel() {
  local -r name=$1 from=$2
  local -r debs=/guests/$name/debs
  mkdir -p "$root$debs/partial"
  in_tree apt-get -qy install --download-only -o "Dir::Cache::archives=$debs" -t "$from" linux-image-cloud-amd64
  local deb
  for deb in "$root$debs"/linux-{image,binary,modules}-[0-9]*.deb; do
    if [[ -e $deb ]]; then dpkg-deb -x "$deb" "$root/guests/$name/unpacked"; fi
  done
  rm -r "${root:?}$debs"
}

# DPDK's testpmd with the libraries that it runs on. Its package also wants what DPDK programs are built with, which does
# not go together with libraries of the backports; hence it is unpacked, not installed.
fetch_testpmd() {
  local libraries
  libraries=$(in_tree apt-cache depends dpdk-dev | sed -n 's/^ *Depends: \([^<]*\)$/\1/p' | grep -v -e '-dev$' -e python)
  # shellcheck disable=SC2086
  in_tree apt-get -qy install $libraries librte-net-virtio25 librte-mempool-ring25
  in_tree sh -c 'cd /tmp && apt-get -q download dpdk-dev'
  dpkg-deb -x "$root"/tmp/dpdk-dev_*.deb "$root/tmp/dpdk-dev"
  cp "$root/tmp/dpdk-dev/usr/bin/dpdk-testpmd" "$root/usr/bin/"
  rm -r "$root"/tmp/dpdk-dev*
}

make_tree() {
  local -r root=$tree.new uri=$1
  rm -rf "$tree" "$root"
  local http_proxy=''
  eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
  if [[ -n $http_proxy ]]; then export http_proxy; fi
  debootstrap --variant=minbase "$suite" "$root" "$uri"

  # apt goes the way that it goes outside.
  apt-config dump | grep -E '^Acquire::(https?::|Check|Retries)' >"$root/etc/apt/apt.conf.d/90guests" || true
  printf '%s\n' 'Acquire::Languages "none";' 'APT::Install-Recommends "false";' >>"$root/etc/apt/apt.conf.d/90guests"
  printf 'deb %s %s main\n' "$uri" "$suite" "$uri" "$backports" >"$root/etc/apt/sources.list"
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/guests"
  in_tree apt-get -q update
  in_tree apt-get -qy install -t "$backports" qemu-system-x86
  in_tree qemu-system-x86_64 -device help | grep vfio-user-pci # QEMU 10.1 and newer
  in_tree apt-get -qy install busybox-static ethtool iperf3 tcc libc6-dev
  fetch_testpmd
  fetch_kernel stable "$suite"
  fetch_kernel backports "$backports"
  in_tree apt-get clean
  mkdir -p "$root/dev/net"
  mknod "$root/dev/net/tun" c 10 200
  mv "$root" "$tree"
}

# Modules of a kernel, unpacked, in $staging.
copy_modules() {
  local module
  for module in "$@"; do
    find "$out/unpacked" -name "$module.ko.xz" -exec xz -dc {} + >"$staging/lib/modules/$module.ko"
  done
}

# Programs and libraries of the tree, each with the libraries that it needs, in $staging.
copy_programs() {
  local file
  for file in "$@" $(in_tree ldd "$@" | grep -o '/[^ :]*' | sort -u); do
    mkdir -p "$staging$(dirname "$file")"
    cp -L "$tree$file" "$staging$file"
  done
}

pack() {
  in_tree sh -c "cd /guests/$name/staging && find . | busybox cpio -o -H newc"
}

# Puts vmlinuz, the release of a kernel, initrd and initrd.tools, which has more in it, into /guests/NAME.
make_initrd() {
  local -r root=$tree name=$1
  local -r out=$tree/guests/$name
  local -r staging=$out/staging
  local vmlinuz release
  vmlinuz=$(find "$out/unpacked" -name 'vmlinuz*' -type f)
  release=$(basename "$(find "$out/unpacked" -path '*/lib/modules/*' -prune -type d)")
  cp "$vmlinuz" "$out/vmlinuz"
  echo "$release" >"$out/release"

  rm -rf "$staging"
  mkdir -p "$staging"/{bin,dev,proc,sys,tmp,lib/modules,www}
  # shellcheck disable=SC2086
  copy_modules $modules
  echo "$modules" >"$staging/lib/modules/order"
  install -m 755 "$here/guest/init" "$staging/init"
  cp "$here/guest/reset_loop.c" "$out/"
  in_tree tcc -o "/guests/$name/staging/bin/reset_loop" "/guests/$name/reset_loop.c"
  cp "$tree/bin/busybox" "$staging/bin/"
  # shellcheck disable=SC2086
  copy_programs $tools
  pack >"$out/initrd"

  # shellcheck disable=SC2086
  copy_modules $tool_modules
  local driver drivers=()
  for driver in $dpdk_drivers; do
    drivers+=("$(in_tree sh -c "echo /usr/lib/x86_64-linux-gnu/dpdk/pmds-*/librte_$driver.so.25")")
  done
  # shellcheck disable=SC2086
  copy_programs $more_tools "${drivers[@]}"
  pack >"$out/initrd.tools"
}

if [[ $(uname -sm) != 'Linux x86_64' ]]; then skip 'the guest tests need Linux on x86-64'; fi
if [[ $(id -u) != 0 ]]; then skip 'the guest tests need root (chroot, network namespaces, TAP); run them with sudo'; fi
for tool in debootstrap ip chroot xz flock; do
  if ! command -v "$tool" >/dev/null; then skip "$tool is missing; install debootstrap, iproute2, xz-utils"; fi
done
if [[ ! -c /dev/net/tun ]]; then skip 'there is no /dev/net/tun; load the kernel module tun'; fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

tree_stamp=$(sha256sum <"$here/prepare.sh")
if [[ $(cat "$cache/tree.stamp" 2>/dev/null) != "$tree_stamp" ]]; then
  uri=$(mirror)
  if [[ -z $uri ]]; then skip "apt's own mirror is not Debian's, which the guests' kernels come from"; fi
  echo "preparing a $suite tree with QEMU and two kernels in .cache/guests (about 600 MB, two or three minutes)"
  rm -f "$cache"/*.stamp
  make_tree "$uri" >"$cache/prepare.log" 2>&1 & # in the background, where its first failure ends it
  if ! wait $!; then
    tail -n 20 "$cache/prepare.log"
    echo 'the tree could not be made; all of the log: .cache/guests/prepare.log'
    exit 1
  fi
  echo "$tree_stamp" >"$cache/tree.stamp"
fi

initrd_stamp=$(cat "$here/prepare.sh" "$here"/guest/* | sha256sum)
if [[ $(cat "$cache/initrd.stamp" 2>/dev/null) != "$initrd_stamp" ]]; then
  make_initrd stable
  make_initrd backports
  echo "$initrd_stamp" >"$cache/initrd.stamp"
fi
