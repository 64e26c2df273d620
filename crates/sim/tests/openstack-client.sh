#!/bin/sh
# Holds the embedded cloud to the unmodified `openstack` client: lists and shows everything, creates and deletes a
# network, subnet, port, security group, server, floating IP and load balancer.
#
# usage: openstack-client.sh CLOUDS_YAML
# Needs `openstack` (python-openstackclient with python-octaviaclient) on the PATH, or named by $OPENSTACK.
# The first cloud of the file is used.
set -eu

export OS_CLIENT_CONFIG_FILE="${1:?usage: openstack-client.sh CLOUDS_YAML}"
OS_CLOUD=$(sed -n '/^clouds:/,$ s/^  \([A-Za-z0-9_-]*\):.*/\1/p' "$OS_CLIENT_CONFIG_FILE" | head -n 1)
export OS_CLOUD
client=${OPENSTACK:-openstack}
name="client-check-$$"
checks=0

# Runs the client; on failure prints what it said.
run() {
    checks=$((checks + 1))
    if ! output=$("$client" "$@" 2>&1); then
        printf 'failed: openstack %s\n%s\n' "$*" "$output" >&2
        exit 1
    fi
    case $output in
        *Traceback*) printf 'failed: openstack %s\n%s\n' "$*" "$output" >&2; exit 1 ;;
    esac
}


run token issue
run catalog list
run project show demo
for kind in image flavor keypair network subnet port router "security group" "security group rule" "floating ip" \
    server "server group" loadbalancer "loadbalancer listener" "loadbalancer pool" "loadbalancer healthmonitor" \
    "loadbalancer provider" "application credential"; do
    # shellcheck disable=SC2086 # the kind is several words
    run $kind list
done
run extension list --network
run limits show --absolute
run image show "Ubuntu 24.04"
run flavor show dc1.2x4.40
run keypair show datacentred
run network show default
run subnet show default
run router show default
run security group show default

run network create "$name"
run subnet create "$name" --network "$name" --subnet-range 10.9.0.0/24
run subnet show "$name"
run port create "$name" --network "$name" --fixed-ip ip-address=10.9.0.9 --allowed-address ip-address=10.9.0.10
run port show "$name"
run security group create "$name" --description "a check"
run security group rule create "$name" --protocol tcp --dst-port 80 --remote-ip 0.0.0.0/0
run port set "$name" --security-group "$name" --tag checked
run port list --tags checked
run server create "$name" --image "Ubuntu 24.04" --flavor dc1.1x2.20 --network default --key-name datacentred --wait
run server list
run server show "$name"
run console log show "$name"
run floating ip create external
address=$("$client" floating ip list -f value -c "Floating IP Address" | tail -n 1)
run floating ip show "$address"
run server add floating ip "$name" "$address"
run server remove floating ip "$name" "$address"
run floating ip delete "$address"
run loadbalancer create --name "$name" --vip-subnet-id default --wait
run loadbalancer show "$name"
run loadbalancer listener create --name "$name" --protocol HTTP --protocol-port 80 --wait "$name"
run loadbalancer listener show "$name"
run loadbalancer pool create --name "$name" --protocol HTTP --lb-algorithm ROUND_ROBIN --listener "$name" --wait
run loadbalancer pool show "$name"
run loadbalancer member create --name "$name" --address 192.168.0.100 --protocol-port 8080 --wait "$name"
run loadbalancer member list "$name"
run loadbalancer member show "$name" "$name"
run loadbalancer healthmonitor create --name "$name" --type HTTP --delay 5 --timeout 3 --max-retries 3 --wait "$name"
run loadbalancer healthmonitor show "$name"
run loadbalancer status show "$name"
run loadbalancer delete "$name" --cascade --wait
run server delete "$name" --wait
run port delete "$name"
run security group delete "$name"
run subnet delete "$name"
run network delete "$name"

for kind in server network port loadbalancer; do
    if "$client" "$kind" list -f value | grep -q "$name"; then
        printf 'a %s of this check is left over\n' "$kind" >&2
        exit 1
    fi
done
printf 'ok: %s calls of the openstack client\n' "$checks"
