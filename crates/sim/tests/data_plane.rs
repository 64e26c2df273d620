//! The whole way of a request: floating IP, balancer, port security, bridge, container.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
use bytes::Bytes;
use common::{Answer, Client, quick, send};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use pontoon_sim::net::{Drop, From};
use russh::client::{Config as SshConfig, Handle, Handler};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

const MAC: &str = "00:16:3e:91:2c:9c";
const HOST: &str = r"#cloud-config
hostname: lxd0
write_files:
- path: /etc/netplan/60-bridge.yaml
  content: |
    network: {version: 2, bridges: {br0: {interfaces: [ens3], dhcp4: true}}}
- path: /etc/dnsmasq.d/containers
  content: |
    port=0
    dhcp-range=192.168.0.0,static,255.255.255.0
    dhcp-hostsdir=/etc/dnsmasq.hosts
    dhcp-ignore=tag:!known
- path: /etc/dnsmasq.hosts/hugo
  content: |
    00:16:3e:91:2c:9c,192.168.0.100
- path: /root/preseed.yaml
  content: |
    storage_pools: [{name: default, driver: dir}]
    profiles:
    - name: default
      devices:
        root: {type: disk, path: /, pool: default}
        eth0: {type: nic, nictype: bridged, parent: br0, name: eth0}
runcmd:
- lxd init --preseed < /root/preseed.yaml
";
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

fn key() -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[1; 32]))
}

struct AnyHost;

