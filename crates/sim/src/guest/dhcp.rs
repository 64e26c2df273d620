//! What dnsmasq on a machine would answer to a container that asks for an address.
//!
//! The rules that matter for a DHCP server that must stay silent to strangers: static ranges, hosts by MAC or by name,
//! leases that outlive their container, and the moments at which changed files take effect (dnsmasq 2.90):
//!
//! | where a host is written | new | changed | removed |
//! | --- | --- | --- | --- |
//! | `dhcp-host` in the configuration | restart | restart | restart |
//! | a file of `dhcp-hostsfile` | reload | reload | reload |
//! | a file in `dhcp-hostsdir` | at once | at once | reload |
//!
//! It knows nothing of containers: it is asked with a MAC and a host name.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{Files, normal};

/// A dnsmasq with what it has read, and the leases it has given.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Dnsmasq {
    ranges: Vec<Range>,
    silent_to_unknown: bool,
    hosts_directories: Vec<String>,
    hosts_files: Vec<String>,
    /// Hosts of the configuration itself, then those read from files and directories; the first match counts.
    configured: Vec<Host>,
    read: Vec<Host>,
    /// By MAC. A lease is not given back when its container stops.
    leases: BTreeMap<String, Ipv4Addr>,
    /// Whether the daemon runs.
    pub(crate) running: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Range {
    /// Answers configured hosts of this network only. `None`: the mask was not given, any network.
    Static { network: Ipv4Addr, mask: Option<Ipv4Addr> },
    /// Gives these addresses to anybody.
    Dynamic { first: Ipv4Addr, last: Ipv4Addr },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Host {
    source: String,
    mac: Option<String>,
    name: Option<String>,
    address: Option<Ipv4Addr>,
    ignore: bool,
}

impl Dnsmasq {
    /// Starts dnsmasq if any file of the machine configures it to serve addresses.
    pub(crate) fn start(files: &Files) -> Option<Dnsmasq> {
        let mut dnsmasq = Dnsmasq { running: true, ..Dnsmasq::default() };
        dnsmasq.restart(files);
        (!dnsmasq.ranges.is_empty() || files.is_directory("/etc/dnsmasq.d")).then_some(dnsmasq)
    }

    /// Reads everything again; leases stay, they are on disk.
    pub(crate) fn restart(&mut self, files: &Files) {
        let leases = std::mem::take(&mut self.leases);
        *self = Dnsmasq { running: true, leases, ..Dnsmasq::default() };
        for (path, file) in files.all().filter(|(path, file)| is_configuration(path, &file.content)) {
            for line in String::from_utf8_lossy(&file.content).lines() {
                self.configure(path, line);
            }
        }
        self.reload(files);
    }

    /// The directories that it watches.
    pub(crate) fn hosts_directories(&self) -> &[String] {
        &self.hosts_directories
    }

    /// SIGHUP: the hosts files and directories are read again, the configuration is not.
    pub(crate) fn reload(&mut self, files: &Files) {
        self.read.clear();
        let mut paths: Vec<String> = self.hosts_files.clone();
        for directory in &self.hosts_directories {
            paths.extend(files.under(directory).map(|(path, _)| path.clone()).filter(|path| !is_passed_over(path)));
        }
        for path in paths {
            self.read_hosts(files, &path);
        }
    }

    /// A file was written or moved into place: a hosts directory is watched, its new records count at once.
    pub(crate) fn file_changed(&mut self, files: &Files, path: &str) {
        let path = normal(path);
        let watched = self.hosts_directories.iter().any(|directory| path.starts_with(&format!("{directory}/")));
        if self.running && watched && !is_passed_over(&path) {
            self.read_hosts(files, &path);
        }
    }

    /// Forgets a lease, as `dhcp_release` makes it.
    pub(crate) fn release(&mut self, address: Ipv4Addr, mac: &str) {
        if self.leases.get(&mac.to_lowercase()) == Some(&address) {
            self.leases.remove(&mac.to_lowercase());
        }
    }

    /// The address offered to `mac`, which calls itself `name`.
    ///
    /// # Errors
    /// Why there is no offer, in the words of dnsmasq's log where it has any.
    pub(crate) fn discover(&mut self, mac: &str, name: &str) -> Result<Ipv4Addr, String> {
        if !self.running {
            return Err("dnsmasq is not running".to_owned());
        }
        let mac = mac.to_lowercase();
        let hosts = || self.configured.iter().chain(&self.read);
        let host = hosts()
            .find(|host| host.mac.as_deref() == Some(mac.as_str()))
            .or_else(|| hosts().find(|host| host.mac.is_none() && host.name.as_deref() == Some(name)));
        if host.is_none() && self.silent_to_unknown || host.is_some_and(|host| host.ignore) {
            return Err(format!("DHCPDISCOVER(br0) {mac} ignored"));
        }
        let address = match host.and_then(|host| host.address) {
            Some(address) => {
                if !self.ranges.iter().any(|range| range.contains(address)) {
                    return Err(format!("DHCPDISCOVER(br0) {mac} no address range available for {address}"));
                }
                if let Some((other, _)) =
                    self.leases.iter().find(|(other, leased)| **other != mac && **leased == address)
                {
                    return Err(format!("not using configured address {address} because it is leased to {other}"));
                }
                address
            }
            None => match self.leases.get(&mac) {
                Some(leased) => *leased,
                None => self.free().ok_or_else(|| format!("DHCPDISCOVER(br0) {mac} no address available"))?,
            },
        };
        self.leases.insert(mac, address);
        Ok(address)
    }

    fn free(&self) -> Option<Ipv4Addr> {
        let taken = |address: &Ipv4Addr| {
            self.leases.values().any(|leased| leased == address)
                || self.configured.iter().chain(&self.read).any(|host| host.address == Some(*address))
        };
        self.ranges.iter().find_map(|range| match range {
            Range::Dynamic { first, last } => {
                (u32::from(*first)..=u32::from(*last)).map(Ipv4Addr::from).find(|address| !taken(address))
            }
            Range::Static { .. } => None,
        })
    }

    fn configure(&mut self, path: &str, line: &str) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some((key, value)) = line.split_once('=') else { return };
        let value = value.trim();
        match key.trim() {
            "dhcp-range" => self.ranges.extend(Range::parse(value)),
            "dhcp-hostsdir" => self.hosts_directories.push(normal(value)),
            "dhcp-hostsfile" => self.hosts_files.push(normal(value)),
            "dhcp-host" => self.configured.push(Host::parse(path, value)),
            "dhcp-ignore" if value.contains("!known") => self.silent_to_unknown = true,
            _ => {}
        }
    }

    /// A record replaces the one of the same MAC or name. A second reservation of an address is dropped: dnsmasq logs
    /// "duplicate dhcp-host IP address" and keeps the first.
    fn read_hosts(&mut self, files: &Files, path: &str) {
        let Some(text) = files.text(path) else { return };
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let host = Host::parse(path, line);
            self.read.retain(|old| old.mac != host.mac || old.mac.is_none() && old.name != host.name);
            let duplicate = host.address.is_some()
                && self.configured.iter().chain(&self.read).any(|old| old.address == host.address);
            if !duplicate {
                self.read.push(host);
            }
        }
    }
}

