#!/bin/bash
# Runs a command on the lab's internet side: in its network, with its credentials and ssh key, and with all else of
# this machine.   run.sh pontoon up examples/blog --cloud lab
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

need_root
[ $# -gt 0 ] || fail "usage: run.sh COMMAND…"
first=$(holder) || fail "the lab is not up"
export OS_CLIENT_CONFIG_FILE=$lab/clouds.yaml SSH_AUTH_SOCK=$run/agent.sock OS_CLOUD=${OS_CLOUD:-lab}
exec nsenter --target "$first" --net -- "$@"
