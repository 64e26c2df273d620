//! The ssh client against a real OpenSSH server on the loopback interface, started by each test with keys and a
//! configuration of its own. Without `sshd` on the machine the tests say so and pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sshd;

use std::time::Duration;

use pontoon_cloud::ssh::{ExitStatus, HostKeyCheck, Identity, Login, Session, SshError, dial_tcp};
use sshd::{LIMIT, Sshd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_command_gets_its_input_and_gives_output_and_status() {
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    let output = session.exec("cat; echo problem >&2; exit 7", b"hello\n", LIMIT).await.unwrap();
    assert_eq!(output.stdout, b"hello\n");
    assert_eq!(output.stderr, b"problem\n");
    assert_eq!(output.status, ExitStatus::Code(7));
}

#[tokio::test]
async fn a_command_that_ignores_its_input_ends_all_the_same() {
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    let output = session.exec("exit 0", &vec![b'x'; 8 << 20], LIMIT).await.unwrap();
    assert!(output.status.success());
}

#[tokio::test]
async fn large_input_and_output_pass_unchanged() {
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    let data: Vec<u8> = (0..5_000_000_u32).flat_map(|n| n.to_le_bytes().into_iter().take(1)).collect();
    let output = session.exec("cat", &data, LIMIT).await.unwrap();
    assert!(output.stdout == data, "{} bytes came back of {}", output.stdout.len(), data.len());
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_an_error_and_the_session_lives_on() {
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    let error = session.exec("sleep 60", b"", Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, SshError::TimedOut { .. }), "{error}");
    assert!(session.exec("true", b"", LIMIT).await.unwrap().status.success());
}

#[tokio::test]
async fn a_signal_is_told_from_an_exit_code() {
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    let output = session.exec("kill -KILL $$", b"", LIMIT).await.unwrap();
    assert_eq!(output.status, ExitStatus::Signal("KILL".to_owned()));
}

#[tokio::test]
async fn many_commands_run_at_once_over_clones_of_one_session() {
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    let commands = (0..8).map(|n| {
        let session = session.clone();
        async move { session.exec(&format!("echo {n}"), b"", LIMIT).await.unwrap().stdout }
    });
    let outputs = futures_util::future::join_all(commands).await;
    for (n, output) in outputs.into_iter().enumerate() {
        assert_eq!(output, format!("{n}\n").into_bytes());
    }
}

#[tokio::test]
async fn an_unexpected_host_key_is_refused_and_both_keys_are_named() {
    let Some(sshd) = Sshd::start() else { return };
    let mut options = sshd.options();
    options.host_key = HostKeyCheck::parse([sshd.user_public_key().as_str()]).unwrap();
    let error = Session::connect(sshd.dial().await, &options).await.unwrap_err();
    let SshError::HostKeyMismatch { expected, seen, .. } = &error else { panic!("{error}") };
    assert_eq!(*expected, options.host_key.describe());
    assert_eq!([seen.clone()].to_vec(), sshd.host_key().describe());
}

#[tokio::test]
async fn a_host_whose_keys_are_not_known_is_refused() {
    let Some(sshd) = Sshd::start() else { return };
    let mut options = sshd.options();
    options.host_key = HostKeyCheck::default();
    let error = Session::connect(sshd.dial().await, &options).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyMismatch { .. }), "{error}");
}

#[tokio::test]
async fn the_one_known_key_of_several_is_asked_for() {
    let Some(sshd) = Sshd::start() else { return };
    let mut options = sshd.options();
    options.host_key = HostKeyCheck::parse([sshd.ecdsa_host_key().as_str()]).unwrap();
    Session::connect(sshd.dial().await, &options).await.unwrap();
}

#[tokio::test]
async fn a_fingerprint_is_enough_to_know_a_host() {
    let Some(sshd) = Sshd::start() else { return };
    let mut options = sshd.options();
    let fingerprint = sshd.host_key().describe()[0].split_once(' ').unwrap().1.to_owned();
    options.host_key = HostKeyCheck::parse([fingerprint.as_str()]).unwrap();
    Session::connect(sshd.dial().await, &options).await.unwrap();
}

