#!/bin/bash
# Says what there is of the lab, and how to get into it.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"

printf 'images    %s\n' "$images"
for image in "$host_image" "$container_image"; do
    if [ -e "$image" ]; then printf '          %s\n' "$(basename "$image")"; fi
done
if ! ip netns list | grep -qE "^$lan( |$)"; then
    echo "network   not up"
else
    printf 'network   %s in the network namespace %s, router %s\n' "$subnet" "$lan" "$gateway"
fi
for name in $(machines); do
    if runs "$name"; then how="runs, process $(pid_of "$name")"; else how=stopped; fi
    printf 'machine   %s at %s %s; console %s/console\n' "$name" "$(cat "$(machine "$name")/address")" "$how" "$(machine "$name")"
    printf '          ip netns exec %s ssh -i %s/id_ed25519 pontoon@%s\n' "$lan" "$state" "$(cat "$(machine "$name")/address")"
    printf '          %s/machine.sh run %s bash\n' "$here" "$name"
done
