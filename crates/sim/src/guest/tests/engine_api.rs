//! The engine's API in the details that a client depends on.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::Engine;
use super::*;

#[tokio::test]
async fn the_server_and_its_preseed_are_shown() {
    let engine = Engine::of(&host()).await;
    let server = engine.get("/1.0").await.metadata();
    assert_eq!((&server["auth"], &server["environment"]["server"]), (&"trusted".into(), &"lxd".into()));
    assert!(server["api_extensions"].as_array().unwrap().contains(&"container_nic_routed".into()));
    let pools = engine.get("/1.0/storage-pools?recursion=1").await.metadata();
    assert_eq!((&pools[0]["name"], &pools[0]["driver"]), (&"default".into(), &"dir".into()));
    let networks = engine.get("/1.0/networks?recursion=1").await.metadata();
    assert_eq!((&networks[0]["name"], &networks[0]["managed"]), (&"br0".into(), &false.into()));
    let profiles = engine.get("/1.0/profiles?recursion=1").await.metadata();
    assert_eq!(profiles[0]["devices"]["eth0"]["parent"], "br0");
    assert_eq!(engine.get("/1.0/nonsense").await.status, 404);
}

#[tokio::test]
async fn a_change_made_of_an_older_state_is_refused() {
    let engine = Engine::of(&host()).await;
    let new = json!({ "name": "hugo", "config": { "user.user-data": "#cloud-config" }, "devices": {} });
    assert_eq!(engine.call("POST", "/1.0/profiles", &new).await.status, 201);
    assert_eq!(engine.call("POST", "/1.0/profiles", &new).await.status, 409);
    let tag = engine.get("/1.0/profiles/hugo").await.headers["etag"].to_str().unwrap().to_owned();
    let put = async |tag: &str| {
        let body = json!({ "config": { "user.x": "1" }, "devices": {}, "description": "" }).to_string().into_bytes();
        engine.send("PUT", "/1.0/profiles/hugo", &[("if-match", tag)], body).await.status
    };
    assert_eq!(put(&tag).await, 200);
    assert_eq!(put(&tag).await, 412);
    assert_eq!(engine.call("DELETE", "/1.0/profiles/hugo", &Value::Null).await.status, 200);
    assert_eq!(engine.get("/1.0/profiles/hugo").await.status, 404);
}

#[tokio::test]
async fn what_goes_wrong_in_a_creation_is_told_by_its_operation() {
    let engine = Engine::of(&host()).await;
    let source = json!({ "type": "image", "alias": "24.04", "server": "https://cloud-images.ubuntu.com/releases", "protocol": "simplestreams" });
    let create = async |body: Value| engine.finish("POST", "/1.0/instances", &body).await;
    let unknown =
        create(json!({ "name": "a", "source": { "type": "image", "alias": "nothing", "server": source["server"] } }))
            .await;
    assert_eq!(unknown["status"], "Failure");
    let nic =
        json!({ "eth0": { "type": "nic", "nictype": "bridged", "parent": "br0", "ipv4.address": "192.168.0.100" } });
    let refused = create(json!({ "name": "a", "devices": nic, "source": source })).await;
    let reason = refused["err"].as_str().unwrap();
    assert!(
        reason.contains("Cannot use manually specified ipv4.address when using unmanaged parent bridge"),
        "{reason}"
    );
    assert_eq!(create(json!({ "name": "a", "source": source })).await["status_code"], 200);
    let twice = create(json!({ "name": "a", "source": source })).await;
    assert!(twice["err"].as_str().unwrap().contains("already exists"));
    assert_eq!(engine.call("POST", "/1.0/instances", &json!({ "name": "1_", "source": source })).await.status, 400);
}

#[tokio::test]
async fn a_mac_on_the_device_stays_out_of_the_volatile_keys() {
    let engine = Engine::of(&host()).await;
    let device =
        json!({ "eth0": { "type": "nic", "nictype": "bridged", "parent": "br0", "hwaddr": "00:16:3e:aa:bb:cc" } });
    engine
        .succeed("POST", "/1.0/instances", &json!({ "name": "given", "devices": device, "source": { "type": "none" } }))
        .await;
    engine.succeed("POST", "/1.0/instances", &json!({ "name": "made-up", "source": { "type": "none" } })).await;
    let given = engine.get("/1.0/instances/given").await.metadata();
    assert!(given["config"].get("volatile.eth0.hwaddr").is_none());
    assert_eq!(given["expanded_devices"]["eth0"]["hwaddr"], "00:16:3e:aa:bb:cc");
    let made_up = engine.get("/1.0/instances/made-up").await.metadata();
    assert!(made_up["config"]["volatile.eth0.hwaddr"].as_str().unwrap().starts_with("00:16:3e:"));
}

