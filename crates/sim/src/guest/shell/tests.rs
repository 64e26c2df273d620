#![allow(clippy::unwrap_used)]
use std::cell::RefCell;

use super::*;

/// A system of files alone; `ops` may use sudo.
#[derive(Default)]
struct Bare {
    files: RefCell<Files>,
    changed: RefCell<Vec<String>>,
}

impl Surroundings for Bare {
    fn files<T>(&self, look: impl FnOnce(&mut Files) -> T) -> T {
        look(&mut self.files.borrow_mut())
    }
    fn changed(&self, path: &str) {
        self.changed.borrow_mut().push(path.to_owned());
    }
    fn hostname(&self) -> String {
        "lxd0".into()
    }
    fn cloud_init(&self) -> CloudInit {
        CloudInit::Finished(Report::default())
    }
    fn systemctl(&self, verb: &str, unit: &str) -> (String, u8) {
        (format!("{verb} {unit}\n"), 0)
    }
    fn signal(&self, signal: &str, process: &str) -> bool {
        (signal, process) == ("HUP", "7")
    }
    fn ping(&self, address: Ipv4Addr) -> Result<(), String> {
        if address.is_private() { Ok(()) } else { Err("no route".into()) }
    }
    fn release_lease(&self, _: Ipv4Addr, _: &str) {}
    fn links(&self) -> Value {
        serde_json::json!([{ "ifname": "lo" }, { "ifname": "br0", "mtu": 1450 }])
    }
    fn is_socket(&self, path: &str) -> bool {
        path == "/run/x.sock"
    }
    fn may_sudo(&self, user: &str) -> bool {
        user == "ops"
    }
}

fn bare() -> Bare {
    Bare { files: RefCell::new(Files::installed()), ..Bare::default() }
}

fn prints(script: &str, expected: &str) {
    let output = run(&bare(), "ops", script, b"from stdin".to_vec());
    assert_eq!((String::from_utf8(output.stdout).unwrap().as_str(), output.code), (expected, 0), "{script}");
}

#[test]
fn lists_and_quotes_are_read_as_a_shell_reads_them() {
    prints("echo 'a  b' \"c\\\"d\" e\\ f", "a  b c\"d e f\n");
    prints("false || echo no; true && echo yes # comment", "no\nyes\n");
    prints("echo one &&\n echo two\n\necho three", "one\ntwo\nthree\n");
    prints("printf '%s\\n' a b", "a\nb\n");
    prints("echo hello | grep hell", "hello\n");
    prints("! false && echo held", "held\n");
    prints("sh -c 'set -e; true; echo $x'", "$x\n");
}

#[test]
fn a_file_is_written_aside_and_moved_into_place() {
    let system = bare();
    let script = "sudo sh -c 'mkdir -p /etc/hosts.d && cat > /etc/hosts.d.new && mv /etc/hosts.d.new /etc/hosts.d/c1'";
    let output = run(&system, "ops", script, b"line\n".to_vec());
    assert_eq!(output, Output::default());
    assert_eq!(system.files.borrow().text("/etc/hosts.d/c1").as_deref(), Some("line\n"));
    assert_eq!(system.changed.borrow().last().map(String::as_str), Some("/etc/hosts.d/c1"));
    let all = run(&system, "ops", "grep -rs '' /etc/hosts.d", Vec::new());
    assert_eq!(all.stdout, b"/etc/hosts.d/c1:line\n");
}

#[test]
fn what_comes_packed_by_gzip_is_unpacked() {
    let system = bare();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, b"a program").unwrap();
    let packed = packed.finish().unwrap();
    let script = "gzip -dc | sudo tee /opt/.program >/dev/null && sudo sha256sum /opt/.program";
    assert!(waits(script).stdin);
    let output = run(&system, "ops", script, packed);
    assert_eq!(output.code, 0);
    assert_eq!(system.files.borrow().get("/opt/.program").unwrap().content, b"a program");
    assert_ne!(run(&system, "ops", "gzip -dc", b"something else".to_vec()).code, 0);
}

#[test]
fn install_takes_its_content_from_standard_input() {
    let system = bare();
    let output = run(&system, "ops", "sudo install -D -m 0600 /dev/stdin /etc/a/b/c", b"secret".to_vec());
    assert_eq!(output.code, 0);
    assert_eq!(system.files.borrow().get("/etc/a/b/c").unwrap().mode, 0o600);
}

#[test]
fn only_root_writes_outside_the_home() {
    assert_eq!(run(&bare(), "ops", "echo x > /etc/x", Vec::new()).code, 2);
    let refused = run(&bare(), "guest", "sudo -n true", Vec::new());
    assert_eq!((refused.code, refused.stderr.as_slice()), (1, b"sudo: a password is required\n".as_slice()));
}

#[test]
fn an_unknown_command_is_not_found() {
    let output = run(&bare(), "ops", "pkill dnsmasq", Vec::new());
    assert_eq!(output.code, 127);
    assert!(String::from_utf8(output.stderr).unwrap().contains("pkill: command not found"));
}

#[test]
fn it_is_known_beforehand_whether_a_script_reads_its_input() {
    for script in ["cat > /tmp/x", "sudo tee /etc/x", "sudo sh -c 'cat > /etc/x'", "install /dev/stdin /tmp/x", "sh"] {
        assert!(waits(script).stdin, "{script}");
    }
    for script in
        ["true", "cat /etc/x", "cat < /etc/x", "echo x | sudo tee /etc/x", "head -c 5 /etc/x", "grep -rs '' /etc"]
    {
        assert!(!waits(script).stdin, "{script}");
    }
    assert!(waits("sudo cloud-init status --wait --format=json").cloud_init);
}

#[test]
fn questions_about_the_system_are_answered() {
    prints("hostname && id -un && test -S /run/x.sock && ! test -e /nowhere", "lxd0\nops\n");
    prints("cloud-init status", "status: done\n");
    prints("ip -j addr show br0", "[{\"ifname\":\"br0\",\"mtu\":1450}]\n");
    prints("sudo systemctl reload dnsmasq.service", "reload dnsmasq\n");
    prints("kill -HUP 7", "");
    assert_eq!(run(&bare(), "ops", "ping -c1 -W1 8.8.8.8", Vec::new()).code, 1);
}

#[test]
fn no_nesting_is_deep_enough_to_do_harm() {
    let system = bare();
    system.files.borrow_mut().write("/tmp/again", b"sh /tmp/again".to_vec(), None);
    assert_eq!(run(&system, "ops", "sh /tmp/again", Vec::new()).code, 2);
    let many = "sudo ".repeat(10_000);
    assert!(!waits(&many).stdin);
    assert_eq!(run(&system, "ops", &many, Vec::new()).code, 126);
}

#[test]
fn nonsense_is_a_syntax_error() {
    for script in ["'open", "&& true", "echo >", "true &&"] {
        assert_eq!(run(&bare(), "ops", script, Vec::new()).code, 2, "{script}");
    }
}
