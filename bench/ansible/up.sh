#!/bin/bash
# Runs the playbook. Ansible itself comes into a directory of its own on the first run.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=environment.sh
. "$(dirname "$0")/environment.sh"
# shellcheck disable=SC2154 # of environment.sh
exec "$environment/bin/ansible-playbook" up.yml
