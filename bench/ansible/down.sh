#!/bin/bash
# Takes away what the playbook made.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=environment.sh
. "$(dirname "$0")/environment.sh"
# shellcheck disable=SC2154 # of environment.sh
exec "$environment/bin/ansible-playbook" down.yml
