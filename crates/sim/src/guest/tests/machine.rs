//! The machine by itself: console, login, shell.

use std::sync::Arc;
use std::time::Duration;

use super::client::{LXD_SOCKET, Ssh, public_key};
use super::*;

#[tokio::test]
async fn the_key_of_the_cloud_opens_the_door_and_another_does_not() {
    let guest = host();
    let ssh = Ssh::login(&guest, "ubuntu").await;
    assert_eq!(ssh.run("id -un && hostname", "").await.stdout, "ubuntu\nlxd0\n");
    assert!(Ssh::try_login(&guest, "ubuntu", 2).await.is_none());
    assert!(Ssh::try_login(&guest, "nobody", 1).await.is_none());
}

#[tokio::test]
async fn a_given_host_key_is_the_one_that_the_console_shows() {
    let key = russh::keys::PrivateKey::from(russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[9; 32]));
    let private = key.to_openssh(russh::keys::ssh_key::LineEnding::LF).unwrap().replace('\n', "\n    ");
    let guest = boot_with(&format!("#cloud-config\nssh_keys:\n  ed25519_private: |\n    {private}\n"), Ok(()));
    assert!(guest.console().contains(key.public_key().to_openssh().unwrap().trim()));
    // The client checks the key of the connection against the console.
    Ssh::login(&guest, "debian").await;
}

#[tokio::test]
async fn input_output_and_exit_status_come_through() {
    let ssh = Ssh::login(&host(), "ubuntu").await;
    let written = ssh.run("sudo -n sh -c 'cat > /etc/dnsmasq.hosts.new'", "00:16:3e:00:00:01,192.168.0.100\n").await;
    assert_eq!((written.code, written.stderr.as_str()), (0, ""));
    assert_eq!(ssh.run("cat /etc/dnsmasq.hosts.new", "").await.stdout, "00:16:3e:00:00:01,192.168.0.100\n");
    let missing = ssh.run("nosuch --option", "").await;
    assert_eq!(missing.code, 127);
    assert!(missing.stderr.contains("nosuch: command not found"));
}

#[tokio::test(start_paused = true)]
async fn booting_takes_its_time() {
    let mut boot = boot(HOST);
    boot.delays =
        GuestDelays { boot: Duration::from_secs(30), cloud_init: Duration::from_mins(1), ..GuestDelays::default() };
    let guest = Guest::boot(boot, Arc::new(Lonely { outside: Ok(()) }));
    assert!(guest.ssh().is_none());
    tokio::time::advance(Duration::from_secs(31)).await;
    assert!(guest.ssh().is_some());
    assert!(!guest.console().contains("HOST KEY KEYS"));
    tokio::time::advance(Duration::from_mins(1)).await;
    assert!(guest.console().contains("-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 "));
}

#[tokio::test]
async fn a_broken_document_ends_cloud_init_with_an_error() {
    let guest = boot_with("#cloud-config\npackages: [git\n", Ok(()));
    let status = Ssh::login(&guest, "ubuntu").await.run("cloud-init status --wait --format=json", "").await;
    let json: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((status.code, &json["status"]), (1, &"error".into()));
    assert!(json["errors"][0].as_str().unwrap().contains("yaml"));
}

#[tokio::test(start_paused = true)]
async fn the_result_of_cloud_init_lies_in_its_files_once_it_is_over() {
    let mut boot = boot(HOST);
    boot.delays.cloud_init = Duration::from_mins(1);
    boot.first_boot_fails = true;
    let guest = Guest::boot(boot, Arc::new(Lonely { outside: Ok(()) }));
    let look =
        "systemctl is-failed cloud-final.service; cat /run/cloud-init/result.json || cat /run/cloud-init/status.json";
    let machine = Arc::clone(&guest.machine);
    let seen = |code| {
        let output = crate::guest::shell::run(&*machine, "ubuntu", look, Vec::new());
        assert_eq!(output.code, code);
        let text = String::from_utf8(output.stdout).unwrap();
        let (unit, json) = text.split_once('\n').unwrap();
        (unit.to_owned(), serde_json::from_str::<serde_json::Value>(json).unwrap()["v1"].clone())
    };
    let (unit, status) = seen(0);
    assert_eq!((unit.as_str(), &status["stage"]), ("activating", &"modules-final".into()));
    tokio::time::advance(Duration::from_mins(2)).await;
    let (unit, result) = seen(0);
    assert_eq!(unit, "failed");
    assert!(result["errors"][0].as_str().unwrap().starts_with("('scripts_user', "), "{result}");
    assert!(guest.machine.engine(|_, _| ()).is_none(), "the script did not come to the engine");
}

#[tokio::test]
async fn the_socket_of_the_engine_asks_for_its_group() {
    let guest = host();
    let ssh = Ssh::login(&guest, "ubuntu").await;
    assert!(ssh.socket(LXD_SOCKET).await.is_ok());
    assert!(ssh.socket("/var/lib/incus/unix.socket").await.is_err());
    let debian = Ssh::login(&guest, "debian").await;
    assert!(debian.socket(LXD_SOCKET).await.is_err());
}

#[tokio::test]
async fn incus_is_where_incus_is_initialised() {
    let user_data = HOST.replace("lxd init", "incus admin init")
        + "- usermod -aG incus-admin debian\n"
        + &format!("ssh_authorized_keys: [{}]\n", public_key());
    let guest = boot_with(&user_data, Ok(()));
    let ssh = Ssh::login(&guest, "debian").await;
    assert_eq!(ssh.run("test -S /var/lib/incus/unix.socket", "").await.code, 0);
    assert!(ssh.socket("/var/lib/incus/unix.socket").await.is_ok());
    assert!(ssh.socket(LXD_SOCKET).await.is_err());
}

#[tokio::test]
async fn a_machine_that_is_off_ends_its_connections_and_answers_no_more() {
    let guest = host();
    let ssh = Ssh::login(&guest, "ubuntu").await;
    guest.shutdown();
    assert!(guest.ssh().is_none());
    assert!(guest.nics().is_empty());
    // The connection is cut: a new channel cannot be had once the machine's goodbye has come.
    while ssh.socket(LXD_SOCKET).await.is_ok() {}
}

/// A document whose script knows both engines and its user by variables only.
#[tokio::test]
async fn a_script_with_variables_is_understood_as_far_as_it_can_be() {
    let user_data = format!(
        "#cloud-config\nusers:\n- default\n- name: ops\n  sudo: ALL=(ALL) NOPASSWD:ALL\n  ssh_authorized_keys: [{}]\n{}",
        public_key(),
        r#"write_files:
- {path: /etc/host.conf, content: "ENGINE='lxd'\n"}
- path: /staged/br0.netdev
  content: "[NetDev]\nName=br0\nKind=bridge\n"
- path: /etc/preseed.yaml
  content: "storage_pools: [{name: default, driver: dir}]\n"
- path: /usr/local/sbin/prepare
  permissions: "0755"
  content: |
    start_lxd() { lxd init --preseed </etc/preseed.yaml; }
    start_incus() { incus admin init --preseed </etc/preseed.yaml; }
    usermod -a -G "$1" "$LOGIN" || exit 1
runcmd: [[/usr/local/sbin/prepare]]
"#
    );
    let guest = boot_with(&user_data, Ok(()));
    let ssh = Ssh::login(&guest, "ops").await;
    assert!(ssh.socket(LXD_SOCKET).await.is_ok());
    assert!(ssh.run("ip -j addr show br0", "").await.stdout.contains("192.168.0.14"));
    assert!(ssh.run("sudo tail -n 1 /var/log/cloud-init-output.log", "").await.stdout.contains("simulated"));
}
