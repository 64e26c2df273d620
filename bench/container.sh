#!/bin/bash
# Makes the blog's container on a host, over ssh: image, profile with the user-data, container with its address.
# container.sh HOST
set -euo pipefail
cd "$(dirname "$0")"

host=debian@$1
on_host() { ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$host" "$@"; }

until on_host -o ConnectTimeout=5 true 2>/dev/null; do sleep 2; done
on_host cloud-init status --wait >/dev/null
# lxc reads YAML from standard input, where the file is.
on_host 'cat >container.tar.zst' <../target/lab/container.tar.zst
on_host 'cat >hugo.yaml' <../examples/blog/hugo.yaml
on_host 'cat >network.yaml' <network.yaml
on_host '
    set -e
    lxc image import container.tar.zst --alias hugo </dev/null
    lxc profile create hugo </dev/null
    lxc profile set hugo cloud-init.user-data - <hugo.yaml
    lxc init hugo hugo -p default -p hugo -c volatile.eth0.hwaddr=00:16:3e:00:00:64 </dev/null
    lxc config set hugo cloud-init.network-config - <network.yaml
    lxc start hugo </dev/null
    lxc exec hugo -- cloud-init status --wait </dev/null
'
