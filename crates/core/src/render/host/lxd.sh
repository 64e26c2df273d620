# LXD: a snap on Ubuntu, a package on Debian. Read by pontoon-host, whose functions it calls.

engine_is_a_snap() {
    has snap || return 1
    snap wait system seed.loaded || return 1
    snap list lxd >/dev/null 2>&1 && return 0
    # Ubuntu has no package of LXD itself, only one whose `lxd` installs the snap when it is called.
    ! any /lib/systemd/system/lxd.service
}

start_engine() {
    if engine_is_a_snap; then
        snap list lxd >/dev/null 2>&1 ||
            snap install lxd --channel=5.21/stable ||
            fail "snap cannot install it: is the store reachable?"
    else
        any /lib/systemd/system/lxd.service || install_packages lxd lxd-client dnsmasq-base zstd
        systemctl start lxd.socket || fail "lxd.socket does not start"
    fi
    lxd waitready --timeout=180 </dev/null || fail "does not become ready"
    lxd init --preseed </etc/pontoon/preseed.yaml || fail "refuses /etc/pontoon/preseed.yaml"
    let_login_use lxd
}
