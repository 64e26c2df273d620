#!/bin/bash
# The first process of the lab, in namespaces of its own: lays the lab's configuration and state over those of the
# machine, makes the networks, and then does nothing for as long as the lab lives. Started by up.sh.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

main() {
    mounts
    networks
    touch "$run/namespace.ready"
    # The kernel hands orphans to the first process of a pid namespace; bash reaps them while it waits.
    set +e
    trap 'exit 0' TERM INT
    while :; do
        sleep 3600 &
        wait $!
    done
}

# Everything below is seen inside the lab only. There are no control groups in the fresh /sys: libvirt does without.
mounts() {
    local service file
    hostname pontoon-lab
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/lock /run/netns /run/mysqld /run/libvirt /run/sudo /run/rabbitmq
    chown mysql:mysql /run/mysqld
    chown rabbitmq:rabbitmq /run/rabbitmq
    for service in "$config"/*/; do
        service=$(basename "$service")
        [ "$service" != mended ] || continue
        mkdir -p "/etc/$service"
        mount --bind "$config/$service" "/etc/$service"
    done
    mount --bind "$config/hosts" /etc/hosts
    for service in "$state"/*/; do
        service=$(basename "$service")
        mkdir -p "/var/lib/$service"
        mount --bind "$state/$service" "/var/lib/$service"
    done
    mkdir -p /var/log/libvirt /var/cache/libvirt
    mount --bind "$logs/libvirt" /var/log/libvirt
    mount -t tmpfs tmpfs /var/cache/libvirt
    for file in "${octavia_mended[@]}"; do mount --bind "$config/mended/$file" "$octavia/$file"; done
    # The first place where sudo looks: bin/ebtables stands in for the packaged one.
    mount --bind "$here/bin" /usr/local/sbin
}

# br-ex and br-management are the far sides of Neutron's two flat networks. Neutron gets ends of veth pairs: with a
# bridge in their place Nova would plug guests into another one of its own making.
networks() {
    ip link set lo up
    sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
    # Security groups and port security of the Linux bridge agent live on these.
    sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 \
        net.bridge.bridge-nf-call-arptables=1
    bridge br-ex "$internet/24"
    bridge br-management "$management/24"
    bridge br-tunnel "$tunnel/24" # nothing is plugged into it: it carries an address, as a dummy device would
    plug external br-ex
    plug management br-management
}

bridge() {
    ip link add "$1" type bridge
    ip address add "$2" dev "$1"
    ip link set "$1" up
}

plug() {
    ip link add "$1" type veth peer name "$1-far"
    ip link set "$1-far" master "$2" up
    ip link set "$1" up
}

main