impl Range {
    fn parse(value: &str) -> Option<Range> {
        let parts: Vec<&str> = value
            .split(',')
            .map(str::trim)
            .filter(|part| !["set:", "tag:", "interface:"].iter().any(|prefix| part.starts_with(prefix)))
            .collect();
        let first: Ipv4Addr = parts.first()?.parse().ok()?;
        if parts.get(1) == Some(&"static") {
            return Some(Range::Static { network: first, mask: parts.get(2).and_then(|mask| mask.parse().ok()) });
        }
        Some(Range::Dynamic { first, last: parts.get(1)?.parse().ok()? })
    }

    fn contains(&self, address: Ipv4Addr) -> bool {
        match self {
            Range::Static { mask: None, .. } => true,
            Range::Static { network, mask: Some(mask) } => {
                u32::from(*network) & u32::from(*mask) == u32::from(address) & u32::from(*mask)
            }
            // A configured address need only be on the range's network, which is taken to be its /24.
            Range::Dynamic { first, .. } => u32::from(*first) >> 8 == u32::from(address) >> 8,
        }
    }
}

impl Host {
    fn parse(source: &str, line: &str) -> Host {
        let mut host = Host { source: source.to_owned(), ..Host::default() };
        for part in line.split(',').map(str::trim) {
            if part == "ignore" {
                host.ignore = true;
            } else if is_mac(part) {
                host.mac = Some(part.to_lowercase());
            } else if let Ok(address) = part.parse() {
                host.address = Some(address);
            } else if !part.contains(':') && !is_lease_time(part) && host.name.is_none() && !part.is_empty() {
                host.name = Some(part.to_owned());
            }
        }
        host
    }
}

/// Names in a directory that dnsmasq takes for the leavings of editors.
fn is_passed_over(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.starts_with('.') || name.ends_with('~') || name.starts_with('#') && name.ends_with('#')
}

fn is_mac(text: &str) -> bool {
    let octets: Vec<&str> = text.split(':').collect();
    octets.len() == 6 && octets.iter().all(|octet| octet.len() == 2 && u8::from_str_radix(octet, 16).is_ok())
}

fn is_lease_time(text: &str) -> bool {
    text == "infinite" || text.trim_end_matches(['s', 'm', 'h', 'd', 'w']).parse::<u32>().is_ok()
}

fn is_configuration(path: &str, content: &[u8]) -> bool {
    let in_place =
        path == "/etc/dnsmasq.conf" || path.strip_prefix("/etc/dnsmasq.d/").is_some_and(|name| !name.contains('/'));
    let other = Path::new(path).extension().is_some_and(|extension| extension == "conf")
        && String::from_utf8_lossy(content).lines().any(|line| line.starts_with("dhcp-range="));
    in_place || other
}

#[cfg(test)]
mod tests;
