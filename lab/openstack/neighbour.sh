#!/bin/bash
# Asks for a page as a neighbour on the tenant network would: from where Neutron's DHCP server is.   neighbour.sh URL
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

need_root
[ $# = 1 ] || fail "usage: neighbour.sh URL"
network=$(inside openstack --os-cloud lab network show default -f value -c id)
inside ip netns exec "qdhcp-$network" curl --silent --show-error --fail --max-time 5 "$1"