#[tokio::test]
async fn identities_are_tried_in_order_and_a_refusal_names_them() {
    let Some(sshd) = Sshd::start() else { return };
    let stranger = sshd.new_key("stranger", "ed25519", "");
    let mut options = sshd.options();
    let good = options.login.keys[0].clone();
    options.login.keys = vec![Identity::from_file(&stranger).unwrap(), good];
    Session::connect(sshd.dial().await, &options).await.unwrap();

    options.login.keys.truncate(1);
    options.login.keys.push(Identity::Agent { socket: "/nonexistent/agent".into() });
    let error = Session::connect(sshd.dial().await, &options).await.unwrap_err();
    let SshError::AuthenticationFailed { tried, .. } = &error else { panic!("{error}") };
    assert!(tried[0].starts_with(stranger.to_str().unwrap()), "{tried:?}");
    assert!(tried[1].contains("/nonexistent/agent"), "{tried:?}");
}

#[tokio::test]
async fn an_rsa_key_logs_in_with_sha2_signatures() {
    let Some(sshd) = Sshd::start() else { return };
    let key = sshd.new_key("rsa", "rsa", "");
    sshd.authorize(&key);
    let mut options = sshd.options();
    options.login.keys = vec![Identity::from_file(&key).unwrap()];
    Session::connect(sshd.dial().await, &options).await.unwrap();
}

#[tokio::test]
async fn the_agent_signs_for_a_key_that_never_leaves_it() {
    let Some(sshd) = Sshd::start() else { return };
    let Some(agent) = sshd.start_agent() else { return };
    let mut options = sshd.options();
    options.login.keys = vec![Identity::Agent { socket: agent.socket() }];
    Session::connect(sshd.dial().await, &options).await.unwrap();
}

#[tokio::test]
async fn a_key_with_a_passphrase_is_named_and_the_agent_suggested() {
    let Some(sshd) = Sshd::start() else { return };
    let path = sshd.new_key("locked", "ed25519", "secret");
    let error = Identity::from_file(&path).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(error.hint().unwrap().contains("ssh-add"), "{error}");
}

#[tokio::test]
async fn a_host_behind_a_jump_host_is_reached_through_it() {
    let Some(sshd) = Sshd::start() else { return };
    let jump = sshd.login().await.unwrap();
    let transport = jump.direct_tcpip("127.0.0.1", sshd.port()).await.unwrap();
    drop(jump);
    let session = Session::connect(transport, &sshd.options()).await.unwrap();
    assert_eq!(session.exec("echo behind", b"", LIMIT).await.unwrap().stdout, b"behind\n");
}

#[tokio::test]
async fn a_socket_on_the_host_is_a_stream_here() {
    let Some(sshd) = Sshd::start() else { return };
    let path = sshd.path("echo.socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let session = sshd.login().await.unwrap();
    let mut stream = session.stream_local(path.to_str().unwrap()).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"ping");
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_named() {
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    let error = session.stream_local("/nonexistent.socket").await.err().unwrap();
    assert!(matches!(&error, SshError::ChannelRefused { what, .. } if what.contains("/nonexistent.socket")), "{error}");
}

#[tokio::test]
async fn a_closed_session_says_so() {
    let Some(sshd) = Sshd::start() else { return };
    let session = sshd.login().await.unwrap();
    session.close().await;
    let error = session.exec("true", b"", LIMIT).await.unwrap_err();
    assert!(matches!(error, SshError::Closed { .. }), "{error}");
    assert!(session.is_closed());
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_refused_by_name() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = dial_tcp("127.0.0.1", port, LIMIT).await.err().unwrap();
    assert_eq!(error.to_string(), format!("`127.0.0.1:{port}` refused the ssh connection"));
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_server_that_never_speaks_is_given_up_after_the_limit() {
    let (ours, _theirs) = tokio::io::duplex(1024);
    let options = pontoon_cloud::ssh::ConnectOptions {
        host: "lxd0".to_owned(),
        login: Login { user: "debian".to_owned(), keys: Vec::new() },
        host_key: HostKeyCheck::default(),
        limit: Duration::from_millis(100),
    };
    let error = Session::connect(Box::new(ours), &options).await.unwrap_err();
    assert!(matches!(error, SshError::TimedOut { .. }), "{error}");
}
