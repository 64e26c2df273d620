# Incus, from the distribution's package. Read by pontoon-host, whose functions it calls.

engine_is_a_snap() { return 1; }

start_engine() {
    if ! any /lib/systemd/system/incus.service; then
        # incus-base is the part for containers, without QEMU, where the distribution has split it off.
        apt-get -q -o DPkg::Lock::Timeout=600 update || true
        if apt-cache show incus-base >/dev/null 2>&1; then
            install_packages incus-base incus-client
        else
            install_packages incus
        fi
    fi
    systemctl start incus.socket || fail "incus.socket does not start"
    incus admin waitready --timeout=180 </dev/null || fail "does not become ready"
    incus admin init --preseed </etc/pontoon/preseed.yaml || fail "refuses /etc/pontoon/preseed.yaml"
    let_login_use incus-admin
}
