# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is used by those who source it
# What the lab's programs agree on: where things lie and what they are called. Sourced, never run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# A second lab beside the first has another name; tests use one of their own.
lab=${PONTOON_LAB_LXD:-lxd}

# Images are built once and kept; machines live in a directory of their lab.
images=${PONTOON_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pontoon/lab}/lxd
state=${PONTOON_LAB_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/pontoon/lab}/$lab

# The recipe is everything that decides what is in the images.
recipe=$(cd "$here" && find images.sh image -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)
container_image=$images/container-$recipe.tar.zst
host_image=$images/host-$recipe

# The network namespace that stands for the tenant network and its router; that of a machine is `$lan-NAME`.
lan=pontoon-$lab
gateway=192.168.0.1
subnet=192.168.0.0/24
prefix_length=24

say() { printf '%s: %s\n' "$lab" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

need_root() { [ "$(id -u)" -eq 0 ] || fail "needs root: it makes namespaces, mounts and bridges"; }

machine() { printf '%s/machines/%s\n' "$state" "$1"; }

machines() {
    local directory
    for directory in "$state"/machines/*/; do
        [ -d "$directory" ] && basename "$directory"
    done
}

# The process of `unshare` that a machine's first process is a child of; it lives exactly as long.
pid_of() { cat "$(machine "$1")/pid" 2>/dev/null; }

# A pid may be another's by now, after a reboot of the real machine; its command line tells.
runs() {
    local pid
    pid=$(pid_of "$1") && grep -qsF "$(machine "$1")" "/proc/$pid/cmdline"
}

# The hierarchies of the real machine, by where they are mounted: of version 1 there are many, of version 2 one.
control_groups() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts; }
