//! Rendered documents as the programs read them that they are written for. A program that is not on this machine is
//! skipped, and the skip is said aloud.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use pontoon_core::address::Mac;
use pontoon_core::key::{Key, Kind};
use pontoon_core::render::{
    ContainerDocument, DHCP_HOSTS_DIRECTORY, HostDocument, HostKey, Login, container, dhcp_host, host_user_data,
    with_host_key,
};
use pontoon_core::spec::model::{Addressing, Attachment, ContainerImage, Engine, Install, Limits, Storage};
use serde_json::Value;

#[test]
fn pyyaml_reads_every_document_as_it_was_meant() {
    // The interpreter of the system, which cloud-init runs on, and not whichever comes first in the path.
    if !available("/usr/bin/python3", &["-c", "import yaml"]) {
        return;
    }
    for (name, text) in hosts().into_iter().chain(network_configs()) {
        let program = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
        let output = run(Command::new("/usr/bin/python3").args(["-c", program]), &text);
        let theirs: Value = serde_json::from_slice(&output.stdout).expect(&name);
        let ours: Value = serde_saphyr::from_str(&text).expect(&name);
        assert_eq!(theirs, ours, "{name}");
        // What is YAML inside a document must be read right as well.
        for content in files(&ours)
            .filter(|(path, _)| Path::new(path).extension().is_some_and(|kind| kind == "yaml"))
            .map(|(_, content)| content)
        {
            let output = run(Command::new("/usr/bin/python3").args(["-c", program]), &content);
            let theirs: Value = serde_json::from_slice(&output.stdout).expect(&name);
            assert_eq!(theirs, serde_saphyr::from_str::<Value>(&content).expect(&name), "{name}");
        }
    }
}

#[test]
fn cloud_init_finds_nothing_wrong_with_the_schema_of_user_data() {
    if !available("cloud-init", &["--version"]) {
        return;
    }
    for (name, text) in hosts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("user-data");
        fs::write(&path, &text).unwrap();
        let output = Command::new("cloud-init").arg("schema").arg("-c").arg(&path).output().unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
    }
}

