#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn files_are_decoded_and_their_permissions_are_octal() {
    let text = "#cloud-config\nwrite_files:\n- path: /a\n  encoding: b64\n  content: aGVsbG8=\n  permissions: 0600\n";
    let declared = Declared::read(Some(text), None);
    assert_eq!(declared.files[0].content, b"hello");
    assert_eq!(declared.files[0].mode, 0o600);
}

#[test]
fn json_is_read_as_well() {
    let declared = Declared::read(Some("#cloud-config\n{\"packages\": [\"git\", [\"hugo\", \"0.1\"]]}"), None);
    assert_eq!(declared.packages, ["git", "hugo"]);
}

#[test]
fn the_default_users_get_the_key_of_the_cloud_unless_the_document_drops_them() {
    let default = Declared::read(Some("#cloud-config\n"), Some("ssh-ed25519 AAAA"));
    assert_eq!(default.users["ubuntu"].keys, ["ssh-ed25519 AAAA"]);
    let own = Declared::read(
        Some("#cloud-config\nusers:\n- name: ops\n  groups: lxd, adm\n  ssh_authorized_keys: [ssh-ed25519 BBBB]\n"),
        Some("ssh-ed25519 AAAA"),
    );
    assert_eq!(own.users.keys().collect::<Vec<_>>(), ["ops"]);
    assert_eq!(own.users["ops"].groups, ["lxd", "adm"]);
}

#[test]
fn a_command_adds_a_user_to_a_group() {
    let text = "#cloud-config\nruncmd:\n- usermod -aG incus-admin debian\n- [adduser, ubuntu, incus-admin]\n";
    let declared = Declared::read(Some(text), None);
    assert!(declared.users["debian"].groups.contains(&"incus-admin".to_owned()));
    assert!(declared.users["ubuntu"].groups.contains(&"incus-admin".to_owned()));
}

#[test]
fn broken_yaml_is_kept_as_what_cloud_init_will_say() {
    let declared = Declared::read(Some("#cloud-config\npackages: [git\n"), None);
    assert!(declared.broken.unwrap().starts_with("Failed loading yaml blob"));
}

#[test]
fn a_document_without_its_first_line_is_passed_over_with_a_warning() {
    let declared = Declared::read(Some("packages: [git]\n"), None);
    assert!(declared.packages.is_empty());
    assert!(declared.warnings[0].contains("Unhandled non-multipart"));
}
