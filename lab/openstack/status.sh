#!/bin/bash
# Shows what runs in the lab, what it takes and where its logs are. Ends with 1 where something does not run.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

main() {
    need_root
    holder >/dev/null || fail "the lab is not up"
    local file name state_of all_well=yes
    printf '%-22s %-8s %8s  %s\n' service state MiB log
    for file in "$run"/*.pid; do
        name=$(basename "$file" .pid)
        [ "$name" != holder ] || continue
        state_of=runs
        is_alive "$name" || { state_of=ended all_well=no; }
        printf '%-22s %-8s %8s  %s\n' "$name" $state_of "$(memory_of_session "$(cat "$file")")" "$logs/$name.log"
    done
    printf '%s guests\n' "$(inside pgrep -c qemu-system || true)"
    printf '%s MiB in all\n' "$(memory_of_the_lab)"
    [ $all_well = yes ]
}

# A service and its workers: it was started as the first of a session.
memory_of_session() {
    inside ps -o rss= -s "$1" | awk '{ sum += $1 } END { printf "%d", sum / 1024 }'
}

main
