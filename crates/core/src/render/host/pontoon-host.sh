#!/bin/sh
# Makes this machine a host of containers: a bridge over its network card, a DHCP server that answers known
# containers only, and a container engine. cloud-init runs it once; it may be run again at any time, and then
# changes only what is not as it should be. Nothing is fetched when everything is installed already.
#
# It ends with status 0 and "ready", or names the step that failed and ends with status 1, which cloud-init reports.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
DEBIAN_FRONTEND=noninteractive
export PATH DEBIAN_FRONTEND

MAC='' MTU='' ENGINE='' STORAGE='' LOGIN='' DHCP_HOSTS=''
# shellcheck source=/dev/null
. /etc/pontoon/host.conf
# Defines engine_is_a_snap and start_engine.
# shellcheck source=/dev/null
. /etc/pontoon/engine.sh

STAGED=/etc/pontoon/network
ASIDE=/etc/pontoon/network/aside
ADDRESS_WAIT_SECONDS=120
STEP=start

main() {
    trap report EXIT
    show_host_keys
    STEP=network
    bridge_the_card
    sysctl -q -p /etc/sysctl.d/60-pontoon.conf
    STEP=dnsmasq
    start_dnsmasq
    STEP=storage
    install_storage_tools
    STEP="$ENGINE"
    start_engine
    STEP=ready
    say "ready: br0 has $(address_of br0), $ENGINE is initialised"
}

say() { echo "pontoon-host: $*"; }

fail() {
    say "step $STEP: $*"
    exit 1
}

report() {
    code=$?
    [ "$code" -eq 0 ] || say "FAILED at step $STEP (status $code)"
}

has() { command -v "$1" >/dev/null 2>&1; }

any() {
    for file in "$@"; do
        [ -e "$file" ] && return 0
    done
    return 1
}

# cloud-init shows the host keys only after its last module; whoever waits for them need not wait for the engine. It
# shows them on /dev/console, which is the last console of the kernel's command line; the cloud may be reading another.
show_host_keys() {
    key=/etc/ssh/ssh_host_ed25519_key.pub
    [ -r "$key" ] || return 0
    for console in $(cat /sys/class/tty/console/active 2>/dev/null || echo console); do
        [ -w "/dev/$console" ] || continue
        {
            echo '-----BEGIN SSH HOST KEY KEYS-----'
            cat "$key"
            echo '-----END SSH HOST KEY KEYS-----'
        } 2>/dev/null >"/dev/$console" || true
    done
}

install_packages() {
    say "installing $*"
    for attempt in 1 2 3; do
        if apt-get -q -o DPkg::Lock::Timeout=600 update &&
            apt-get -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends install "$@"; then
            return 0
        fi
        say "apt-get failed, attempt $attempt of 3"
        sleep 10
    done
    fail "cannot install $*: is there a package mirror, or an image that has them already?"
}

# ---- network ----

