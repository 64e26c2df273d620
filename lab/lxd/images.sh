#!/bin/bash
# Builds the lab's two images from Debian packages, unless they are there: the root file system of a host, as a
# directory, and a container image with cloud-init, as a unified LXD tarball. Prints where they are.
#
# What is in them besides packages is below image/, one tree for each. Neither is ever offered a package mirror again:
# machines in the lab have no way to one, like those in many private clouds.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

release=bookworm
# cloud-init's `locale` and `ssh` modules aside, a container needs what an ordinary cloud image has. hugo and git are
# what examples/blog asks for: `packages:` is content with what is installed already. curl speaks to the agent of a host,
# and systemd-resolved makes those name servers count that DHCP or a network configuration names.
container_packages=(systemd systemd-sysv udev dbus cloud-init iproute2 iputils-ping procps netbase ca-certificates
    passwd login python3 hugo git curl systemd-resolved)
# What the user-data of a host would install where a mirror is.
host_packages=(lxd lxd-client dnsmasq dnsmasq-utils openssh-server sudo nftables btrfs-progs
    zstd)

main() {
    if [ "${1:-}" = in-the-build ]; then
        divide "$2" "$3"
        return
    fi
    if [ ! -d "$host_image" ] || [ ! -e "$container_image" ]; then
        need_root
        mkdir -p "$images"
        # Two runs at the same moment build once.
        exec 9>"$images/lock"
        flock 9
        if [ ! -d "$host_image" ] || [ ! -e "$container_image" ]; then build; fi
    fi
    printf '%s\n%s\n' "$host_image" "$container_image"
}

build() {
    local begun=$SECONDS work
    say "building images of Debian $release (recipe $recipe)"
    work=$(mktemp -d "$images/build.XXXXXX")
    # shellcheck disable=SC2064 # the directory of now
    trap "rm -rf --one-file-system '$work'" EXIT
    # The rest of the work is done by `divide`, at the end of the build and with its apt.
    mmdebstrap --quiet --mode=root --variant=minbase --include="$(joined "${container_packages[@]}")" \
        --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="'$here/images.sh' in-the-build '$work' \"\$1\"" \
        "$release" "$work/host" "$(sources "$work")" >&2
    say "packing the container image"
    pack_container "$work"
    mv "$work/host" "$host_image"
    remove_stale
    say "images built in $((SECONDS - begun)) s: host $(size "$host_image"), container $(size "$container_image")"
}

# The container image is the host's before the host's packages are in it.
divide() {
    local work=$1 root=$2
    # The build's /proc and /sys are file systems of their own.
    cp -ax "$root" "$work/container"
    APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes -qq --no-install-recommends \
        -o DPkg::Chroot-Directory="$root" install "${host_packages[@]}"
    neutral "$work/container" container
    ln -s ../run/systemd/resolve/stub-resolv.conf "$work/container/etc/resolv.conf"
    # What has nothing to do in a container, and fails there.
    chroot "$work/container" systemctl --quiet mask systemd-binfmt.service e2scrub_reap.service
    # Nobody logs in or is asked for a password. The kernel lets all containers of all hosts together watch files by 128
    # handles (fs.inotify.max_user_instances), of which each of these would take one.
    chroot "$work/container" systemctl --quiet mask systemd-logind.service console-getty.service \
        systemd-ask-password-console.path systemd-ask-password-wall.path
    neutral "$root" host
    # Settings of the kernel are the real machine's; whoever logs in at the console hangs it up first; and a host is told
    # its name server by the lab.
    chroot "$root" systemctl --quiet mask systemd-sysctl.service console-getty.service systemd-resolved.service
}

# An image that does not know where it was built, and has what is below image/.
neutral() {
    local root=$1
    rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/* \
        "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/log/*.log "$root"/var/log/apt \
        "$root"/etc/ssh/ssh_host_* "$root"/etc/hostname "$root"/etc/resolv.conf "$root"/var/lib/dbus/machine-id
    : >"$root/etc/apt/sources.list"
    : >"$root/etc/machine-id"
    : >"$root/etc/fstab"
    cp -r "$here/image/$2/rootfs/." "$root/"
    chroot "$root" systemctl --quiet enable systemd-networkd
    # There is nothing to update from.
    chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer
}

pack_container() {
    local work=$1 packed=$1/container.tar.zst
    mkdir "$work/unified"
    cp -r "$here/image/container/metadata.yaml" "$here/image/container/templates" "$work/unified/"
    mv "$work/container" "$work/unified/rootfs"
    tar --numeric-owner --xattrs -C "$work/unified" -cf - metadata.yaml templates rootfs | zstd -q -3 -T0 >"$packed"
    mv "$packed" "$container_image"
}

# Where packages come from: the machine's own sources where it is a Debian of this release, else Debian's own.
sources() {
    local work=$1 own
    if grep -qx "VERSION_CODENAME=$release" /etc/os-release; then
        for own in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
            if grep -qs "$release" "$own"; then
                echo "$own"
                return
            fi
        done
    fi
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror=${PONTOON_LAB_MIRROR:-http://deb.debian.org/debian}
    [ -e "$keys" ] || fail "the keys of Debian's packages are not here: install debian-archive-keyring"
    echo "deb [signed-by=$keys] $mirror $release main" >"$work/sources.list"
    echo "$work/sources.list"
}

# Images of older recipes, but for those that a machine stands on.
remove_stale() {
    local image machine
    for image in "$images"/host-* "$images"/container-*; do
        case "$image" in "$host_image" | "$container_image") continue ;; esac
        for machine in "$(dirname "$state")"/*/machines/*/; do
            if [ "$(readlink "$machine/image")" = "$image" ]; then continue 2; fi
        done
        rm -rf --one-file-system "$image"
    done
}

joined() {
    local IFS=,
    printf '%s' "$*"
}

size() { du -shx "$1" | cut -f1; }

main "$@"
