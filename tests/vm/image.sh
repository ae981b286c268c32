#!/usr/bin/env bash
# Makes the virtual machine that run.py boots: a Debian of this machine's release with systemd as
# init, the unified cgroup hierarchy, AppArmor, and what the integration tests call.
#
# usage: image.sh DIRECTORY
#
# Writes DIRECTORY/{root.img,vmlinuz,initrd.img} and last DIRECTORY/key, the digest of everything
# that decides what they are; does nothing when that is what it would be again. Needs root, for
# device nodes and owners of files.
set -euo pipefail

directory=${1:?usage: image.sh DIRECTORY}
here=$(cd "$(dirname "$0")" && pwd)
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:?this is not a Debian release}")
account=tester

# init and what it needs; the kernel's helpers; what tests call; the interpreter of the checkout.
packages="
	systemd systemd-sysv dbus dbus-user-session libpam-systemd
	kmod apparmor
	busybox-static criu gcc libc6-dev iproute2 libseccomp2 mount procps uidmap util-linux
	python3
"

key=$(cat "$here/image.sh" "$here/initramfs-init" <(echo "$suite $packages") \
	<(cd "$here/guest" && find . -type f | LC_ALL=C sort | xargs sha256sum) | sha256sum | cut -d' ' -f1)
[ "$(cat "$directory/key" 2>/dev/null)" != "$key" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "image.sh: making the image needs root" >&2; exit 1; }

mkdir -p "$directory"
rm -f "$directory/key"
work=$(mktemp -d "$directory/making.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
began=$SECONDS

# The kernel package is unpacked, not installed: installing it asks for a boot loader and for
# initramfs-tools, whose initramfs starts udev, which takes longer than all the rest of the boot.
cat >"$work/kernel.sh" <<'HOOK'
#!/bin/sh -e
image=$(chroot "$1" apt-cache depends --no-recommends linux-image-cloud-amd64 |
	sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
chroot "$1" sh -c "cd /tmp && apt-get -q=2 -o APT::Sandbox::User=root download $image"
dpkg-deb -x "$1"/tmp/linux-image-*.deb "$(dirname "$1")/kernel"
rm "$1"/tmp/linux-image-*.deb
HOOK
chmod 755 "$work/kernel.sh"

# shellcheck disable=SC2086 -- words, on purpose
mmdebstrap --quiet --mode=root --variant=minbase \
	--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='force-unsafe-io' \
	--include="$(echo $packages | tr ' ' ,)" --customize-hook="$work/kernel.sh" \
	"$suite" "$root"

version=$(ls "$work/kernel/lib/modules")
mkdir -p "$root/usr/lib/modules"
mv "$work/kernel/lib/modules/$version" "$root/usr/lib/modules/"
cp "$work/kernel/boot/vmlinuz-$version" "$directory/vmlinuz"
depmod -b "$root" "$version"

cp -r --preserve=mode "$here/guest/." "$root/"
echo vm >"$root/etc/hostname"
printf '127.0.0.1 localhost vm\n::1 localhost\n' >"$root/etc/hosts"
# Without one systemd takes the boot for the first and sets everything up.
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
echo '/dev/vda / ext4 noatime 0 0' >"$root/etc/fstab"

# What would only take time before the tests begin, or while they run.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer systemd-timesyncd.service \
	getty@tty1.service serial-getty@ttyS0.service apparmor.service systemd-pstore.service \
	systemd-networkd.service systemd-sysusers.service systemd-random-seed.service \
	systemd-binfmt.service systemd-update-utmp.service systemd-journal-flush.service \
	modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service \
	modprobe@loop.service modprobe@efi_pstore.service sys-kernel-config.mount; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../suite.service "$root/etc/systemd/system/multi-user.target.wants/suite.service"

# An ordinary user with ranges of ids and a service manager that runs without him logging in.
chroot "$root" useradd --create-home --uid 1000 --shell /bin/sh "$account"
echo "$account:100000:65536" | tee "$root/etc/subuid" >"$root/etc/subgid"
mkdir -p "$root/var/lib/systemd/linger"
touch "$root/var/lib/systemd/linger/$account"

# The initramfs: busybox, and the modules on the way to the disk in an order that they load in.
ram=$work/initramfs
mkdir -p "$ram"/{bin,dev,proc,sys,root,modules}
install -m 755 "$root/bin/busybox" "$ram/bin/busybox"
install -m 755 "$here/initramfs-init" "$ram/init"
for module in virtio_pci virtio_blk virtio_console ext4; do
	modprobe -d "$root" -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
	cp "$file" "$ram/modules/"
	basename "$file" >>"$ram/modules/order"
done
(cd "$ram" && find . | cpio -o -H newc --quiet) | gzip -1 >"$directory/initrd.img"

rm -f "$directory/root.img"
mke2fs -q -t ext4 -m 0 -E lazy_itable_init=1,root_owner=0:0 -O ^has_journal \
	-d "$root" "$directory/root.img" 8G
echo "$key" >"$directory/key"
echo "the image is made: $suite, Linux $version, $((SECONDS - began)) s" >&2
