#!/bin/bash
# One machine of the lab, as a cloud would run it: a Debian with systemd as its first process, in namespaces of its own.
#
#   machine.sh boot NAME MAC ADDRESS USER_DATA    a new machine; its cloud-init reads the file USER_DATA
#   machine.sh start NAME                         the same machine again, from its disk
#   machine.sh stop NAME                          as if its power went: all its processes end at once
#   machine.sh delete NAME                        stopped, and its disk is gone
#   machine.sh run NAME COMMAND...                runs a command in it, as root
#   machine.sh wait NAME                          until its cloud-init has ended; fails where that did
#   machine.sh cut-off NAME | connect NAME        takes its card off the network, and puts it back
#
# Its card hangs on the tenant network, whose DHCP server gives it ADDRESS. Its console is $state/machines/NAME/console.
# Its disk is an overlay over the host image. It has all capabilities, for it is to run a container engine: the
# namespaces keep things apart, they do not keep anybody in.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

main() {
    need_root
    local verb=$1 name=$2
    shift 2
    case "$verb" in
    boot) boot "$name" "$@" ;;
    start) start "$name" ;;
    stop) stop "$name" ;;
    delete) delete "$name" ;;
    run) run "$name" "$@" ;;
    wait) wait_for "$name" ;;
    cut-off) ip -n "$lan" link set "port-$name" down ;;
    connect) ip -n "$lan" link set "port-$name" up ;;
    # Not for people: what `start` runs, on the way into the namespaces.
    enter) enter "$name" ;;
    become) become "$name" ;;
    *) fail "machine.sh does not know \`$verb\`" ;;
    esac
}

