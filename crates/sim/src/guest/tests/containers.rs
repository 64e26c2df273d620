//! Containers: addresses, cloud-init, services, and what survives a restart of everything.

use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::client::Engine;
use super::*;

const MAC: &str = "00:16:3e:00:00:01";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 100);
/// A unit on port 8080 that serves a page of its own.
const WEB: &str = r"#cloud-config
write_files:
- path: /srv/web/index.html
  content: <h1>hello from hugo</h1>
- path: /etc/systemd/system/web.service
  content: |
    [Service]
    ExecStart=/usr/bin/python3 -m http.server 8080 --directory /srv/web
runcmd:
- systemctl enable --now web
";

async fn reserve(engine: &Engine, name: &str, mac: &str) {
    let script = format!("sudo tee /etc/dnsmasq.hosts/{name}");
    engine.ssh.run("sudo mkdir -p /etc/dnsmasq.hosts", "").await;
    assert_eq!(engine.ssh.run(&script, &format!("{mac},192.168.0.100\n")).await.code, 0);
}

async fn page(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_container_gets_its_address_only_when_its_mac_is_known() {
    let guest = host();
    let engine = Engine::of(&guest).await;
    engine.launch("stranger", json!({}), json!({})).await;
    assert_eq!(guest.nics()[0].address, None);
    let (status, code) = engine.run("stranger", &["cloud-init", "status", "--format=json"]).await;
    assert_eq!(code, 1);
    assert!(status.contains("network"), "{status}");

    reserve(&engine, "known", MAC).await;
    engine.launch("known", json!({ "volatile.eth0.hwaddr": MAC }), json!({})).await;
    let known = guest.nics().into_iter().find(|nic| nic.container == "known").unwrap();
    assert_eq!((known.address, known.mac.as_str()), (Some(ADDRESS), MAC));
    let state = engine.get("/1.0/instances/known/state").await.metadata();
    assert_eq!(state["network"]["eth0"]["addresses"][0]["address"], "192.168.0.100");
    assert_eq!(engine.run("known", &["cloud-init", "status"]).await, ("status: done\n".to_owned(), 0));
}

#[tokio::test]
async fn a_page_is_served_once_cloud_init_is_done() {
    let guest = host();
    let engine = Engine::of(&guest).await;
    reserve(&engine, "hugo", MAC).await;
    engine.launch("hugo", json!({ "volatile.eth0.hwaddr": MAC, "cloud-init.user-data": WEB }), json!({})).await;
    assert!(guest.listens("hugo", 8080) && !guest.listens("hugo", 80));
    assert!(page(guest.open("hugo", 8080).unwrap()).await.contains("hello from hugo"));
    let through_ssh = engine.ssh.tcp("192.168.0.100", 8080).await.unwrap();
    assert!(page(through_ssh).await.contains("hello from hugo"));
    assert!(engine.ssh.tcp("192.168.0.100", 80).await.is_err());
    assert_eq!(engine.run("hugo", &["systemctl", "is-active", "web"]).await, ("active\n".to_owned(), 0));
    engine.succeed("PUT", "/1.0/instances/hugo/state", &json!({ "action": "stop", "force": true })).await;
    assert!(!guest.listens("hugo", 8080) && guest.nics().is_empty());
}

#[tokio::test]
async fn without_a_way_out_packages_fail_and_nothing_listens() {
    let guest = boot_with(HOST, Err("no route to host".to_owned()));
    let engine = Engine::of(&guest).await;
    reserve(&engine, "c1", MAC).await;
    engine.send("POST", "/1.0/images", &[("content-type", "application/octet-stream")], b"image".to_vec()).await;
    let image = loop {
        let images = engine.get("/1.0/images?recursion=1").await.metadata();
        if let Some(fingerprint) = images[0]["fingerprint"].as_str() {
            break fingerprint.to_owned();
        }
    };
    let config = json!({ "volatile.eth0.hwaddr": MAC, "user.user-data": "#cloud-config\npackages: [nginx]\n" });
    let body = json!({ "name": "c1", "config": config, "source": { "type": "image", "fingerprint": image } });
    engine.succeed("POST", "/1.0/instances", &body).await;
    engine.succeed("PUT", "/1.0/instances/c1/state", &json!({ "action": "start" })).await;
    let (status, code) = engine.run("c1", &["cloud-init", "status", "--wait", "--format=json"]).await;
    assert_eq!(code, 1);
    assert!(status.contains("package_update_upgrade_install"), "{status}");
    let log = engine.get("/1.0/instances/c1/files?path=/var/log/cloud-init-output.log").await;
    assert!(String::from_utf8(log.bytes).unwrap().contains("no route to host"));
    assert!(!guest.listens("c1", 80));
}

#[tokio::test]
async fn a_routed_container_has_the_machines_mac_and_needs_forwarding() {
    let nic =
        json!({ "eth0": { "type": "nic", "nictype": "routed", "parent": "br0", "ipv4.address": "192.168.0.100" } });
    let closed = Engine::of(&host()).await;
    closed
        .succeed("POST", "/1.0/instances", &json!({ "name": "r", "devices": nic, "source": { "type": "none" } }))
        .await;
    let refused = closed.finish("PUT", "/1.0/instances/r/state", &json!({ "action": "start" })).await;
    assert!(refused["err"].as_str().unwrap().contains("net.ipv4.conf.br0.forwarding=1"), "{refused}");

    let guest = boot_with(&format!("{HOST}- sysctl -w net.ipv4.ip_forward=1\n"), Ok(()));
    let engine = Engine::of(&guest).await;
    engine.launch("r", json!({}), nic).await;
    let nics = guest.nics();
    assert_eq!((nics[0].mac.as_str(), nics[0].address), ("fa:16:3e:00:00:01", Some(ADDRESS)));
}

#[tokio::test]
async fn a_container_without_a_bridge_does_not_start() {
    let guest = boot_with(&HOST.replace("bridges", "vlans"), Ok(()));
    let engine = Engine::of(&guest).await;
    engine.succeed("POST", "/1.0/instances", &json!({ "name": "c1", "source": { "type": "none" } })).await;
    let refused = engine.finish("PUT", "/1.0/instances/c1/state", &json!({ "action": "start" })).await;
    assert_eq!(refused["status_code"], 400);
    assert!(refused["err"].as_str().unwrap().contains("br0"));
}

#[tokio::test]
async fn cloud_init_does_its_work_once_until_its_document_changes() {
    let guest = host();
    let engine = Engine::of(&guest).await;
    reserve(&engine, "hugo", MAC).await;
    engine.launch("hugo", json!({ "volatile.eth0.hwaddr": MAC, "cloud-init.user-data": WEB }), json!({})).await;
    let path = "/1.0/instances/hugo";
    let restart = json!({ "action": "restart", "force": true });
    let id = engine.get(path).await.metadata()["config"]["volatile.cloud-init.instance-id"].clone();
    engine.succeed("PUT", &format!("{path}/state"), &restart).await;
    engine.run("hugo", &["cloud-init", "status", "--wait"]).await;
    assert_eq!(engine.get(path).await.metadata()["config"]["volatile.cloud-init.instance-id"], id);
    assert!(guest.listens("hugo", 8080));
    let changed = WEB.replace("8080", "9090");
    engine.call("PATCH", path, &json!({ "config": { "cloud-init.user-data": changed } })).await;
    assert!(guest.listens("hugo", 8080), "nothing changes before the next boot");
    engine.succeed("PUT", &format!("{path}/state"), &restart).await;
    engine.run("hugo", &["cloud-init", "status", "--wait"]).await;
    assert!(guest.listens("hugo", 9090) && !guest.listens("hugo", 8080));
}

#[tokio::test]
async fn a_machine_comes_back_as_it_was_saved() {
    let guest = host();
    let engine = Engine::of(&guest).await;
    reserve(&engine, "hugo", MAC).await;
    engine.launch("hugo", json!({ "volatile.eth0.hwaddr": MAC, "cloud-init.user-data": WEB }), json!({})).await;
    let back = Guest::restore(boot(HOST), guest.save(), Arc::new(Lonely { outside: Ok(()) }));
    assert_eq!(back.console(), guest.console());
    assert_eq!(back.nics(), guest.nics());
    assert!(back.listens("hugo", 8080));
    let engine = Engine::of(&back).await;
    assert!(engine.ssh.run("cat /etc/dnsmasq.hosts/hugo", "").await.stdout.contains(MAC));
}
