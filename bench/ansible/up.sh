#!/bin/bash
# Runs the playbook with the Ansible that prepare.sh has put there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=environment.sh
. "$(dirname "$0")/environment.sh"
# shellcheck disable=SC2154 # of environment.sh
exec "$environment/bin/ansible-playbook" up.yml
