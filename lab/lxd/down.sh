#!/bin/bash
# Takes the lab down: machines end as if their power went, and nothing of the network is left. Their disks stay for the
# next `up`.
#
#   down.sh              the disks stay
#   down.sh --delete     the disks go too; the images stay
#   down.sh --purge      the images go too
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

need_root
case "${1:-}" in
'') verb=stop ;;
--delete | --purge) verb=delete ;;
*) fail "down.sh does not know \`$1\`" ;;
esac
for name in $(machines); do "$here/machine.sh" "$verb" "$name"; done
server=$(cat "$state/dnsmasq.pid" 2>/dev/null || true)
if [ -n "$server" ] && grep -qsF "$state/dnsmasq.conf" "/proc/$server/cmdline"; then kill "$server"; fi
rm -f "$state/dnsmasq.pid"
ip netns delete "$lan" 2>/dev/null || true
for group in $(control_groups); do
    if [ -d "$group/$lan" ]; then rmdir "$group/$lan" || say "$group/$lan is still in use"; fi
done
if [ "$verb" = delete ]; then rm -rf --one-file-system "$state"; fi
if [ "${1:-}" = --purge ]; then rm -rf --one-file-system "$images"; fi
