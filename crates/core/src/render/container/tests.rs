#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use serde_json::Value;

use super::*;
use crate::key::Kind;

fn hugo() -> ContainerDocument {
    ContainerDocument {
        stack: "blog".into(),
        key: Key::new("blog", Kind::Container, "lxd0/hugo-0"),
        service: "hugo".into(),
        name: "hugo-0".into(),
        address: [192, 168, 0, 100].into(),
        mac: "00:16:3e:91:2c:9c".parse().unwrap(),
        attachment: Attachment::PairMac,
        addressing: Addressing::Dnsmasq,
        subnet: "192.168.0.0/24".parse().unwrap(),
        gateway: Some([192, 168, 0, 1].into()),
        nameservers: vec![[8, 8, 4, 4].into(), [8, 8, 8, 8].into()],
        mtu: 1450,
        image: ContainerImage::Simplestreams { server: "https://example.org".into(), alias: "24.04".into() },
        user_data: None,
        limits: Limits::default(),
        agent: Install::No,
    }
}

fn with(attachment: Attachment, addressing: Addressing) -> ContainerDocument {
    ContainerDocument { attachment, addressing, ..hugo() }
}

fn network(instance: &InstanceConfig) -> Value {
    serde_saphyr::from_str(&instance.config["cloud-init.network-config"]).unwrap()
}

#[test]
fn a_container_carries_its_key_its_generation_and_its_services_profile() {
    let instance = container(&hugo());
    assert_eq!(instance.config["user.pontoon.key"], "pontoon:blog:container/lxd0/hugo-0");
    assert_eq!(instance.config["user.pontoon.generation"], instance.generation);
    assert_eq!(instance.profiles, ["default", "hugo"]);
}

#[test]
fn a_bridged_container_keeps_to_its_own_address_and_asks_dnsmasq() {
    for attachment in [Attachment::PairMac, Attachment::Open] {
        let instance = container(&with(attachment, Addressing::Dnsmasq));
        let card = &instance.devices["eth0"];
        assert_eq!((card["nictype"].as_str(), card["parent"].as_str()), ("bridged", "br0"));
        assert_eq!((card["hwaddr"].as_str(), card["mtu"].as_str()), ("00:16:3e:91:2c:9c", "1450"));
        assert_eq!(card["security.mac_filtering"], "true");
        let eth0 = network(&instance)["ethernets"]["eth0"].clone();
        assert_eq!((&eth0["dhcp4"], &eth0["dhcp6"], &eth0["accept-ra"]), (&json!(true), &json!(false), &json!(false)));
        assert!(!instance.config.contains_key("cloud-init.vendor-data"));
    }
}

#[test]
fn a_static_container_asks_nobody() {
    let instance = container(&with(Attachment::PairMac, Addressing::NetworkConfig));
    let eth0 = network(&instance)["ethernets"]["eth0"].clone();
    assert_eq!(eth0["dhcp4"], false);
    assert_eq!(eth0["addresses"], json!(["192.168.0.100/24"]));
    assert_eq!(eth0["routes"], json!([{"to": "0.0.0.0/0", "via": "192.168.0.1"}]));
    assert_eq!(eth0["nameservers"]["addresses"], json!(["8.8.4.4", "8.8.8.8"]));
    assert_eq!(eth0["mtu"], 1450);
}

#[test]
fn with_raw_lxc_cloud_init_says_what_lxc_does_and_the_name_servers_survive_the_authors_bootcmd() {
    let instance = container(&with(Attachment::PairMac, Addressing::RawLxc));
    assert_eq!(
        instance.config["raw.lxc"],
        "lxc.net.0.ipv4.address = 192.168.0.100/24\nlxc.net.0.ipv4.gateway = 192.168.0.1\n"
    );
    assert_eq!(instance.config["user.network_mode"], "link-local");
    let eth0 = network(&instance)["ethernets"]["eth0"].clone();
    assert_eq!((&eth0["dhcp4"], &eth0["addresses"]), (&json!(false), &json!(["192.168.0.100/24"])));
    let hook = &instance.config["cloud-init.vendor-data"];
    assert!(hook.starts_with("#cloud-boothook\n#!/bin/sh\n"), "{hook}");
    assert!(hook.contains(r"nameserver 8.8.4.4\nnameserver 8.8.8.8\n"), "{hook}");
}

#[test]
fn a_routed_container_is_static_whatever_addressing_is_asked_for() {
    for addressing in [Addressing::Dnsmasq, Addressing::NetworkConfig, Addressing::RawLxc] {
        let instance = container(&with(Attachment::PairIp, addressing));
        let card = &instance.devices["eth0"];
        assert_eq!((card["nictype"].as_str(), card["ipv4.address"].as_str()), ("routed", "192.168.0.100"));
        assert!(!card.contains_key("security.mac_filtering"), "a routed card has no such key");
        let eth0 = network(&instance)["ethernets"]["eth0"].clone();
        assert_eq!(eth0["dhcp4"], false);
        assert_eq!(eth0["addresses"], json!(["192.168.0.100/32"]));
        assert!(instance.config["cloud-init.vendor-data"].contains("default via 169.254.0.1 dev eth0 onlink"));
        assert!(!instance.config.contains_key("raw.lxc"));
    }
}

