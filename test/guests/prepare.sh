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
  in_tree apt-get -qy install busybox-static ethtool tcc libc6-dev
  fetch_kernel stable "$suite"
  fetch_kernel backports "$backports"
  in_tree apt-get clean
  mkdir -p "$root/dev/net"
  mknod "$root/dev/net/tun" c 10 200
  mv "$root" "$tree"
}

# Puts vmlinuz, initrd and the release of a kernel into /guests/NAME.
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
  local module
  for module in $modules; do
    find "$out/unpacked" -name "$module.ko.xz" -exec xz -dc {} + >"$staging/lib/modules/$module.ko"
  done
  echo "$modules" >"$staging/lib/modules/order"
  install -m 755 "$here/guest/init" "$staging/init"
  cp "$here/guest/reset_loop.c" "$out/"
  in_tree tcc -o "/guests/$name/staging/bin/reset_loop" "/guests/$name/reset_loop.c"
  cp "$tree"/bin/busybox "$tree/usr/sbin/ethtool" "$staging/bin/"
  local library
  for library in $(in_tree ldd /usr/sbin/ethtool | grep -o '/[^ ]*'); do
    mkdir -p "$staging$(dirname "$library")"
    cp -L "$tree$library" "$staging$library"
  done
  in_tree sh -c "cd /guests/$name/staging && find . | busybox cpio -o -H newc" >"$out/initrd"
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
  echo "preparing a $suite tree with QEMU and two kernels in .cache/guests (about 500 MB, one or two minutes)"
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