# The bridge carries the card's own address, so a bridge is never the card.
card() {
    for path in /sys/class/net/*; do
        [ -d "$path/bridge" ] && continue
        [ "$(cat "$path/address" 2>/dev/null)" = "$MAC" ] || continue
        basename "$path"
        return 0
    done
    return 1
}

address_of() { ip -4 -o address show dev "$1" scope global 2>/dev/null | awk '{ print $4; exit }'; }

bridged() {
    [ "$(cat /sys/class/net/br0/address 2>/dev/null)" = "$MAC" ] &&
        [ "$(cat /sys/class/net/br0/mtu)" = "$MTU" ] &&
        [ -e "/sys/class/net/br0/brif/$NIC" ] &&
        [ -n "$(address_of br0)" ]
}

card_has_address() { [ -n "$(address_of "$NIC")" ]; }

wait_for() {
    seconds=0
    until "$@"; do
        [ "$seconds" -lt "$ADDRESS_WAIT_SECONDS" ] || return 1
        sleep 1
        seconds=$((seconds + 1))
    done
}

bridge_the_card() {
    NIC=$(card) || fail "no network card has the address $MAC"
    before=$(address_of "$NIC")
    variant=$(network_variant) || fail "found none of netplan, systemd-networkd and ifupdown in charge of $NIC"
    if "staged_$variant" && bridged; then
        say "br0 is there already ($variant)"
        return 0
    fi
    say "moving $NIC (${before:-no address}) into br0 by $variant"
    # Both commands are tests, so that a failure of one of them is followed by the way back, never by an exit.
    if "apply_$variant" && wait_for bridged; then
        # An address that stayed on the card would be a second, wrong way out.
        ip -4 address flush dev "$NIC" scope global
        now=$(address_of br0)
        [ -z "$before" ] || [ "$before" = "$now" ] || say "warning: the address changed from $before to $now"
        ip link set dev "$NIC" promisc on
        say "br0 has $now"
        return 0
    fi
    say "br0 as the system shows it: $(ip -br address show dev br0 2>&1)"
    if "restore_$variant" && wait_for card_has_address; then
        fail "br0 got no address by $variant; the image's own network configuration is back in force"
    fi
    fail "br0 got no address by $variant, and $NIC none by the image's own network configuration"
}

# Who is in charge is told by what cloud-init wrote for it (or by what an earlier run of this script left).
network_variant() {
    if has netplan && any /etc/netplan/*.yaml; then
        echo netplan
    elif has ifup && any /etc/network/interfaces.d/50-cloud-init* /etc/network/interfaces.d/60-pontoon; then
        echo ifupdown
    elif systemctl is-active --quiet systemd-networkd.service; then
        echo networkd
    else
        return 1
    fi
}

# Every file but ours would be a second opinion about the same card: it waits in $ASIDE for a way back.
set_aside() {
    mkdir -p "$ASIDE"
    for file in "$@"; do
        case "$file" in
        *pontoon*) ;;
        *) if [ -e "$file" ]; then mv "$file" "$ASIDE/"; fi ;;
        esac
    done
}

put_back() {
    for file in "$ASIDE"/*; do
        if [ -e "$file" ]; then mv "$file" "$1/"; fi
    done
}

staged_netplan() { cmp -s "$STAGED/netplan.yaml" /etc/netplan/60-pontoon.yaml; }

apply_netplan() {
    set_aside /etc/netplan/*.yaml &&
        install -m 600 "$STAGED/netplan.yaml" /etc/netplan/60-pontoon.yaml &&
        mkdir -p /etc/systemd/network/10-netplan-nic.network.d &&
        install -m 644 "$STAGED/promiscuous.conf" /etc/systemd/network/10-netplan-nic.network.d/pontoon.conf &&
        netplan generate &&
        netplan apply
}

restore_netplan() {
    rm -rf /etc/netplan/60-pontoon.yaml /etc/systemd/network/10-netplan-nic.network.d
    put_back /etc/netplan
    ip link delete dev br0 2>/dev/null || true
    netplan apply
}

staged_networkd() {
    for file in 10-pontoon-br0.netdev 10-pontoon-br0.network 10-pontoon-nic.network; do
        cmp -s "$STAGED/$file" "/etc/systemd/network/$file" || return 1
    done
}

apply_networkd() {
    set_aside /etc/systemd/network/10-cloud-init-*.network &&
        install -m 644 "$STAGED"/10-pontoon-* /etc/systemd/network/ &&
        networkctl reload &&
        networkctl reconfigure "$NIC"
}

restore_networkd() {
    for file in 10-pontoon-br0.netdev 10-pontoon-br0.network 10-pontoon-nic.network; do
        rm -f "/etc/systemd/network/$file"
    done
    put_back /etc/systemd/network
    ip link delete dev br0 2>/dev/null || true
    networkctl reload && networkctl reconfigure "$NIC"
}

interfaces() { sed "s/@NIC@/$NIC/g" "$STAGED/interfaces"; }

staged_ifupdown() { interfaces | cmp -s - /etc/network/interfaces.d/60-pontoon; }

apply_ifupdown() {
    ifdown --force "$NIC" || true
    set_aside /etc/network/interfaces.d/50-cloud-init* &&
        interfaces >/etc/network/interfaces.d/60-pontoon &&
        ip -4 address flush dev "$NIC" &&
        ifup br0
}

restore_ifupdown() {
    ifdown --force br0 || true
    rm -f /etc/network/interfaces.d/60-pontoon
    put_back /etc/network/interfaces.d
    ip link delete dev br0 2>/dev/null || true
    ifup --force "$NIC"
}

# ---- dnsmasq ----

start_dnsmasq() {
    mkdir -p "$DHCP_HOSTS"
    chmod 755 "$DHCP_HOSTS"
    # dnsmasq-utils has dhcp_release, which frees an address before its lease ends. An image that has dnsmasq without it
    # does not fetch it: there may be no mirror, and the lease is short.
    if ! systemctl cat dnsmasq.service >/dev/null 2>&1; then
        install_packages dnsmasq dnsmasq-utils
    fi
    # The package asks to be the system's own resolver; this one serves containers and leaves lo alone.
    if ! grep -qs '^DNSMASQ_EXCEPT="lo"$' /etc/default/dnsmasq; then
        echo 'DNSMASQ_EXCEPT="lo"' >>/etc/default/dnsmasq
        # Newer than the running server, which is therefore restarted.
        touch /etc/dnsmasq.d/pontoon.conf
    fi
    dnsmasq --test --conf-file=/etc/dnsmasq.d/pontoon.conf || fail "its configuration is refused"
    systemctl daemon-reload
    systemctl enable --quiet dnsmasq.service || fail "the unit cannot be enabled"
    if ! dnsmasq_is_current; then
        systemctl restart dnsmasq.service || fail "does not start: see journalctl -u dnsmasq"
    fi
    systemctl is-active --quiet dnsmasq.service || fail "started and ended again: see journalctl -u dnsmasq"
}

dnsmasq_is_current() {
    systemctl is-active --quiet dnsmasq.service &&
        [ -z "$(find /etc/dnsmasq.d -name '*.conf' -newer /run/dnsmasq/dnsmasq.pid 2>&1)" ]
}

# ---- engine ----

# A snap brings its own tools; what an engine from a package calls must be installed beside it.
install_storage_tools() {
    if engine_is_a_snap; then return 0; fi
    case "$STORAGE" in
    btrfs) has mkfs.btrfs || install_packages btrfs-progs ;;
    zfs) has zpool || install_packages zfsutils-linux ;;
    esac
    has nft || has ebtables || install_packages nftables
}

# Here and not in the cloud-config's `users`: a group made before the engine's package is no system group, and the
# package would trip over it.
let_login_use() {
    usermod -a -G "$1" "$LOGIN" || fail "cannot add $LOGIN to the group $1"
}

main