boot() {
    local name=$1 mac=$2 address=$3 user_data=$4 directory
    directory=$(machine "$name")
    [ ! -e "$directory" ] || fail "there is a machine $name already"
    mkdir -p "$directory"/{upper,work,root,lxd}
    printf '%s\n' "$mac" >"$directory/mac"
    printf '%s\n' "$address" >"$directory/address"
    ln -s "$host_image" "$directory/image"
    seed "$name" "$mac" "$user_data" "$directory/upper/var/lib/cloud/seed/nocloud-net"
    # Its own range of user ids: what the kernel counts by user is not shared by the containers of several machines.
    local first=$((100000000 + ${address##*.} * 1000000))
    mkdir -p "$directory/upper/etc"
    printf 'root:%d:1000000\n' "$first" | tee "$directory/upper/etc/subuid" >"$directory/upper/etc/subgid"
    printf 'nameserver %s\n' "$gateway" >"$directory/upper/etc/resolv.conf"
    printf '%s,%s\n' "$mac" "$address" >"$state/dhcp-hosts/$name"
    start "$name"
}

# What a cloud's metadata service would tell.
seed() {
    local name=$1 mac=$2 user_data=$3 seed=$4
    mkdir -p "$seed"
    cp "$user_data" "$seed/user-data"
    printf 'instance-id: %s-%s\nlocal-hostname: %s\n' "$name" "$(date +%s%N)" "$name" >"$seed/meta-data"
    cat >"$seed/network-config" <<END
version: 2
ethernets:
  ens3:
    match: {macaddress: "$mac"}
    dhcp4: true
END
}

start() {
    local name=$1 directory
    directory=$(machine "$name")
    [ -d "$directory" ] || fail "there is no machine $name"
    if runs "$name"; then return; fi
    plug_in "$name" "$(cat "$directory/mac")"
    local group
    for group in $(control_groups); do new_control_group "$group" "$name"; done
    rm -f "$directory/pid"
    # `script` gives it a terminal for a console, and writes down what it shows there.
    setsid script --quiet --flush --append --command "$here/machine.sh enter $name" "$directory/console" \
        </dev/null >/dev/null 2>&1 &
    until runs "$name"; do
        kill -0 $! 2>/dev/null || fail "$name did not start: $(tail -n 5 "$directory/console")"
        sleep 0.02
    done
}

# A card on the tenant network. It goes with the network namespace, and that with the machine.
plug_in() {
    local name=$1 mac=$2
    unplug "$name"
    ip netns add "$lan-$name"
    ip -n "$lan" link add "port-$name" type veth peer name ens3 address "$mac" netns "$lan-$name"
    ip -n "$lan" link set "port-$name" master lan up
    ip -n "$lan-$name" link set lo up
}

unplug() {
    ip netns delete "$lan-$1" 2>/dev/null || true
    ip -n "$lan" link delete "port-$1" 2>/dev/null || true
}

stop() {
    local name=$1 pid
    if runs "$name"; then
        pid=$(pid_of "$name")
        # With it ends the first process of the machine, and with that all others.
        kill -KILL "$pid"
        while [ -e "/proc/$pid" ]; do sleep 0.02; done
    fi
    unplug "$name"
    local group
    for group in $(control_groups); do remove_control_group "$group/$lan/$name"; done
}

delete() {
    local directory
    directory=$(machine "$1")
    stop "$1"
    rm -f "$state/dhcp-hosts/$1"
    rm -rf --one-file-system "$directory"
}

run() {
    local name=$1
    shift
    nsenter --target "$(first_process "$name")" --all -- "$@"
}

first_process() {
    local pid child
    pid=$(pid_of "$1")
    read -r child <"/proc/$pid/task/$pid/children"
    echo "$child"
}

wait_for() {
    local name=$1 begun=$SECONDS said
    until said=$(run "$name" cloud-init status --wait --long 2>/dev/null) || grep -q '^status: error' <<<"$said"; do
        runs "$name" || fail "$name is not running: $(tail -n 5 "$(machine "$name")/console")"
        [ $((SECONDS - begun)) -lt 180 ] || fail "$name has no cloud-init after 180 s: $(machine "$name")/console"
        sleep 0.2
    done
    if ! grep -q '^status: done' <<<"$said"; then
        fail "cloud-init failed on $name: $said"$'\n'"$(tail -n 15 "$(machine "$name")/upper/var/log/cloud-init-output.log")"
    fi
}

# ---- on the way in ----

# In the control groups and the network of the machine; `unshare` stays as its parent outside.
enter() {
    local name=$1 group
    for group in $(control_groups); do echo $$ >"$group/$lan/$name/cgroup.procs"; done
    echo $$ >"$(machine "$name")/pid"
    exec nsenter --net="/run/netns/$lan-$name" \
        unshare --pid --fork --kill-child --mount --propagation private --uts --ipc --cgroup \
        "$here/machine.sh" become "$name" "$(machine "$name")"
}

# The first process of the machine: file systems, then systemd.
become() {
    local name=$1 directory root console
    directory=$(machine "$name")
    root=$directory/root
    console=$(tty)
    hostname "$name"
    mount -t overlay -o "lowerdir=$(readlink "$directory/image"),upperdir=$directory/upper,workdir=$directory/work" overlay "$root"
    # Engines want a disk of their own for their containers: overlays neither stack well nor map ids.
    mount --bind "$directory/lxd" "$root/var/lib/lxd"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount_processes "$root"
    mount -t sysfs sysfs "$root/sys"
    mount_control_groups "$root/sys/fs/cgroup"
    mount_devices "$root/dev" "$console"
    cd "$root"
    mkdir -p run/outside
    pivot_root . run/outside
    exec /usr/bin/env --ignore-environment container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /bin/sh -c 'umount -l /run/outside && rmdir /run/outside && exec /sbin/init' <"/dev/console" >"/dev/console" 2>&1
}

# systemd raises limits of the kernel that are the real machine's, so they are read-only here. An engine's containers may
# mount a /proc of their own only where one without such a patch is in sight; it lies aside.
mount_processes() {
    local root=$1
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys/fs" "$root/proc/sys/fs"
    mount -o remount,ro,bind "$root/proc/sys/fs"
    mkdir -p "$root/run/proc"
    mount -t proc proc "$root/run/proc"
}

mount_devices() {
    local dev=$1 console=$2 node
    mount -t tmpfs -o mode=755 tmpfs "$dev"
    mkdir "$dev"/{pts,shm,net,mqueue}
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$dev/shm"
    ln -s pts/ptmx "$dev/ptmx"
    ln -s /proc/self/fd "$dev/fd"
    for node in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${node%:*}" "$dev/${node#*:}"; done
    # Of the real machine's devices those that give away nothing of it, and what storage and networks are made with.
    for node in null zero full random urandom tty fuse net/tun loop-control btrfs-control /dev/loop[0-9]*; do
        if [ -e "/dev/${node#/dev/}" ]; then cp -a "/dev/${node#/dev/}" "$dev/${node#/dev/}"; fi
    done
    : >"$dev/console"
    mount --bind "$console" "$dev/console"
}

# ---- control groups ----

new_control_group() {
    local hierarchy=$1 name=$2 path=$1 part file
    for part in "$lan" "$name"; do
        path=$path/$part
        mkdir -p "$path"
        # Version 1 wants to be told of processors and memory before a process may come.
        for file in cpuset.cpus cpuset.mems; do
            if [ -e "$path/$file" ] && [ ! -e "$hierarchy/cgroup.controllers" ] && [ ! -s "$path/$file" ]; then
                cat "$path/../$file" >"$path/$file"
            fi
        done
    done
}

# Groups that engines and systemd left behind are empty once the last process is gone, which may take its time.
remove_control_group() {
    local group=$1 begun=$SECONDS
    while [ -d "$group" ] && ! find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; do
        if [ $((SECONDS - begun)) -ge 30 ]; then
            say "the control group $group is still in use"
            return
        fi
        sleep 0.1
    done
}

# Seen from inside, the machine's own groups are the roots.
mount_control_groups() {
    local target=$1 mounts hierarchy kind options
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        mount -t cgroup2 cgroup2 "$target"
        return
    fi
    # Read before the list grows by what is mounted here.
    mounts=$(</proc/self/mounts)
    mount -t tmpfs -o mode=755 tmpfs "$target"
    while read -r _ hierarchy kind options _; do
        case "$kind" in
        cgroup2) options='' ;;
        cgroup) options=$(controllers_of "$options") ;;
        *) continue ;;
        esac
        mkdir "$target/$(basename "$hierarchy")"
        mount -t "$kind" ${options:+-o "$options"} cgroup "$target/$(basename "$hierarchy")"
    done <<<"$mounts"
}

# What a mount of version 1 holds, out of its options.
controllers_of() {
    local option kept=()
    for option in ${1//,/ }; do
        case "$option" in
        name=*) kept+=(none "$option") ;;
        cpu | cpuacct | cpuset | memory | devices | freezer | blkio | pids | net_cls | net_prio | perf_event | hugetlb | \
            rdma | misc) kept+=("$option") ;;
        esac
    done
    local IFS=,
    printf '%s' "${kept[*]}"
}

main "$@"
