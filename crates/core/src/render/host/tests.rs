#![allow(clippy::unwrap_used, clippy::panic)]
use serde_json::Value;

use super::*;
use crate::render::fits_user_data;

fn lxd0() -> HostDocument {
    HostDocument {
        name: "lxd0".into(),
        stack: "blog".into(),
        mac: "fa:16:3e:00:12:34".parse().unwrap(),
        mtu: 1450,
        subnet: "192.168.0.0/24".parse().unwrap(),
        gateway: Some([192, 168, 0, 1].into()),
        nameservers: vec![[8, 8, 4, 4].into(), [8, 8, 8, 8].into()],
        engine: Engine::Lxd,
        storage: Storage::Dir,
        login: Login { user: "pontoon".into(), public_key: "ssh-ed25519 AAAA pontoon".into() },
        agent: Install::Yes,
    }
}

fn read(document: &HostDocument) -> Value {
    serde_saphyr::from_str(&host_user_data(document)).unwrap()
}

fn written(config: &Value, path: &str) -> String {
    let files = config["write_files"].as_array().unwrap();
    let file = files.iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("no file {path}"));
    file["content"].as_str().unwrap().to_owned()
}

fn written_yaml(config: &Value, path: &str) -> Value {
    serde_saphyr::from_str(&written(config, path)).unwrap()
}

#[test]
fn user_data_is_a_cloud_config_that_fits_with_room_to_spare() {
    let text = host_user_data(&lxd0());
    assert!(text.starts_with("#cloud-config\n"));
    assert_eq!(fits_user_data(&text), Ok(()));
    assert!(text.len() < 24 * 1024, "{} bytes", text.len());
}

#[test]
fn the_bridge_has_the_cards_address_and_the_networks_mtu_whoever_configures_the_network() {
    let config = read(&lxd0());
    let netplan = written_yaml(&config, "/etc/pontoon/network/netplan.yaml");
    let bridge = &netplan["network"]["bridges"]["br0"];
    assert_eq!(bridge["macaddress"], "fa:16:3e:00:12:34");
    assert_eq!(bridge["mtu"], 1450);
    assert_eq!(bridge["dhcp4"], true);
    assert_eq!(bridge["interfaces"][0], "nic");
    assert_eq!(netplan["network"]["ethernets"]["nic"]["match"]["macaddress"], "fa:16:3e:00:12:34");

    let netdev = written(&config, "/etc/pontoon/network/10-pontoon-br0.netdev");
    assert!(netdev.contains("Kind=bridge\nMACAddress=fa:16:3e:00:12:34\nMTUBytes=1450\n"), "{netdev}");
    let card = written(&config, "/etc/pontoon/network/10-pontoon-nic.network");
    assert!(card.contains("MACAddress=fa:16:3e:00:12:34\nType=ether\n") && card.contains("Promiscuous=yes"), "{card}");

    let interfaces = written(&config, "/etc/pontoon/network/interfaces");
    assert!(interfaces.contains("address fa:16:3e:00:12:34 type bridge stp_state 0 forward_delay 0"), "{interfaces}");
}

#[test]
fn neither_udev_nor_cloud_init_undoes_the_bridge_at_the_next_boot() {
    let config = read(&lxd0());
    assert!(written(&config, "/etc/systemd/network/10-pontoon-br0.link").contains("MACAddressPolicy=none"));
    let cloud = written_yaml(&config, "/etc/cloud/cloud.cfg.d/99-pontoon-network.cfg");
    assert_eq!(cloud["network"]["config"], "disabled");
}

#[test]
fn the_engine_gets_a_pool_and_the_bridge_and_opens_no_port() {
    let config = read(&HostDocument { storage: Storage::Btrfs, ..lxd0() });
    let preseed = written_yaml(&config, "/etc/pontoon/preseed.yaml");
    assert_eq!(preseed["storage_pools"][0]["driver"], "btrfs");
    assert_eq!(preseed["networks"], json!([]));
    assert_eq!(preseed["config"], json!({}));
    let card = &preseed["profiles"][0]["devices"]["eth0"];
    assert_eq!((&card["nictype"], &card["parent"], &card["mtu"]), (&json!("bridged"), &json!("br0"), &json!("1450")));
}

#[test]
fn the_script_is_told_the_engine_and_the_card() {
    let config = read(&HostDocument { engine: Engine::Incus, ..lxd0() });
    let settings = written(&config, "/etc/pontoon/host.conf");
    assert!(settings.contains("ENGINE='incus'\n") && settings.contains("MAC='fa:16:3e:00:12:34'\n"), "{settings}");
    assert_eq!(config["runcmd"], json!([["/usr/local/sbin/pontoon-host"]]));
}

#[test]
fn a_host_is_told_about_its_own_engine_only() {
    let lxd = host_user_data(&lxd0());
    assert!(lxd.contains("lxd init --preseed") && !lxd.contains("incus admin"));
    let incus = host_user_data(&HostDocument { engine: Engine::Incus, ..lxd0() });
    assert!(incus.contains("incus admin init --preseed") && !incus.contains("lxd init"));
}

