//! The whole client against a real daemon, reached over its socket and over ssh to its socket.
//!
//! Runs only where `PONTOON_TEST_LXD_SOCKET` names the unix socket of a daemon that may be played with, with a
//! profile `default` that gives a root disk, and `PONTOON_TEST_LXD_IMAGE` a unified container image with a shell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::similar_names)]

mod sshd;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pontoon_cloud::lxd::{
    Client, EventKind, EventType, ExecRequest, FileContent, ImageAlias, InstancePatch, InstanceSource, LxdError,
    NewInstance, NewProfile, ProfileContent, PushFile, SocketOverSsh, StateAction, UnixSocket, image_fingerprint,
};
use sshd::Sshd;

const LIMIT: Duration = Duration::from_mins(2);

fn environment() -> Option<(String, PathBuf)> {
    let socket = std::env::var("PONTOON_TEST_LXD_SOCKET").ok();
    let image = std::env::var("PONTOON_TEST_LXD_IMAGE").ok();
    let Some((socket, image)) = socket.zip(image) else {
        eprintln!("SKIPPED: PONTOON_TEST_LXD_SOCKET and PONTOON_TEST_LXD_IMAGE are not set");
        return None;
    };
    Some((socket, image.into()))
}

#[tokio::test]
async fn a_container_lives_its_whole_life_over_the_local_socket() {
    let Some((socket, image)) = environment() else { return };
    whole_life(&Client::new(UnixSocket::new(socket)), &image, "pontoon-test-local", "00:16:3e:00:01:64").await;
}

#[tokio::test]
async fn a_container_lives_its_whole_life_over_ssh() {
    let Some((socket, image)) = environment() else { return };
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    let client = Client::new(SocketOverSsh::new(session, ["/nonexistent/unix.socket", socket.as_str()]));
    whole_life(&client, &image, "pontoon-test-ssh", "00:16:3e:00:01:65").await;
}

async fn whole_life(client: &Client, image: &std::path::Path, name: &str, mac: &str) {
    let server = client.server().await.unwrap();
    eprintln!("{:?} {}, {}", server.flavour(), server.environment.server_version, server.environment.storage);
    assert_eq!(server.auth, "trusted");
    assert!(client.storage_pools().await.unwrap().iter().any(|pool| pool.status == "Created"));
    assert!(client.networks().await.unwrap().iter().any(|network| network.kind == "loopback"));
    let mut events = client.events(&[EventType::Lifecycle, EventType::Operation]).await.unwrap();

    // What a run that was killed left behind.
    if client.instance(name).await.is_ok() {
        let _ = client.set_instance_state(name, StateAction::ForceStop, LIMIT).await;
        client.delete_instance(name, LIMIT).await.unwrap();
    }
    let _ = client.delete_profile(name).await;
    let _ = client.delete_image_alias(name).await;

    // Profile: made, read, replaced, and not replaced over somebody else's change.
    let content = ProfileContent { description: "first".to_owned(), ..ProfileContent::default() };
    client.create_profile(&NewProfile { name: name.to_owned(), content: content.clone() }).await.unwrap();
    let twice = client.create_profile(&NewProfile { name: name.to_owned(), content }).await.unwrap_err();
    assert!(twice.is_already_there(), "{twice}");
    let (profile, version) = client.profile(name).await.unwrap();
    let mut content = profile.content;
    content.config.insert("user.pontoon.key".to_owned(), "k".to_owned());
    client.replace_profile(name, &content, Some(&version)).await.unwrap();
    let stale = client.replace_profile(name, &content, Some(&version)).await.unwrap_err();
    assert!(stale.is_changed_meanwhile(), "{stale}");
    assert!(client.profiles().await.unwrap().iter().any(|profile| profile.name == name));

    // Image: uploaded with progress, or there already.
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let progress = move |bytes| counter.store(bytes, Ordering::Relaxed);
    let fingerprint = match client.upload_image_file(image, progress, LIMIT).await {
        Ok(fingerprint) => {
            assert_eq!(sent.load(Ordering::Relaxed), std::fs::metadata(image).unwrap().len());
            fingerprint
        }
        Err(error) if error.is_already_there() => {
            eprintln!("already there: {error}");
            image_fingerprint(image).await.unwrap()
        }
        Err(error) => panic!("{error}"),
    };
    let alias = ImageAlias { name: name.to_owned(), description: String::new() };
    client.create_image_alias(&alias, &fingerprint).await.unwrap();
    assert_eq!(client.image_by_alias(name).await.unwrap().fingerprint, fingerprint);
    client.delete_image_alias(name).await.unwrap();
    assert!(client.image_by_alias(name).await.unwrap_err().is_not_found());

    // Instance.
    let instance = NewInstance {
        name: name.to_owned(),
        source: InstanceSource { fingerprint: fingerprint.clone() },
        profiles: vec!["default".to_owned(), name.to_owned()],
        config: BTreeMap::from([("volatile.eth0.hwaddr".to_owned(), mac.to_owned())]),
        devices: BTreeMap::new(),
    };
    client.create_instance(&instance, LIMIT).await.unwrap();
    let twice = client.create_instance(&instance, LIMIT).await.unwrap_err();
    assert!(twice.is_already_there(), "{twice}");
    let (made, _) = client.instance(name).await.unwrap();
    assert_eq!(made.config["volatile.eth0.hwaddr"], mac);
    assert_eq!(made.expanded_config["user.pontoon.key"], "k");
    let set = |value: &str| InstancePatch {
        config: BTreeMap::from([("user.note".to_owned(), value.to_owned())]),
        ..InstancePatch::default()
    };
    client.patch_instance(name, &set("x"), None).await.unwrap();
    assert_eq!(client.instance(name).await.unwrap().0.config["user.note"], "x");
    client.patch_instance(name, &set(""), None).await.unwrap();
    eprintln!("note after removal: {:?}", client.instance(name).await.unwrap().0.config.get("user.note"));

    // Files of a container that has never run.
    let file =
        PushFile { path: "/root/a file".to_owned(), content: Bytes::from_static(b"text"), mode: 0o640, uid: 0, gid: 0 };
    client.push_file(name, &file).await.unwrap();
    assert_eq!(client.file(name, "/root/a file").await.unwrap(), FileContent::File(file.content.clone()));
    let FileContent::Directory(entries) = client.file(name, "/root").await.unwrap() else { panic!() };
    assert!(entries.contains(&"a file".to_owned()), "{entries:?}");
    assert!(matches!(client.file(name, "/bin/sh").await.unwrap(), FileContent::Symlink(_)));
    assert!(client.file(name, "/nothing").await.unwrap_err().is_not_found());

    client.set_instance_state(name, StateAction::Start, LIMIT).await.unwrap();
    let again = client.set_instance_state(name, StateAction::Start, LIMIT).await.unwrap_err();
    eprintln!("started twice: {again}");
    let listed = client.instances_with_state().await.unwrap();
    let state = listed.iter().find(|one| one.name == name).unwrap().state.clone().unwrap();
    assert!(state.pid > 0);
    eprintln!("interfaces: {:?}", state.network.keys().collect::<Vec<_>>());
    assert!(client.instances().await.unwrap().iter().any(|one| one.name == name && one.state.is_none()));

    exec(client, name).await;
    eprintln!("console log: {:?}", client.console_log(name).await.map(|log| log.len()));
    eprintln!("logs: {:?}", client.log_names(name).await.unwrap());

    client.set_instance_state(name, StateAction::ForceStop, LIMIT).await.unwrap();
    client.delete_instance(name, LIMIT).await.unwrap();
    client.delete_profile(name).await.unwrap();
    assert!(client.instance(name).await.unwrap_err().is_not_found());

    let mut operations = 0;
    loop {
        match events.next().await.unwrap().unwrap().kind {
            EventKind::Lifecycle { action, source, .. } if action == "instance-deleted" && source.contains(name) => {
                break;
            }
            EventKind::Operation(_) => operations += 1,
            _ => {}
        }
    }
    assert!(operations > 0);
}

