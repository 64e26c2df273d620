#!/bin/bash
# Brings up a real OpenStack on this machine, in namespaces of its own.   up.sh [--heat]
#
# What is there already stays: packages, images, the state of an earlier run, services that run. So it goes on where an
# earlier run stopped, and does nothing where all is well. Needs root, and Debian 12 for the packages.
set -euo pipefail
# shellcheck source=names.sh
. "$(dirname "$0")/names.sh"
# shellcheck source=configuration.sh
. "$here/configuration.sh"
# shellcheck source=services.sh
. "$here/services.sh"
# shellcheck source=files.sh
. "$here/files.sh"

main() {
    need_root
    local with_heat=no
    case "${1:-}" in
    '') ;;
    --heat) with_heat=yes ;;
    *) fail "usage: up.sh [--heat]" ;;
    esac
    mkdir -p "$images" "$config" "$state" "$logs/libvirt" "$run"
    exec 9>"$run/lock"
    flock 9 # two runs at the same moment are one after the other

    install_packages
    build_images
    if ! holder >/dev/null; then
        copy_packaged_configuration
        mend_octavia
        make_state_directories
        make_key
        make_git_repositories
    fi
    render_configuration
    make_certificates
    enter_namespaces
    start_foundations
    make_schemas
    start_identity
    once identity seed identity
    start_cloud
    once cloud seed cloud
    render_configuration # the ids of Octavia's network are known now
    start_octavia
    if [ $with_heat = yes ]; then start_heat; fi
    seed ready
    say "the lab is up and takes $(memory_of_the_lab) MiB: $here/status.sh shows it"
}

install_packages() {
    local wanted package missing=()
    mapfile -t wanted < <(sed 's/#.*//' "$here/packages.txt" | xargs -n 1)
    for package in "${wanted[@]}"; do
        dpkg-query -Wf '${db:Status-Status}' "${package%/*}" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    grep -qx VERSION_CODENAME=bookworm /etc/os-release || fail "the packages of the lab are those of Debian 12"
    say "installing ${#missing[@]} packages and what they need"
    # Packages start nothing on the machine itself: their services run in the lab only.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
    fi
    apt_get update
    apt_get --no-install-recommends --allow-downgrades -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold install "${wanted[@]}"
    say "packages installed"
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" >>"$logs/packages.log" 2>&1 </dev/null ||
        fail "apt-get failed: $(tail -5 "$logs/packages.log")"
}

build_images() {
    local kind
    for kind in host amphora; do
        [ -e "$(image $kind).qcow2" ] || "$here/image.sh" $kind
    done
    make_container_image
}

make_state_directories() {
    local service
    for service in mysql rabbitmq glance nova neutron octavia libvirt keystone; do mkdir -p "$state/$service"; done
    mkdir -p "$state/nova/lock" "$state/nova/instances" "$state/neutron/lock" "$state/glance/images"
    chown mysql:mysql "$state/mysql"
    chown rabbitmq:rabbitmq "$state/rabbitmq"
}

enter_namespaces() {
    local launcher
    holder >/dev/null && return 0
    rm -f "$run"/*.pid "$run"/*.ready "$run"/*.sock
    # 9 is the lock of this run, which must not live on with the lab.
    setsid unshare --net --mount --uts --ipc --pid --fork --kill-child --propagation private \
        "${clean[@]}" "${where[@]}" "$here/namespace.sh" >>"$logs/namespace.log" 2>&1 </dev/null 9>&- &
    launcher=$!
    wait_for "the namespace" 20 test -e "$run/namespace.ready"
    pgrep -P "$launcher" >"$run/holder.pid"
    holder >/dev/null || fail "the first process of the lab is not found"
    say "namespaces are there"
}

# once NAME COMMAND…: not again after it succeeded
once() {
    [ ! -e "$state/.done-$1" ] || return 0
    "${@:2}"
    touch "$state/.done-$1"
    say "$1 done"
}

seed() {
    inside env password="$password" internet="$internet" internal="$internal" state="$state" \
        host_image="$(image host)" amphora_image="$(image amphora)" /usr/bin/python3 "$here/seed.py" "$1" \
        >>"$logs/seed.log" 2>&1 || fail "seed.py $1 failed: $(tail -3 "$logs/seed.log")"
}

main "$@"