#[test]
fn limits_change_in_place_and_everything_that_a_container_is_made_of_replaces_it() {
    let before = generation(&hugo());
    let limits = Limits { cpu: Some("2".into()), memory: Some("512MiB".into()) };
    let limited = ContainerDocument { limits, ..hugo() };
    assert_eq!(generation(&limited), before);
    assert_eq!(container(&limited).config["limits.memory"], "512MiB");

    let replaced = [
        ContainerDocument { user_data: Some("#cloud-config\n".into()), ..hugo() },
        ContainerDocument { address: [192, 168, 0, 101].into(), ..hugo() },
        ContainerDocument { mac: "00:16:3e:00:00:01".parse().unwrap(), ..hugo() },
        ContainerDocument { mtu: 1500, ..hugo() },
        ContainerDocument { image: ContainerImage::File { path: "a".into(), fingerprint: "f".into() }, ..hugo() },
        with(Attachment::PairIp, Addressing::Dnsmasq),
        with(Attachment::PairMac, Addressing::NetworkConfig),
    ];
    for document in replaced {
        assert_ne!(generation(&document), before, "{document:?}");
    }
}

#[test]
fn new_name_servers_replace_a_container_only_where_it_was_told_the_old_ones() {
    let new = vec![Ipv4Addr::new(9, 9, 9, 9)];
    for (addressing, replaced) in
        [(Addressing::Dnsmasq, false), (Addressing::NetworkConfig, true), (Addressing::RawLxc, true)]
    {
        let before = with(Attachment::PairMac, addressing);
        let after = ContainerDocument { nameservers: new.clone(), ..before.clone() };
        assert_eq!(generation(&after) != generation(&before), replaced, "{addressing:?}");
    }
}

/// The ways in which no dnsmasq tells a container whom to ask.
const UNTOLD: [(Attachment, Addressing); 3] = [
    (Attachment::PairMac, Addressing::NetworkConfig),
    (Attachment::PairMac, Addressing::RawLxc),
    (Attachment::PairIp, Addressing::Dnsmasq),
];

#[test]
fn where_there_is_an_agent_a_container_asks_its_own_host_and_nobody_else_however_it_gets_its_address() {
    for (attachment, addressing) in UNTOLD {
        let instance = container(&ContainerDocument { agent: Install::Yes, ..with(attachment, addressing) });
        let config = instance.config_on([192, 168, 0, 14].into());
        let read: Value = serde_saphyr::from_str(&config["cloud-init.network-config"]).unwrap();
        assert_eq!(read["ethernets"]["eth0"]["nameservers"], json!({"addresses": ["192.168.0.14"]}), "{addressing:?}");
        if addressing == Addressing::RawLxc && attachment == Attachment::PairMac {
            let hook = &config["cloud-init.vendor-data"];
            assert!(hook.contains(r"printf 'nameserver 192.168.0.14\n' >/etc/resolv.conf"), "{hook}");
        }
        assert!(config.values().all(|value| !value.contains('@') && !value.contains("8.8.")), "{config:?}");
    }
}

#[test]
fn a_container_that_asks_its_host_is_not_replaced_for_other_name_servers_but_for_the_end_of_agents() {
    for (attachment, addressing) in UNTOLD {
        let before = ContainerDocument { agent: Install::Yes, ..with(attachment, addressing) };
        let elsewhere = ContainerDocument { nameservers: vec![Ipv4Addr::new(9, 9, 9, 9)], ..before.clone() };
        assert_eq!(generation(&elsewhere), generation(&before), "{addressing:?}");
        let alone = ContainerDocument { agent: Install::No, ..before.clone() };
        assert_ne!(generation(&alone), generation(&before), "{addressing:?}");
    }
}

#[test]
fn a_generation_is_the_same_for_ever() {
    // A new value here replaces every container of every stack at the next `up`.
    assert_eq!(generation(&hugo()), "image=b1493193 user_data=none address=192.168.0.100 network=f6f97454");
}

#[test]
fn old_ubuntu_images_are_recognised_by_version_and_by_name_and_others_are_not() {
    let keys = |alias: &str| {
        CloudInitKeys::of(&ContainerImage::Simplestreams { server: String::new(), alias: alias.to_owned() })
    };
    for alias in ["20.04", "18.04", "focal", "ubuntu/bionic/cloud", "20.04/amd64"] {
        assert_eq!(keys(alias), CloudInitKeys::User, "{alias}");
    }
    for alias in ["24.04", "20.10", "22.04", "noble", "debian/12/cloud", "alpine/3.18", "opensuse/15.4"] {
        assert_eq!(keys(alias), CloudInitKeys::CloudInit, "{alias}");
    }
}

#[test]
fn a_container_sees_its_own_socket_and_the_program_and_starts_without_them() {
    let speaking = container(&ContainerDocument { agent: Install::Yes, ..hugo() });
    let announce = &speaking.devices["announce"];
    assert_eq!(announce["source"], "/var/lib/pontoon/announce/hugo-0");
    assert_eq!((announce["path"].as_str(), announce["readonly"].as_str()), ("/dev/pontoon/announce", "true"));
    assert_eq!(announce["required"], "false");
    assert_eq!(speaking.devices["program"]["path"], "/dev/pontoon/bin");
    assert_eq!(speaking.config["user.pontoon.address"], "192.168.0.100");
    assert_eq!(container(&hugo()).devices.len(), 1);
    assert_eq!(speaking.generation, container(&hugo()).generation, "no container is replaced for it");
}
