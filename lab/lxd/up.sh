#!/bin/bash
# Brings up the lab: images, network, and a machine for each file below DIRECTORY, which is its user-data. Waits until
# their cloud-inits have ended well. What is there already stays as it is.
#
#   up.sh DIRECTORY
#
# The files are named as their machines, and say `MAC='…'` somewhere, which is the address of their cards.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

need_root
begun=$SECONDS
"$here/images.sh" >/dev/null
"$here/network.sh"
last_octet=11
for user_data in "$1"/*; do
    name=$(basename "$user_data")
    if [ -d "$(machine "$name")" ]; then
        "$here/machine.sh" start "$name"
    else
        mac=$(sed -n "s/.*MAC='\([0-9a-f:]\{17\}\)'.*/\1/p" "$user_data" | head -n 1)
        [ -n "$mac" ] || fail "$user_data does not say MAC='…'"
        "$here/machine.sh" boot "$name" "$mac" "${subnet%.*}.$last_octet" "$user_data"
    fi
    last_octet=$((last_octet + 1))
done
for user_data in "$1"/*; do "$here/machine.sh" wait "$(basename "$user_data")"; done
say "up after $((SECONDS - begun)) s; machines: $(machines | paste -sd ' ')"