async fn exec(client: &Client, name: &str) {
    let shell = |script: &str| ExecRequest {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        ..ExecRequest::default()
    };
    let mut request = shell("cat; echo \"$A\" >&2; exit 7");
    request.stdin = Bytes::from(vec![b'x'; 1_000_000]);
    request.environment.insert("A".to_owned(), "b".to_owned());
    let output = client.exec(name, &request, LIMIT).await.unwrap();
    assert_eq!((output.code, output.stdout.len(), output.stderr), (7, 1_000_000, b"b\n".to_vec()));

    let output = client.exec(name, &shell("id -u; kill -TERM $$"), LIMIT).await.unwrap();
    eprintln!("ended by a signal: {output:?}");
    let mut request = shell("exit 0");
    request.stdin = Bytes::from(vec![b'x'; 4_000_000]);
    assert_eq!(client.exec(name, &request, LIMIT).await.unwrap().code, 0);

    let absent = ExecRequest { command: vec!["nothing-of-that-name".to_owned()], ..ExecRequest::default() };
    eprintln!("not found: {:?}", client.exec(name, &absent, LIMIT).await);

    let mut forever = shell("exec sleep 1000");
    forever.stdin = Bytes::from_static(b"x");
    let error = client.exec(name, &forever, Duration::from_millis(500)).await.unwrap_err();
    assert!(matches!(error, LxdError::TimedOut { .. }), "{error}");
    let output = client.exec(name, &shell("sleep 0.3; pgrep -fx 'sleep 1000' || echo gone"), LIMIT).await.unwrap();
    assert_eq!(output.stdout, b"gone\n", "{output:?}");

    let many = (0..40).map(|n| async move {
        let request = ExecRequest { command: vec!["echo".to_owned(), n.to_string()], ..ExecRequest::default() };
        (n, client.exec(name, &request, LIMIT).await.unwrap())
    });
    for (n, output) in futures_util::future::join_all(many).await {
        assert_eq!(output.stdout, format!("{n}\n").into_bytes());
    }
}
