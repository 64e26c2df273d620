//! Addresses: well formed, inside the subnet, in one place, and enough of them.

use super::*;

#[test]
fn an_address_has_to_be_one() {
    let four = "four numbers from 0 to 255 with dots in between, such as `192.168.0.100`";
    let service = |address: &str| format!("port: 8080\n    address: {address}");
    let of = "`address` of service `hugo`:";
    wrong("port: 8080", &service("«10.0.0.300»"), &format!("{of} `10.0.0.300` is not an IPv4 address"), four);
    wrong("port: 8080", &service("«hugo»"), &format!("{of} `hugo` is not an IPv4 address"), four);
    wrong(
        "port: 8080",
        &service("«10.0.0.9/24»"),
        &format!("{of} `10.0.0.9/24` is not an IPv4 address"),
        "write the address alone, without `/` and what follows",
    );
    wrong(
        "port: 8080",
        &service("«'fd00::9'»"),
        &format!("{of} `fd00::9` is not an IPv4 address"),
        "stacks use IPv4 addresses for now",
    );
    wrong(
        "port: 8080",
        &service("«224.0.0.1»"),
        &format!("{of} no machine can have the address `224.0.0.1`"),
        "take one of the subnet",
    );
}

#[test]
fn a_network_has_to_be_one() {
    let such = "such as `192.168.0.0/24`, or `0.0.0.0/0` for everyone";
    wrong("[10.9.0.0/16]", "[«10.9.0.0/33»]", "`ssh_from` of host group `lxd`: `10.9.0.0/33` is not a network", such);
    wrong(
        "[10.9.0.0/16]",
        "[10.8.0.0/16, «10.9.0.1»]",
        "`ssh_from` of host group `lxd`: `10.9.0.1` is not a network",
        "write `10.9.0.1/32` for this one address",
    );
    wrong(
        "subnet: 10.0.0.0/24",
        "subnet: «10.0.0.1/24»",
        "`subnet` of `network`: `10.0.0.1/24` has bits after its prefix",
        "write `10.0.0.0/24` for the network, or `10.0.0.1/32` for the one address",
    );
    wrong("listen: 80", "listen: 80\n    allow: [«all»]", "`allow` of balancer `web`: `all` is not a network", such);
}

#[test]
fn a_range_has_to_be_one() {
    wrong(
        "10.0.0.100-10.0.0.109",
        "«10.0.0.100»",
        "`containers` of `network`: `10.0.0.100` is not a range of IPv4 addresses such as `192.168.0.100-192.168.0.199`",
        "write the first and the last address with a `-` in between",
    );
    wrong(
        "10.0.0.100-10.0.0.109",
        "«10.0.0.109-10.0.0.100»",
        "`containers` of `network`: the range `10.0.0.109-10.0.0.100` ends before it begins",
        "exchange the two addresses",
    );
}

#[test]
fn ranges_and_addresses_lie_in_the_subnet() {
    let narrow = "narrow the range, or correct `network.subnet`";
    wrong(
        "10.0.0.100-10.0.0.109",
        "«10.0.0.100-10.0.1.9»",
        "`network.containers` reaches outside the subnet `10.0.0.0/24`",
        narrow,
    );
    wrong(
        "10.0.0.100-10.0.0.109",
        "«10.0.0.200-10.0.0.255»",
        "`network.containers` reaches outside the subnet `10.0.0.0/24`",
        narrow,
    );
    wrong(
        "  name: default",
        "  name: default\n  dhcp_pool: «10.1.0.2-10.1.0.20»",
        "`network.dhcp_pool` reaches outside the subnet `10.0.0.0/24`",
        narrow,
    );
    let choose = "choose another address, or correct `network.subnet`";
    let service = |address: &str| format!("port: 8080\n    address: «{address}»");
    wrong(
        "port: 8080",
        &service("10.0.1.5"),
        "the address `10.0.1.5` of service `hugo` lies outside the subnet `10.0.0.0/24`",
        choose,
    );
    wrong(
        "port: 8080",
        &service("10.0.0.0"),
        "the address `10.0.0.0` of service `hugo` is the address of the network `10.0.0.0/24` itself",
        choose,
    );
    wrong(
        "listen: 80",
        "listen: 80\n    address: «10.0.0.255»",
        "the address `10.0.0.255` of balancer `web` is the broadcast address of `10.0.0.0/24`",
        choose,
    );
    wrong(
        "subnet: 10.0.0.0/24",
        "subnet: «10.0.0.0/31»",
        "the subnet `10.0.0.0/31` has no room for hosts and containers",
        "such as `192.168.0.0/24`",
    );
    stack_of(&changed("  subnet: 10.0.0.0/24\n", "").replace("port: 8080", "port: 8080\n    address: 10.0.1.5"));
}

