#![allow(clippy::unwrap_used)]
use super::*;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPY5+BeOeTdhWXIzv0DshKk8e/3ALu8rgnDLpoHFdWgA";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGcnuqaBZtwIe5srDQ2fa0UAr1+1VQOI7c34hwwTWFSN";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDw6HKLTpEtbQX5eRRMgzMTKQf2Ndl/3VI2rKwgdmUu96RAEgCWl4TQXm29bb0V2NQk0YjFylI0j6Tf/CIkAVog=";

fn check(log: &str, expected: &[&str]) {
    let expected: Vec<PublicKey> = expected.iter().map(|line| PublicKey::from_openssh(line).unwrap()).collect();
    let found = host_keys(log).keys;
    let data = |keys: &[PublicKey]| keys.iter().map(|key| key.key_data().clone()).collect::<Vec<_>>();
    assert_eq!(data(&found), data(&expected), "in {log}");
}

fn block(lines: &[&str]) -> String {
    format!("{KEYS_BEGIN}\r\n{}\r\n{KEYS_END}\r\n", lines.join("\r\n"))
}

#[test]
fn keys_are_read_from_the_block() {
    check(&block(&[&format!("{ECDSA} root@lxd0"), &format!("{ED25519} root@lxd0")]), &[ECDSA, ED25519]);
}

#[test]
fn prefixes_of_kernel_and_syslog_do_not_matter() {
    let log = format!(
        "[   11.9] cloud-init[612]: {KEYS_BEGIN}\n<14>Nov 22 00:01:02 cloud-init: {ED25519} root@lxd0\nci-info: no keys\n[   12.0] cloud-init[612]: {KEYS_END}\n"
    );
    check(&log, &[ED25519]);
}

#[test]
fn messages_between_the_lines_are_skipped() {
    let log =
        block(&["[   12.345678] br0: port 1(ens3) entered forwarding state", ED25519, "Starting OpenSSH server..."]);
    check(&log, &[ED25519]);
}

#[test]
fn a_key_torn_by_a_message_is_put_together_again() {
    let (start, rest) = ED25519.split_at(40);
    check(
        &block(&[&format!("{start}[   12.345678] audit: something"), &format!("{rest} root@lxd0"), ECDSA]),
        &[ED25519, ECDSA],
    );
}

#[test]
fn a_key_that_cannot_be_put_together_is_left_out_and_the_others_stay() {
    let (start, _) = ED25519.split_at(40);
    check(&block(&[&format!("{start}[   12.345678] audit: something"), ECDSA]), &[ECDSA]);
}

#[test]
fn the_last_boot_wins() {
    check(&format!("{}login:\n{}", block(&[ED25519]), block(&[OTHER])), &[OTHER]);
}

#[test]
fn a_block_that_is_not_complete_counts_for_nothing() {
    check(&format!("{KEYS_BEGIN}\n{ED25519}\n"), &[]);
    check(&format!("{ED25519}\n{KEYS_END}\n"), &[]);
    check(&format!("{}{KEYS_BEGIN}\n{OTHER}\n", block(&[ED25519])), &[ED25519]);
}

#[test]
fn a_reset_while_printing_starts_the_block_anew() {
    check(&format!("{KEYS_BEGIN}\n{OTHER}\nBIOS\n{}", block(&[ED25519])), &[ED25519]);
}

#[test]
fn keys_outside_the_block_are_not_host_keys() {
    check(&format!("ci-info: | {ED25519} | user@laptop |\n"), &[]);
}

#[test]
fn fingerprints_serve_where_the_keys_are_not_printed() {
    let key = PublicKey::from_openssh(ED25519).unwrap();
    let fingerprint = key.fingerprint(russh::keys::HashAlg::Sha256);
    let log = format!(
        "<14>Nov 22 cloud-init: {FINGERPRINTS_BEGIN}\r\n<14>Nov 22 cloud-init: 256 {fingerprint} root@lxd0 (ED25519)\r\n<14>Nov 22 cloud-init: {FINGERPRINTS_END}\r\n"
    );
    let found = host_keys(&log);
    assert_eq!(found.fingerprints, [fingerprint]);
    assert!(found.check().unwrap().accepts(&key));
}

#[test]
fn a_log_without_keys_gives_no_check() {
    assert_eq!(host_keys("Linux version 6.1\nlogin:").check(), None);
    assert_eq!(host_keys("").check(), None);
}
