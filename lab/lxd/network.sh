#!/bin/bash
# The tenant network of the lab: a bridge in a network namespace that forwards nothing, the router's address, and the
# DHCP server that gives machines their addresses, as Neutron's does. Run again, it mends what is missing.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

need_root
mkdir -p "$state/dhcp-hosts" "$state/machines"
if ! ip netns list | grep -qE "^$lan( |$)"; then ip netns add "$lan"; fi
if ! ip -n "$lan" link show lan >/dev/null 2>&1; then
    ip -n "$lan" link set lo up
    ip -n "$lan" link add lan type bridge forward_delay 0
    ip -n "$lan" addr add "$gateway/$prefix_length" dev lan
    ip -n "$lan" link set lan up
fi

cat >"$state/dnsmasq.conf" <<END
# Names are looked up nowhere: the lab has no way out. One is known here and to nobody else, as the names of the world are to
# a subnet's name servers.
no-resolv
no-hosts
host-record=outside.example,192.0.2.7
interface=lan
bind-interfaces
dhcp-authoritative
dhcp-range=${subnet%/*},static
dhcp-ignore=tag:!known
dhcp-hostsdir=$state/dhcp-hosts
dhcp-option=option:router,$gateway
dhcp-leasefile=$state/dhcp-leases
pid-file=$state/dnsmasq.pid
log-facility=$state/dnsmasq.log
user=root
END
if ! grep -qsF "$state/dnsmasq.conf" "/proc/$(cat "$state/dnsmasq.pid" 2>/dev/null)/cmdline"; then
    rm -f "$state/dnsmasq.pid"
    ip netns exec "$lan" dnsmasq --conf-file="$state/dnsmasq.conf"
fi
