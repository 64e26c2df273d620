#!/bin/bash
# Prints what a shell needs to use the lab, to be sourced:   . <(cargo xtask lab openstack openrc)
#
# `lab COMMAND…` then runs a command on the lab's internet side: in its network, and with all else of this machine.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

need_root
first=$(holder) || fail "the lab is not up"
if [ "${1:-}" = log ]; then # where the requests of clients are written down
    echo "$logs/haproxy.log"
    exit
fi
cat <<SHELL
export OS_CLIENT_CONFIG_FILE='$lab/clouds.yaml' OS_CLOUD=lab SSH_AUTH_SOCK='$run/agent.sock'
lab() { nsenter --target $first --net -- "\$@"; }
SHELL