#[test]
fn cloud_inits_own_module_takes_the_key_that_is_handed_in_and_leaves_no_other() {
    if !available("/usr/bin/python3", &["-c", "import cloudinit.config.cc_ssh"])
        || !available("ssh", &["-Q", "key"])
        // Only root, or who may make user namespaces, has mounts of its own.
        || !available("unshare", &["--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
    {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "lxd0", "-f"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let key = HostKey { private: read(&file), public: read(&file.with_extension("pub")) };
    let path = directory.path().join("user-data");
    fs::write(&path, with_host_key(&hosts()[0].1, &key)).unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "/usr/bin/python3", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ssh_module_probe.py")])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let there: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(there, serde_json::json!({"ssh_host_ed25519_key": key.public.trim()}));
}

#[test]
fn the_shell_accepts_the_script_and_its_settings() {
    if !available("sh", &["-c", "true"]) {
        return;
    }
    for (name, text) in hosts() {
        for (path, content) in files(&serde_saphyr::from_str(&text).unwrap()) {
            if is_script(&path) || path.ends_with("host.conf") {
                let output = run(Command::new("sh").arg("-n"), &content);
                assert!(output.status.success(), "{name} {path}: {}", said(&output));
            }
        }
    }
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    if !available("shellcheck", &["--version"]) {
        return;
    }
    for (name, text) in hosts() {
        for (path, content) in files(&serde_saphyr::from_str(&text).unwrap()).filter(|(path, _)| is_script(path)) {
            let output = run(Command::new("shellcheck").args(["-s", "sh", "-"]), &content);
            assert!(output.status.success(), "{name} {path}: {}", said(&output));
        }
    }
}

#[test]
fn netplan_makes_a_bridge_with_the_cards_address_out_of_its_file() {
    if !available("netplan", &["info"]) {
        return;
    }
    for (name, text) in hosts() {
        let root = tempfile::tempdir().unwrap();
        let config = serde_saphyr::from_str(&text).unwrap();
        let (_, content) = files(&config).find(|(path, _)| path.ends_with("netplan.yaml")).unwrap();
        fs::create_dir_all(root.path().join("etc/netplan")).unwrap();
        fs::write(root.path().join("etc/netplan/60-pontoon.yaml"), content).unwrap();
        let output = Command::new("netplan").arg("generate").arg("--root-dir").arg(root.path()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
        let made = |file: &str| fs::read_to_string(root.path().join("run/systemd/network").join(file)).expect(file);
        let netdev = made("10-netplan-br0.netdev");
        assert!(netdev.contains("Kind=bridge") && netdev.contains("MACAddress=fa:16:3e:00:12:34"), "{netdev}");
        assert!(netdev.contains("STP=false"), "{netdev}");
        // The script puts its drop-in beside exactly this file.
        let card = made("10-netplan-nic.network");
        assert!(card.contains("Bridge=br0") && card.contains("LinkLocalAddressing=no"), "{card}");
        assert!(made("10-netplan-br0.network").contains("DHCP=ipv4"));
    }
}

#[test]
fn dnsmasq_accepts_its_configuration_and_the_lines_of_containers() {
    if !available("dnsmasq", &["--version"]) {
        return;
    }
    for (name, text) in hosts() {
        let root = tempfile::tempdir().unwrap();
        let configuration = dnsmasq_configuration(&text, root.path());
        let output = Command::new("dnsmasq").arg("--test").arg("-C").arg(configuration).output().unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
    }
}

#[test]
fn dnsmasq_offers_listed_containers_their_address_and_is_silent_to_everybody_else() {
    if !available("dnsmasq", &["--version"])
        || !available("ip", &["-V"])
        || !available("/usr/bin/python3", &["--version"])
        // Only root, or who may make user namespaces, has a network to itself.
        || !available("unshare", &["--net", "ip", "link", "add", "probe", "type", "bridge"])
    {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let configuration = dnsmasq_configuration(&hosts()[0].1, root.path());
    let (listed, later, stranger) = ("00:16:3e:91:2c:9c", "00:16:3e:91:2c:9d", "52:54:00:12:34:56");
    let output = Command::new("unshare")
        .args(["--net", "/usr/bin/python3", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dhcp_probe.py")])
        .arg(&configuration)
        .arg(root.path().join("dhcp-hosts"))
        .arg(dhcp_host(later.parse().unwrap(), "hugo-1", [192, 168, 0, 101].into()))
        .args([listed, later, stranger])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let offers: Value = serde_json::from_slice(&output.stdout).unwrap();
    let offer = &offers[listed];
    assert_eq!(offer["address"], "192.168.0.100");
    assert_eq!(offer["1"], "ffffff00", "the netmask");
    assert_eq!(offer["3"], "c0a80001", "the network's gateway is the router");
    assert_eq!(offer["6"], "c0a8000e", "the host itself is the name server");
    assert_eq!(offer["26"], "05aa", "the MTU is the network's");
    assert_eq!(offers[later]["address"], "192.168.0.101", "a container added later is known without a restart");
    assert_eq!(offers[stranger], Value::Null, "a stranger is not answered, even under a known name");
}

/// `dnsmasq`'s configuration of a host in `root`, with the directory of containers there too and one container in it.
fn dnsmasq_configuration(user_data: &str, root: &Path) -> std::path::PathBuf {
    let hosts = root.join("dhcp-hosts");
    fs::create_dir_all(&hosts).unwrap();
    let mac: Mac = "00:16:3e:91:2c:9c".parse().unwrap();
    fs::write(hosts.join("hugo-0"), dhcp_host(mac, "hugo-0", [192, 168, 0, 100].into())).unwrap();
    let config = serde_saphyr::from_str(user_data).unwrap();
    let (_, content) = files(&config).find(|(path, _)| path == "/etc/dnsmasq.d/pontoon.conf").unwrap();
    let path = root.join("pontoon.conf");
    fs::write(&path, content.replace(DHCP_HOSTS_DIRECTORY, hosts.to_str().unwrap())).unwrap();
    path
}

/// User-data of hosts that differ in everything that changes the document.
fn hosts() -> Vec<(String, String)> {
    let plain = HostDocument {
        name: "lxd0".into(),
        stack: "blog".into(),
        mac: "fa:16:3e:00:12:34".parse().unwrap(),
        mtu: 1450,
        subnet: "192.168.0.0/24".parse().unwrap(),
        gateway: Some([192, 168, 0, 1].into()),
        nameservers: vec![[8, 8, 4, 4].into(), [8, 8, 8, 8].into()],
        engine: Engine::Lxd,
        storage: Storage::Dir,
        login: Login { user: "pontoon".into(), public_key: "ssh-ed25519 AAAA it's: #me".into() },
        agent: Install::Yes,
    };
    let key =
        HostKey { private: "-----BEGIN KEY-----\nYQ==\n-----END KEY-----\n".into(), public: "ssh-ed25519 B".into() };
    let bare = HostDocument {
        engine: Engine::Incus,
        storage: Storage::Zfs,
        gateway: None,
        nameservers: Vec::new(),
        agent: Install::No,
        ..plain.clone()
    };
    vec![("plain".into(), host_user_data(&plain)), ("bare".into(), with_host_key(&host_user_data(&bare), &key))]
}

fn network_configs() -> Vec<(String, String)> {
    let ways = [
        (Attachment::PairMac, Addressing::Dnsmasq),
        (Attachment::PairMac, Addressing::NetworkConfig),
        (Attachment::PairMac, Addressing::RawLxc),
        (Attachment::PairIp, Addressing::NetworkConfig),
    ];
    ways.map(|(attachment, addressing)| {
        let instance = container(&ContainerDocument {
            stack: "blog".into(),
            key: Key::new("blog", Kind::Container, "hugo-0"),
            service: "hugo".into(),
            name: "hugo-0".into(),
            address: [192, 168, 0, 100].into(),
            mac: "00:16:3e:91:2c:9c".parse().unwrap(),
            attachment,
            addressing,
            subnet: "192.168.0.0/24".parse().unwrap(),
            gateway: Some([192, 168, 0, 1].into()),
            nameservers: vec![[8, 8, 4, 4].into()],
            mtu: 1450,
            image: ContainerImage::File { path: "image".into(), fingerprint: "0".into() },
            user_data: None,
            limits: Limits::default(),
            agent: Install::Yes,
        });
        let config = instance.config_on([192, 168, 0, 14].into());
        (format!("{attachment} {addressing:?}"), config["cloud-init.network-config"].clone())
    })
    .into()
}

/// The path and content of every file that a cloud-config writes.
fn files(config: &Value) -> impl Iterator<Item = (String, String)> {
    let files = config["write_files"].as_array().cloned().unwrap_or_default();
    files
        .into_iter()
        .map(|file| (file["path"].as_str().unwrap().to_owned(), file["content"].as_str().unwrap().to_owned()))
}

fn is_script(path: &str) -> bool {
    path.ends_with("/pontoon-host") || path.ends_with("/engine.sh")
}

fn available(program: &str, probe: &[&str]) -> bool {
    let found = Command::new(program).args(probe).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let available = found.is_ok_and(|status| status.success());
    if !available {
        eprintln!("SKIPPED: `{program}` is not on this machine, so this test has shown nothing");
    }
    available
}

fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
