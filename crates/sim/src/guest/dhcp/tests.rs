#![allow(clippy::unwrap_used)]
use super::*;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 100);
const MAC: &str = "00:16:3e:00:00:01";

fn machine(extra: &str) -> (Files, Dnsmasq) {
    let mut files = Files::installed();
    let text = format!("port=0\ndhcp-range=192.168.0.0,static,255.255.255.0\ndhcp-option=3,192.168.0.1\n{extra}");
    files.write("/etc/dnsmasq.d/containers", text.into_bytes(), None);
    let dnsmasq = Dnsmasq::start(&files).unwrap();
    (files, dnsmasq)
}

fn write(files: &mut Files, dnsmasq: &mut Dnsmasq, path: &str, text: &str) {
    files.write(path, text.as_bytes().to_vec(), None);
    dnsmasq.file_changed(files, path);
}

#[test]
fn a_stranger_gets_no_offer() {
    let (_, mut dnsmasq) = machine("dhcp-ignore=tag:!known\n");
    assert!(dnsmasq.discover(MAC, "hugo").unwrap_err().contains("ignored"));
}

#[test]
fn a_new_file_in_the_hosts_directory_counts_at_once_and_a_removed_one_until_the_reload() {
    let (mut files, mut dnsmasq) = machine("dhcp-hostsdir=/etc/hosts.d\n");
    write(&mut files, &mut dnsmasq, "/etc/hosts.d/hugo", "00:16:3E:00:00:01,192.168.0.100,hugo\n");
    assert_eq!(dnsmasq.discover(MAC, "other"), Ok(ADDRESS));
    files.remove("/etc/hosts.d/hugo");
    dnsmasq.release(ADDRESS, MAC);
    assert_eq!(dnsmasq.discover(MAC, "other"), Ok(ADDRESS));
    dnsmasq.release(ADDRESS, MAC);
    dnsmasq.reload(&files);
    assert!(dnsmasq.discover(MAC, "other").is_err());
}

#[test]
fn a_host_in_the_configuration_needs_a_restart() {
    let (mut files, mut dnsmasq) = machine("");
    files.append("/etc/dnsmasq.d/containers", b"dhcp-host=hugo,192.168.0.100\n");
    dnsmasq.reload(&files);
    assert!(dnsmasq.discover(MAC, "hugo").is_err());
    dnsmasq.restart(&files);
    assert_eq!(dnsmasq.discover(MAC, "hugo"), Ok(ADDRESS));
}

#[test]
fn a_new_mac_under_an_old_name_waits_for_the_release_of_the_lease() {
    let (_, mut dnsmasq) = machine("dhcp-host=hugo,192.168.0.100\n");
    assert_eq!(dnsmasq.discover(MAC, "hugo"), Ok(ADDRESS));
    let refused = dnsmasq.discover("00:16:3e:00:00:02", "hugo").unwrap_err();
    assert!(refused.contains("leased to 00:16:3e:00:00:01"), "{refused}");
    dnsmasq.release(ADDRESS, MAC);
    assert_eq!(dnsmasq.discover("00:16:3e:00:00:02", "hugo"), Ok(ADDRESS));
}

#[test]
fn the_second_reservation_of_an_address_is_dropped() {
    let (mut files, mut dnsmasq) = machine("dhcp-hostsdir=/etc/hosts.d\n");
    write(&mut files, &mut dnsmasq, "/etc/hosts.d/a", "00:16:3e:00:00:01,192.168.0.100\n");
    write(&mut files, &mut dnsmasq, "/etc/hosts.d/b", "00:16:3e:00:00:02,192.168.0.100\n");
    assert!(dnsmasq.discover("00:16:3e:00:00:02", "b").is_err());
}

#[test]
fn an_address_outside_the_range_is_not_offered() {
    let (_, mut dnsmasq) = machine("dhcp-host=hugo,10.0.0.5\n");
    assert!(dnsmasq.discover(MAC, "hugo").is_err());
}

#[test]
fn a_file_whose_name_begins_with_a_dot_is_passed_over_until_it_is_renamed() {
    let (mut files, mut dnsmasq) = machine("dhcp-hostsdir=/etc/hosts.d\n");
    write(&mut files, &mut dnsmasq, "/etc/hosts.d/.hugo", "00:16:3e:00:00:01,192.168.0.100\n");
    assert!(dnsmasq.discover(MAC, "hugo").is_err());
    files.rename("/etc/hosts.d/.hugo", "/etc/hosts.d/hugo");
    dnsmasq.file_changed(&files, "/etc/hosts.d/hugo");
    assert_eq!(dnsmasq.discover(MAC, "hugo"), Ok(ADDRESS));
}