#[test]
fn only_keys_open_the_host_and_the_images_own_user_stays() {
    let config = read(&lxd0());
    assert_eq!(config["ssh_pwauth"], false);
    assert_eq!(config["users"][0], "default");
    assert_eq!(config["users"][1]["name"], "pontoon");
    assert_eq!(config["users"][1]["ssh_authorized_keys"], json!(["ssh-ed25519 AAAA pontoon"]));
}

#[test]
fn the_host_key_is_generated_and_shown_unless_one_is_handed_in() {
    let config = read(&lxd0());
    assert_eq!(config["ssh"]["emit_keys_to_console"], true);
    assert_eq!(config.get("ssh_keys"), None);

    let key = HostKey { private: "-----BEGIN-----\nabc\n-----END-----".into(), public: "ssh-ed25519 BBBB".into() };
    assert!(!format!("{key:?}").contains("abc"), "a private key must not reach a log");
    let text = with_host_key(&host_user_data(&lxd0()), &key);
    let with: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(with["ssh_keys"]["ed25519_private"], "-----BEGIN-----\nabc\n-----END-----\n");
    assert_eq!(with["ssh_keys"]["ed25519_public"], "ssh-ed25519 BBBB\n");
    assert_eq!(with["ssh_deletekeys"], true, "or the image's own keys were offered as well");
    let rest = with.as_object().unwrap().iter().filter(|(name, _)| *name != "ssh_keys");
    assert!(rest.eq(config.as_object().unwrap()), "nothing else differs");
}

#[test]
fn dnsmasq_answers_listed_containers_only_and_tells_them_the_mtu() {
    let config = read(&lxd0());
    let dnsmasq = written(&config, "/etc/dnsmasq.d/pontoon.conf");
    for line in [
        "interface=br0",
        "bind-interfaces",
        "dhcp-range=192.168.0.0,static,255.255.255.0,10m",
        "dhcp-ignore=tag:!known",
        "dhcp-option=option:router,192.168.0.1",
        "dhcp-option=option:mtu,1450",
        "dhcp-hostsdir=/etc/pontoon/dhcp-hosts",
        "server=8.8.4.4",
    ] {
        assert!(dnsmasq.lines().any(|found| found == line), "no `{line}` in\n{dnsmasq}");
    }
}

#[test]
fn a_network_without_gateway_and_name_servers_gives_containers_no_route_and_the_hosts_name_servers() {
    let config = read(&HostDocument { gateway: None, nameservers: Vec::new(), ..lxd0() });
    let dnsmasq = written(&config, "/etc/dnsmasq.d/pontoon.conf");
    assert!(dnsmasq.lines().any(|line| line == "dhcp-option=option:router"), "{dnsmasq}");
    assert!(!dnsmasq.contains("no-resolv"), "{dnsmasq}");
    assert!(dnsmasq.lines().any(|line| line == "resolv-file=/etc/resolv.conf"), "{dnsmasq}");
}

#[test]
fn names_of_the_stack_are_the_agents_to_answer_where_there_is_one() {
    let with = written(&read(&lxd0()), "/etc/dnsmasq.d/pontoon.conf");
    assert!(
        with.contains("server=/blog.internal/127.0.0.1#8600\nrev-server=192.168.0.0/24,127.0.0.1#8600\n"),
        "{with}"
    );
    let without = written(&read(&HostDocument { agent: Install::No, ..lxd0() }), "/etc/dnsmasq.d/pontoon.conf");
    assert!(without.contains("local=/blog.internal/\n") && !without.contains("8600"), "{without}");
}

#[test]
fn reverse_names_are_asked_for_at_the_dots_whatever_the_prefix() {
    let of = |subnet: &str| {
        let document = HostDocument { subnet: subnet.parse().unwrap(), ..lxd0() };
        let text = written(&read(&document), "/etc/dnsmasq.d/pontoon.conf");
        text.lines()
            .filter_map(|line| line.strip_prefix("rev-server=")?.split_once(','))
            .map(|(zone, _)| zone.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("10.1.4.0/22"), ["10.1.4.0/24", "10.1.5.0/24", "10.1.6.0/24", "10.1.7.0/24"]);
    assert_eq!(of("10.1.4.128/26"), ["10.1.4.0/24"]);
    assert_eq!(of("10.0.0.0/15"), ["10.0.0.0/16", "10.1.0.0/16"]);
}

#[test]
fn the_twentieth_container_may_watch_files_as_well() {
    let sysctls = written(&read(&lxd0()), "/etc/sysctl.d/60-pontoon.conf");
    // Where a host may not set it, that is no reason to fail.
    assert!(sysctls.lines().any(|line| line == "-fs.inotify.max_user_instances = 1048576"), "{sysctls}");
}

#[test]
fn an_account_without_rights_is_made_for_the_agent() {
    let config = read(&lxd0());
    let user = config["users"].as_array().unwrap().iter().find(|user| user["name"] == "pontoon-agent").unwrap();
    assert_eq!((user["system"].as_bool(), user["shell"].as_str()), (Some(true), Some("/usr/sbin/nologin")));
    assert!(user.get("sudo").is_none());
}
