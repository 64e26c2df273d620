#!/bin/bash
# Stops the lab, and with it everything that runs in it.   down.sh [--purge]
#
# The state is kept and the next up.sh goes on with it; --purge forgets it. Images are kept either way. A balancer whose
# amphora is gone is taken for broken when Octavia comes back: delete balancers first, or forget the state.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

main() {
    need_root
    case "${1:-}" in
    '' | --purge) ;;
    *) fail "usage: down.sh [--purge]" ;;
    esac
    local first service
    if first=$(holder); then
        # What is written to a disk is asked to end; the rest the kernel ends with the first process.
        for service in nova-compute rabbitmq mariadb; do
            if is_alive $service; then inside kill -TERM "$(cat "$run/$service.pid")"; fi
        done
        wait_until_gone mariadb
        kill -KILL "$first"
        while [ -d "/proc/$first" ]; do sleep 0.1; done
    fi
    rm -rf "$run"
    if [ "${1:-}" = --purge ]; then rm -rf --one-file-system "$state" "$config" "$logs"; fi
    say "the lab is down"
}

wait_until_gone() {
    local deadline=$((SECONDS + 20))
    while is_alive "$1" && [ "$SECONDS" -lt $deadline ]; do sleep 0.2; done
}

main "$@"