impl Handler for AnyHost {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Where a floating address really listens.
async fn published(client: &Client, address: &Value, port: u16) -> SocketAddr {
    let path = format!("/simulated/published?address={}&port={port}", address.as_str().unwrap());
    let body = client.call("GET", &path, Value::Null).await.body;
    format!("{}:{}", body["address"].as_str().unwrap_or_else(|| panic!("{body}")), body["port"]).parse().unwrap()
}

/// Logs in over TCP; the machine may still be booting.
async fn login(address: SocketAddr) -> Handle<AnyHost> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        if let Ok(mut handle) = russh::client::connect(Arc::new(SshConfig::default()), address, AnyHost).await {
            let key = PrivateKeyWithHashAlg::new(Arc::new(key()), None);
            assert!(handle.authenticate_publickey("ubuntu", key).await.unwrap().success());
            return handle;
        }
        assert!(std::time::Instant::now() < deadline, "no ssh");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn engine(ssh: &Handle<AnyHost>, method: &str, path: &str, body: Value) -> Value {
    let channel = ssh.channel_open_direct_streamlocal("/var/snap/lxd/common/lxd/unix.socket").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(channel.into_stream())).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder().method(method).uri(path).header("host", "lxd");
    let response = sender.send_request(request.body(Full::new(Bytes::from(body.to_string()))).unwrap()).await.unwrap();
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

async fn finish(ssh: &Handle<AnyHost>, method: &str, path: &str, body: Value) -> Value {
    let begun = engine(ssh, method, path, body).await;
    let operation = begun["operation"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
    let ended = engine(ssh, "GET", &format!("{operation}/wait?timeout=10"), json!({})).await;
    assert_eq!(ended["metadata"]["status_code"], 200, "{ended}");
    ended
}

async fn fetch(address: SocketAddr) -> Answer {
    send(address, "GET", "/", &[], &Value::Null).await.expect("an answer")
}

#[tokio::test]
async fn a_website_answers_as_long_as_every_layer_lets_it() {
    let mut config = quick();
    config.public_key = Some(key().public_key().to_openssh().unwrap());
    let client = Client::start(config).await;
    let (network, external) = (client.network("default").await, client.network("external").await);

    let group = client.create("security-groups", "security_group", json!({ "name": "host" })).await;
    for (port, range) in [(22, "127.0.0.0/8"), (8080, "192.168.0.0/24")] {
        let rule = json!({ "security_group_id": group["id"], "direction": "ingress", "protocol": "tcp", "port_range_min": port,
                           "port_range_max": port, "remote_ip_prefix": range });
        client.create("security-group-rules", "security_group_rule", rule).await;
    }
    let pairs = json!([{ "mac_address": MAC, "ip_address": "192.168.0.100" }]);
    let port = json!({ "network_id": network, "security_groups": [group["id"]], "allowed_address_pairs": pairs });
    let port = client.create("ports", "port", port).await;
    let port_path = format!("/network/v2.0/ports/{}", port["id"].as_str().unwrap());
    let image = client.id("/image/v2/images", "Ubuntu 24.04").await;
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, HOST);
    let body = json!({ "server": { "name": "lxd0", "imageRef": image, "flavorRef": "2", "key_name": "datacentred", "user_data": encoded,
                                   "networks": [{ "port": port["id"] }] } });
    let answer = client.call("POST", "/compute/v2.1/servers", body).await;
    let server = format!("/compute/v2.1/servers/{}", answer.body["server"]["id"].as_str().unwrap());
    client.until(&server, |answer| answer.body["server"]["status"] == "ACTIVE").await;
    let floating = json!({ "floating_network_id": external, "port_id": port["id"] });
    let way_in = client.create("floatingips", "floatingip", floating).await;

    let ssh = login(published(&client, &way_in["floating_ip_address"], 22).await).await;
    let source = json!({ "type": "image", "alias": "24.04", "server": "https://cloud-images.ubuntu.com/releases", "protocol": "simplestreams" });
    let container =
        json!({ "name": "hugo", "config": { "volatile.eth0.hwaddr": MAC, "user.user-data": WEB }, "source": source });
    finish(&ssh, "POST", "/1.0/instances", container).await;
    finish(&ssh, "PUT", "/1.0/instances/hugo/state", json!({ "action": "start" })).await;

    let subnet = client.id("/network/v2.0/subnets", "default").await;
    let monitor = json!({ "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3 });
    let member = json!({ "address": "192.168.0.100", "protocol_port": 8080 });
    let pool = json!({ "name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [member], "healthmonitor": monitor });
    let listener = json!({ "protocol": "HTTP", "protocol_port": 80, "default_pool": pool });
    let body =
        json!({ "loadbalancer": { "vip_subnet_id": subnet, "vip_address": "192.168.0.200", "listeners": [listener] } });
    let balancer =
        client.call("POST", "/load-balancer/v2.0/lbaas/loadbalancers", body).await.body["loadbalancer"].clone();
    let floating = json!({ "floating_network_id": external, "port_id": balancer["vip_port_id"] });
    let website = client.create("floatingips", "floatingip", floating).await;
    let members = format!("/load-balancer/v2.0/lbaas/pools/{}/members", balancer["pools"][0]["id"].as_str().unwrap());
    let state = |wanted: &'static str| move |answer: &Answer| answer.body["members"][0]["operating_status"] == wanted;
    client.until(&members, state("ONLINE")).await;
    let address = published(&client, &website["floating_ip_address"], 80).await;
    let page = fetch(address).await;
    assert_eq!(page.status, 200);
    assert!(page.body.as_str().unwrap().contains("hello from hugo"), "{}", page.body);
    assert_eq!(page.headers["via"], "1.1 simulated-load-balancer");

    let set = |pairs: Value| client.call("PUT", &port_path, json!({ "port": { "allowed_address_pairs": pairs } }));
    assert_eq!(set(json!([])).await.status, 200);
    assert_eq!(fetch(address).await.status, 503);
    client.until(&members, state("ERROR")).await;
    let to = SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, 100), 8080);
    let from = From::Balancer { id: balancer["id"].as_str().unwrap().to_owned(), client: None };
    assert!(matches!(client.cloud.world().connect(&from, to), Err(Drop::PortSecurity { .. })));
    assert_eq!(set(pairs).await.status, 200);
    client.until(&members, state("ONLINE")).await;
    assert_eq!(fetch(address).await.status, 200);

    let gone = format!("/network/v2.0/floatingips/{}", website["id"].as_str().unwrap());
    assert_eq!(client.call("DELETE", &gone, Value::Null).await.status, 204);
    assert!(send(address, "GET", "/", &[], &Value::Null).await.is_none());
}

#[tokio::test]
async fn a_connection_is_dropped_by_the_layer_that_forbids_it() {
    let client = Client::start(quick()).await;
    let (network, external) = (client.network("default").await, client.network("external").await);
    let server = client.server("lxd0", json!([{ "uuid": network }])).await;
    let port =
        client.call("GET", "/network/v2.0/ports?device_owner=compute:nova", Value::Null).await.body["ports"][0].clone();
    let floating = json!({ "floating_network_id": external, "port_id": port["id"] });
    let floating = client.create("floatingips", "floatingip", floating).await;
    let address: Ipv4Addr = floating["floating_ip_address"].as_str().unwrap().parse().unwrap();
    let inside: Ipv4Addr = port["fixed_ips"][0]["ip_address"].as_str().unwrap().parse().unwrap();
    let internet = From::Internet(Ipv4Addr::LOCALHOST);
    let world = client.cloud.world();
    let drop = |address, port| world.connect(&internet, SocketAddrV4::new(address, port)).err();
    assert!(matches!(drop(address, 22), Some(Drop::Ingress { .. })), "the default group lets nobody in");
    assert!(matches!(drop(inside, 22), Some(Drop::NoFloatingIp { .. })), "a private address is not on the Internet");
    let off = json!({ "port": { "port_security_enabled": false, "security_groups": [] } });
    let path = format!("/network/v2.0/ports/{}", port["id"].as_str().unwrap());
    assert_eq!(client.call("PUT", &path, off).await.status, 200);
    assert!(matches!(drop(address, 80), Some(Drop::Refused { .. })), "nothing but ssh listens on a machine");
    let itself = From::Machine { server: server["id"].as_str().unwrap().to_owned() };
    let nobody = SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, 99), 80);
    assert!(matches!(world.connect(&itself, nobody).err(), Some(Drop::NoSuchAddress { .. })));
}
