#!/bin/bash
# Ansible as its users install it, in a directory of its own. It is run before the clock, on the machine itself: the lab
# reaches no package index.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=environment.sh
. "$(dirname "$0")/environment.sh"
# shellcheck disable=SC2154 # of environment.sh
if [ ! -e "$environment/.complete" ]; then
    python3 -m venv --clear "$environment"
    "$environment/bin/pip" install --quiet --requirement requirements.txt
    touch "$environment/.complete"
fi
