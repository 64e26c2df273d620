# shellcheck shell=bash
# shellcheck disable=SC2034  # these are used by who sources this
# What the lab's programs agree on: where things lie, what they are called, how one gets in. Sourced, never run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Images are built once and kept; everything else lives in the directory of the lab. The same variables as the LXD lab's.
images=${PONTOON_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pontoon/lab}
lab=${PONTOON_LAB_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/pontoon/lab}/openstack
config=$lab/config # rendered from conf/, laid over /etc/<service> inside the lab only
state=$lab/state   # laid over /var/lib/<service> inside the lab only
logs=$lab/log      # one file a service
run=$lab/run       # process ids as the lab counts them, and sockets; gone with the lab

# The networks are those that are set aside for documentation.
internet=203.0.113.1   # the internet side: the public APIs and the git server answer here
internal=127.0.0.1     # where the services themselves listen
management=172.31.0.1  # where Octavia's controller meets its amphorae
tunnel=198.51.100.1    # end of the tunnels of tenant networks
password=labpass       # of everybody; the lab is reached from nowhere else

# How guests are run: `qemu` is software emulation and works everywhere, `kvm` needs /dev/kvm.
virtualization=${PONTOON_LAB_VIRTUALIZATION:-qemu}

# The recipe is everything that decides what is in an image.
recipe=$(sha256sum "$here/image.sh" | cut -c1-12)
image() { printf '%s/openstack-%s-%s\n' "$images" "$1" "$recipe"; }

# Files of Octavia that configuration.sh mends.
octavia=/usr/lib/python3/dist-packages/octavia
octavia_mended=(controller/worker/v2/controller_worker.py controller/worker/v2/flows/load_balancer_flows.py)

# The caller's own Python, proxies and language must not reach the services.
clean=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
    OS_CLIENT_CONFIG_FILE="$lab/clouds.yaml" SSH_AUTH_SOCK="$run/agent.sock")

# Where they lie is decided by who calls; programs that run inside hear it again.
where=(PONTOON_LAB_CACHE="$images" PONTOON_LAB_STATE="$(dirname "$lab")")

# The first process of the lab: its namespaces live as long as it does. A pid may be another's by now; its command line
# tells. Another checkout may have brought the lab up.
holder() {
    local pid
    pid=$(cat "$run/holder.pid" 2>/dev/null) && grep -qsaF lab/openstack/namespace.sh "/proc/$pid/cmdline" && echo "$pid"
}

# Runs a command in all of the lab's namespaces. The working directory there is /.
inside() {
    local pid
    pid=$(holder) || fail "the lab is not up"
    nsenter --target "$pid" --mount --uts --ipc --net --pid --wdns=/ -- "${clean[@]}" "$@"
}

is_alive() { [ -s "$run/$1.pid" ] && inside kill -0 "$(cat "$run/$1.pid")" 2>/dev/null; }

say() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }

fail() {
    printf 'openstack: %s\n' "$*" >&2
    exit 1
}

need_root() { [ "$(id -u)" -eq 0 ] || fail "needs root: it makes namespaces, mounts and bridges"; }

# What all processes of the lab take together, in MiB; pages that several share are counted once.
memory_of_the_lab() {
    # shellcheck disable=SC2016  # expanded inside
    inside sh -c 'cat /proc/[0-9]*/smaps_rollup 2>/dev/null' | awk '/^Pss:/ { sum += $2 } END { printf "%d", sum / 1024 }'
}
