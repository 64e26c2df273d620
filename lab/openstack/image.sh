#!/bin/bash
# Builds an image of the lab's own from Debian packages.   image.sh host | amphora
#
#   host     what a tenant boots: cloud-init, sshd, and the packages of a container host, because the lab's guests
#            reach no mirror. Nothing of them is configured: that is Pontoon's work.
#   amphora  what Octavia boots as a load balancer: its agent and haproxy.
#
# A whole-disk ext4 file system with kernel and initial ramdisk beside it, which Nova boots directly: no partition
# table, boot loader or loop device is needed. The packages come from where this machine's own apt gets them.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

base_packages=(linux-image-cloud-amd64 initramfs-tools zstd systemd-sysv systemd-resolved udev dbus kmod netbase netplan.io
    iproute2 iputils-ping iputils-arping iptables nftables tcpdump isc-dhcp-client curl ca-certificates openssh-server
    openssh-sftp-server sudo cloud-init python3 procps less acl gpg e2fsprogs apparmor)
host_packages=(lxd lxd-client lxcfs dnsmasq dnsmasq-utils btrfs-progs uidmap squashfs-tools xz-utils bridge-utils ebtables
    ethtool rsync jq)
amphora_packages=(octavia-agent haproxy keepalived ipvsadm ethtool vlan)

main() {
    need_root
    local kind=${1:-} packages=("${base_packages[@]}")
    case $kind in
    host) packages+=("${host_packages[@]}") ;;
    amphora) packages+=("${amphora_packages[@]}") ;;
    *) fail "usage: image.sh host|amphora" ;;
    esac
    mkdir -p "$images"
    root=$(mktemp -d "$images/build.XXXXXX")
    trap 'rm -rf --one-file-system "$root"' EXIT
    install_packages "${packages[@]}"
    configure_system "$kind"
    configure_cloud_init "$kind"
    pack "$kind"
    say "image $kind: $(du -m "$(image "$kind").qcow2" | cut -f1) MiB"
}

# The ramdisk holds the drivers of the machines that Nova makes and no others: it is unpacked under emulation.
install_packages() {
    local sources=/etc/apt/sources.list.d/debian.sources log=$images/build.log
    [ -e $sources ] || sources=/etc/apt/sources.list
    # shellcheck disable=SC2016  # $1 is mmdebstrap's
    mmdebstrap --quiet --variant=minbase --mode=root --include="$(joined "$@")" --dpkgopt=force-unsafe-io \
        --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
        --essential-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/lab"' \
        --essential-hook='printf "%s\n" virtio_pci virtio_blk virtio_net virtio_rng virtio_scsi sd_mod sr_mod ext4 isofs >"$1/etc/initramfs-tools/modules"' \
        --essential-hook='echo do_initrd=yes >"$1/etc/kernel-img.conf"' \
        bookworm "$root" "$sources" >"$log" 2>&1 || fail "the packages cannot be installed: $(tail -20 "$log")"
}

configure_system() {
    local kind=$1
    echo "lab-$kind" >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 lab-%s\n' "$kind" >"$root/etc/hosts"
    echo 'LABEL=rootfs / ext4 defaults,noatime 0 1' >"$root/etc/fstab"
    : >"$root/etc/machine-id"
    rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/resolv.conf"
    ln -s ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
    # A guest without a road to a mirror should not look for one.
    rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
    : >"$root/etc/apt/sources.list"
    in_image systemctl mask apt-daily.timer apt-daily-upgrade.timer man-db.timer fstrim.timer e2scrub_all.timer \
        e2scrub_reap.service dpkg-db-backup.timer
    in_image systemctl enable systemd-networkd systemd-resolved ssh serial-getty@ttyS0.service
    # As it comes from the package, dnsmasq would serve at once; what it is to serve is not known yet.
    if [ "$kind" = host ]; then in_image systemctl disable dnsmasq; fi
}

# Each module that does nothing here costs seconds under emulation, an RSA key six of them.
configure_cloud_init() {
    local kind=$1
    cat >"$root/etc/cloud/cloud.cfg.d/90-lab.cfg" <<'CONFIG'
datasource_list: [OpenStack, ConfigDrive, None]
datasource:
  OpenStack: {max_wait: 60, timeout: 10, retries: 5, apply_network_config: true}
apt: {preserve_sources_list: true}
growpart: {mode: "off"}
locale: false
ssh_genkeytypes: [ed25519]
cloud_config_modules: [ssh-import-id, keyboard, locale, set-passwords, apt-configure, ntp, timezone, disable-ec2-metadata, runcmd]
CONFIG
    # Octavia hands the agent's certificates to an amphora on a config drive, and to nothing else.
    if [ "$kind" = amphora ]; then echo 'datasource: ConfigDrive' >"$root/etc/cloud/ds-identify.cfg"; fi
}

pack() {
    local name kernel
    name=$(image "$1")
    kernel=$(basename "$(find "$root/lib/modules" -mindepth 1 -maxdepth 1 | sort -V | tail -1)")
    cp "$root/boot/vmlinuz-$kernel" "$name.vmlinuz"
    cp "$root/boot/initrd.img-$kernel" "$name.initrd"
    rm -f "$name.raw"
    truncate -s 4G "$name.raw"
    mke2fs -q -t ext4 -L rootfs -E lazy_itable_init=1,lazy_journal_init=1 -d "$root" "$name.raw"
    qemu-img convert -O qcow2 "$name.raw" "$name.part"
    rm "$name.raw"
    mv "$name.part" "$name.qcow2" # last: its being there says that the image is whole
}

in_image() { "${clean[@]}" chroot "$root" "$@" >/dev/null 2>&1; }

joined() {
    local IFS=,
    printf '%s' "$*"
}

main "$@"