#[tokio::test]
async fn an_uploaded_image_is_known_by_its_hash_and_its_alias() {
    let engine = Engine::of(&host()).await;
    let begun = engine
        .send(
            "POST",
            "/1.0/images",
            &[("content-type", "application/octet-stream"), ("x-lxd-properties", "os=debian")],
            b"abc".to_vec(),
        )
        .await;
    let path = format!("{}/wait", begun.json()["operation"].as_str().unwrap());
    let fingerprint = engine.get(&path).await.metadata()["metadata"]["fingerprint"].clone();
    assert_eq!(fingerprint, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let alias = json!({ "name": "mine", "target": fingerprint });
    assert_eq!(engine.call("POST", "/1.0/images/aliases", &alias).await.status, 200);
    engine
        .succeed("POST", "/1.0/instances", &json!({ "name": "c1", "source": { "type": "image", "alias": "mine" } }))
        .await;
    let image = engine.get(&format!("/1.0/images/{}", fingerprint.as_str().unwrap())).await.metadata();
    assert_eq!((&image["aliases"][0]["name"], &image["properties"]["os"]), (&"mine".into(), &"debian".into()));

    let two_parts = "--X\r\nContent-Disposition: form-data; name=metadata\r\n\r\na\r\n--X\r\nContent-Disposition: form-data; name=rootfs\r\n\r\nbc\r\n--X--\r\n";
    let begun = engine
        .send("POST", "/1.0/images", &[("content-type", "multipart/form-data; boundary=X")], two_parts.into())
        .await;
    let path = format!("{}/wait", begun.json()["operation"].as_str().unwrap());
    let err = engine.get(&path).await.metadata()["err"].clone();
    assert_eq!(err, "Image with same fingerprint already exists", "the hash is that of the parts together");
}

#[tokio::test]
async fn a_command_takes_its_input_and_gives_its_output_over_websockets() {
    let engine = Engine::of(&host()).await;
    engine.launch("c1", json!({}), json!({})).await;
    let command = ["sh", "-c", "cat > /tmp/x && cat /tmp/x && echo oops > /nowhere/x"];
    let body = json!({ "command": command, "wait-for-websocket": true, "interactive": false });
    let begun = engine.call("POST", "/1.0/instances/c1/exec", &body).await.json();
    let operation = begun["operation"].as_str().unwrap();
    let mut sockets = Vec::new();
    for fd in ["0", "1", "2", "control"] {
        let secret = begun["metadata"]["metadata"]["fds"][fd].as_str().unwrap();
        sockets.push(engine.websocket(&format!("{operation}/websocket?secret={secret}")).await);
    }
    let [stdin, stdout, stderr, _control] = sockets.as_mut_slice() else { panic!("four sockets") };
    stdin.send(Message::binary(b"hello\n".to_vec())).await.unwrap();
    stdin.send(Message::text("")).await.unwrap();
    assert_eq!(stdout.next().await.unwrap().unwrap(), Message::binary(b"hello\n".to_vec()));
    assert_eq!(stdout.next().await.unwrap().unwrap(), Message::text(""));
    assert!(stderr.next().await.unwrap().unwrap().into_text().unwrap().contains("No such file"));
    let ended = engine.get(&format!("{operation}/wait")).await.metadata();
    assert_eq!((&ended["status_code"], &ended["metadata"]["return"]), (&200.into(), &2.into()));
}

#[tokio::test]
async fn events_tell_of_operations_and_lifecycles() {
    let engine = Engine::of(&host()).await;
    let mut events = engine.websocket("/1.0/events?type=operation,lifecycle").await;
    engine.succeed("POST", "/1.0/instances", &json!({ "name": "c1", "source": { "type": "none" } })).await;
    let mut seen = Vec::new();
    while !seen.contains(&"Success".to_owned()) {
        let event: Value = serde_json::from_str(events.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
        let metadata = &event["metadata"];
        seen.push(metadata["status"].as_str().or(metadata["action"].as_str()).unwrap().to_owned());
    }
    assert_eq!(seen, ["Running", "instance-created", "Success"]);
}

#[tokio::test]
async fn files_are_pushed_into_a_stopped_container() {
    let engine = Engine::of(&host()).await;
    engine.succeed("POST", "/1.0/instances", &json!({ "name": "c1", "source": { "type": "none" } })).await;
    let path = "/1.0/instances/c1/files?path=/opt/agent";
    let pushed = engine.send("POST", path, &[("x-lxd-mode", "0755")], b"binary".to_vec()).await;
    assert_eq!(pushed.status, 200, "{}", pushed.error());
    let file = engine.get(path).await;
    assert_eq!((file.bytes.as_slice(), file.headers["x-lxd-mode"].to_str().unwrap()), (b"binary".as_slice(), "0755"));
    assert_eq!(engine.get("/1.0/instances/c1/files?path=/opt").await.metadata(), json!(["agent"]));
    assert_eq!(engine.call("DELETE", path, &Value::Null).await.status, 200);
    assert_eq!(engine.get(path).await.status, 404);
}

#[tokio::test]
async fn a_running_container_is_not_deleted_and_a_stopped_one_runs_no_command() {
    let engine = Engine::of(&host()).await;
    engine.launch("c1", json!({}), json!({})).await;
    assert_eq!(engine.call("DELETE", "/1.0/instances/c1", &Value::Null).await.error(), "Instance is running");
    engine.succeed("PUT", "/1.0/instances/c1/state", &json!({ "action": "stop" })).await;
    let exec = engine.call("POST", "/1.0/instances/c1/exec", &json!({ "command": ["true"] })).await;
    assert_eq!((exec.status, exec.error().as_str()), (400, "Instance is not running"));
    engine.succeed("DELETE", "/1.0/instances/c1", &Value::Null).await;
    assert_eq!(engine.get("/1.0/instances?recursion=2").await.metadata(), json!([]));
}