#[test]
fn what_neutron_hands_out_is_not_given_to_containers() {
    wrong(
        "  name: default",
        "  name: default\n  dhcp_pool: «10.0.0.2-10.0.0.100»",
        "`network.dhcp_pool` and `network.containers` overlap",
        "Neutron hands out the addresses of the pool; keep it clear of the containers'",
    );
    let text = GOOD
        .replace("  name: default", "  name: default\n  dhcp_pool: 10.0.0.2-10.0.0.20")
        .replace("port: 8080", "port: 8080\n    address: «10.0.0.9»");
    wrong_text(
        &text,
        "the address `10.0.0.9` of service `hugo` lies in `network.dhcp_pool`",
        "Neutron could hand it to another machine; choose another one, or narrow the pool",
    );
}

#[test]
fn an_address_is_in_one_place() {
    let leave = "choose another address, or leave one of the two out";
    let hugo = GOOD.replace("port: 8080", "port: 8080\n    address: 10.0.0.50");
    wrong_text(
        &hugo.replace("balancers:", "  b: {image: 'ubuntu:24.04', address: «10.0.0.50»}\nbalancers:"),
        "the address `10.0.0.50` of service `b` is that of service `hugo`",
        leave,
    );
    wrong_text(
        &hugo.replace("listen: 80", "listen: 80\n    address: «10.0.0.50»"),
        "the address `10.0.0.50` of balancer `web` is that of service `hugo`",
        leave,
    );
    let two = |listen: &str| {
        let second = format!("  two: {{service: hugo, listen: {listen}, address: «10.0.0.200»}}\n");
        GOOD.replace("listen: 80", "listen: 80\n    address: 10.0.0.200") + &second
    };
    wrong_text(&two("80"), "balancer `web` and balancer `two` both listen on `10.0.0.200:80`", leave);
    wrong_text(&two("81"), "the address `10.0.0.200` of balancer `two` is that of balancer `web`", leave);
}

#[test]
fn a_floating_ip_is_in_one_place() {
    let text = GOOD
        .replace("flavor: small", "flavor: small\n    floating_ip: 203.0.113.7")
        .replace("listen: 80", "listen: 80\n    floating_ip: «203.0.113.7»");
    wrong_text(
        &text,
        "the floating IP `203.0.113.7` of balancer `web` is that of host group `lxd`",
        "take another one, or write `true` for any",
    );
    stack_of(&GOOD.replace("listen: 80", "listen: 80\n    floating_ip: true"));
}

#[test]
fn every_container_has_an_address() {
    let text = |replicas: u32| {
        GOOD.replace("10.0.0.100-10.0.0.109", "«10.0.0.100-10.0.0.109»")
            .replace("port: 8080", &format!("port: 8080\n    address: 10.0.0.50\n    replicas: {replicas}"))
            .replace("listen: 80", "listen: 80\n    address: 10.0.0.105")
    };
    // Ten in the range, one of them the balancer's; the first container has its own outside.
    stack_of(&text(10).replace(['«', '»'], ""));
    wrong_text(
        &text(11),
        "10 containers need an address, and `network.containers` has 9 to give",
        "widen the range, or lower `replicas`; 1 of its addresses are given to something else",
    );
    wrong_text(
        &changed("10.0.0.100-10.0.0.109", "«10.0.0.100-10.0.0.100»")
            .replace("port: 8080", "port: 8080\n    replicas: 2"),
        "2 containers need an address, and `network.containers` has 1 to give",
        "widen the range, or lower `replicas`",
    );
}

#[test]
fn a_door_that_nobody_may_pass_is_noticed() {
    wrong(
        "listen: 80",
        "listen: 80\n    allow: «[]»",
        "nobody may connect to balancer `web`",
        "leave `allow` out to admit everyone, or name the networks",
    );
    let loaded = load_text(&changed("    ssh_from: [10.9.0.0/16]\n", "")).unwrap();
    let [warning] = &loaded.warnings[..] else { panic!("one warning") };
    assert_eq!(warning.severity, Severity::Warning);
    assert_eq!((warning.place.line(), warning.place.column()), (7, 3), "at the group's name");
    assert_eq!(warning.hint.as_deref(), Some("add `ssh_from: [YOUR.ADDRESS/32]`, or `[0.0.0.0/0]` to admit everyone"));
}
