//! Network devices of containers: what the engine accepts, and the address that a container ends up with.
//!
//! | nictype | MAC on the wire | address |
//! | --- | --- | --- |
//! | `bridged` on a bridge of the machine | its own | network-config, else `raw.lxc`, else DHCP |
//! | `routed` | the machine's | `ipv4.address` of the device |
//!
//! A bridge that the engine manages itself leads nowhere: it is not on the wire.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::super::cloud_config::yaml;
use super::super::machine::Ground;
use super::{Config, Devices, Engine, first_of};

/// A network device of a running container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Its name inside the container.
    pub(crate) name: String,
    /// Its own MAC.
    pub(crate) mac: String,
    /// Whether frames leave the machine under the machine's MAC.
    pub(crate) wire: Wire,
    /// Its address, or why it has none.
    pub(crate) address: Result<Ipv4Addr, String>,
}

/// How a device reaches the machine's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Through a bridge that holds the machine's card.
    Bridged,
    /// Through the machine's own address resolution.
    Routed,
    /// Not at all.
    Nowhere,
}

/// Checks devices as the engine does when they are configured.
///
/// # Errors
/// The engine's words.
pub(super) fn validate(ground: &Ground, devices: &Devices) -> Result<(), String> {
    for (name, device) in devices.iter().filter(|(_, device)| is_nic(device)) {
        let refuse = |reason: &str| Err(format!("Device validation failed for {name:?}: {reason}"));
        let has_address = device.get("ipv4.address").is_some_and(|address| address != "none");
        let filters = device.get("security.ipv4_filtering").is_some_and(|value| value == "true");
        match device.get("nictype").map(String::as_str) {
            Some("bridged") => {
                let Some(parent) = device.get("parent") else {
                    return refuse("Invalid value for device option \"parent\": Required value");
                };
                let unmanaged = ground.bridges.contains(parent);
                if unmanaged && has_address && !filters {
                    return refuse("Cannot use manually specified ipv4.address when using unmanaged parent bridge");
                }
                if unmanaged && filters && !has_address {
                    return refuse(
                        "IPv4 filtering requires a manually specified ipv4.address when using an unmanaged parent bridge",
                    );
                }
            }
            Some("routed") => {
                if !device.contains_key("parent") {
                    return refuse("Invalid value for device option \"parent\": Required value");
                }
                if device
                    .get("ipv4.address")
                    .is_none_or(|list| list.split(',').any(|one| one.trim().parse::<Ipv4Addr>().is_err()))
                {
                    return refuse("Invalid value for device option \"ipv4.address\": Not an IPv4 address");
                }
            }
            Some("macvlan" | "ipvlan" | "physical" | "p2p" | "sriov") => {}
            Some(other) => return refuse(&format!("Unsupported nictype {other:?}")),
            None if device.contains_key("network") => {}
            None => return refuse("Missing nictype or network"),
        }
    }
    Ok(())
}

/// Checks devices as the engine does when it starts a container.
///
/// # Errors
/// The engine's words.
pub(super) fn startable(engine: &Engine, ground: &Ground, devices: &Devices) -> Result<(), String> {
    for (name, device) in devices.iter().filter(|(_, device)| is_nic(device)) {
        let parent = device.get("parent").or_else(|| device.get("network")).cloned().unwrap_or_default();
        let exists = ground.bridges.contains(&parent) || ground.card == parent || engine.networks.contains_key(&parent);
        if !exists {
            return Err(format!("Failed to start device {name:?}: Parent device {parent:?} doesn't exist"));
        }
        if device.get("nictype").map(String::as_str) == Some("routed") && !ground.forwards {
            return Err(format!(
                "Failed to start device {name:?}: Routed mode requires sysctl net.ipv4.conf.{parent}.forwarding=1"
            ));
        }
    }
    Ok(())
}

/// The network devices of a running container. Asking is what its DHCP client does all the time: a lease may come of it.
pub(crate) fn interfaces(engine: &Engine, ground: &mut Ground, container: &str) -> Vec<Interface> {
    let Some(instance) = engine.instances.get(container).filter(|instance| instance.running) else { return Vec::new() };
    let config = engine.expanded_config(instance);
    let devices = engine.expanded_devices(instance);
    devices
        .iter()
        .filter(|(_, device)| is_nic(device))
        .map(|(device_name, device)| {
            let name = device.get("name").unwrap_or(device_name).clone();
            let mac = hardware_address(&instance.config, device_name, device);
            let parent = device.get("parent").cloned().unwrap_or_default();
            let (wire, address) = match device.get("nictype").map(String::as_str) {
                Some("routed") => (Wire::Routed, first_address(device.get("ipv4.address"))),
                Some("bridged") if ground.bridges.contains(&parent) => {
                    (Wire::Bridged, bridged_address(ground, &config, container, &name, &mac))
                }
                _ => (Wire::Nowhere, Err(format!("{name} is not connected to the machine's network"))),
            };
            Interface { name, mac, wire, address }
        })
        .collect()
}

fn bridged_address(
    ground: &mut Ground,
    config: &Config,
    container: &str,
    name: &str,
    mac: &str,
) -> Result<Ipv4Addr, String> {
    let declared = first_of(config, ["cloud-init.network-config", "user.network-config"]);
    match declared.map_or(Addressing::Dhcp, |text| addressing(&text, name)) {
        Addressing::Static(address) => return Ok(address),
        Addressing::None => return Err(format!("network-config gives {name} no address")),
        Addressing::Dhcp => {}
    }
    if let Some(address) = config.get("raw.lxc").and_then(|text| raw_address(text)) {
        return Ok(address);
    }
    let dnsmasq = ground.dnsmasq.as_mut().ok_or("no DHCP server answered")?;
    dnsmasq.discover(mac, container)
}

/// How a network-config says that an interface gets its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addressing {
    Static(Ipv4Addr),
    Dhcp,
    None,
}

/// Reads a network-config of version 1 or 2.
fn addressing(text: &str, name: &str) -> Addressing {
    let Ok(whole) = yaml(text) else { return Addressing::Dhcp };
    let config = whole.get("network").unwrap_or(&whole);
    if let Some(ethernets) = config.get("ethernets").and_then(Value::as_object) {
        let matches = |entry: &(&String, &Value)| {
            entry.0 == name
                || entry.1.get("set-name").and_then(Value::as_str) == Some(name)
                || entry.1.get("match").is_some()
        };
        let Some((_, entry)) = ethernets.iter().find(matches) else { return Addressing::None };
        let given = entry.get("addresses").and_then(Value::as_array).into_iter().flatten();
        let address = given.filter_map(Value::as_str).find_map(|address| first_address(Some(&address.to_owned())).ok());
        let dhcp = entry.get("dhcp4").and_then(Value::as_bool).unwrap_or(false);
        return address.map_or(if dhcp { Addressing::Dhcp } else { Addressing::None }, Addressing::Static);
    }
    let entries = config.get("config").and_then(Value::as_array);
    let Some(entry) =
        entries.into_iter().flatten().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))
    else {
        return if entries.is_some() { Addressing::None } else { Addressing::Dhcp };
    };
    for subnet in entry.get("subnets").and_then(Value::as_array).into_iter().flatten() {
        match subnet.get("type").and_then(Value::as_str) {
            Some("static") => {
                let address = subnet.get("address").and_then(Value::as_str).map(str::to_owned);
                return first_address(address.as_ref()).map_or(Addressing::None, Addressing::Static);
            }
            Some("dhcp" | "dhcp4") => return Addressing::Dhcp,
            _ => {}
        }
    }
    Addressing::None
}

/// `lxc.net.0.ipv4.address = …`, or `lxc.network.0.ipv4 = …` of LXC before 3.
fn raw_address(text: &str) -> Option<Ipv4Addr> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        let known = matches!(key.trim(), "lxc.net.0.ipv4.address" | "lxc.network.0.ipv4" | "lxc.network.ipv4");
        if known { first_address(Some(&value.to_owned())).ok() } else { None }
    })
}

/// The first of a list of addresses, without its prefix.
fn first_address(list: Option<&String>) -> Result<Ipv4Addr, String> {
    let first = list.and_then(|list| list.split([',', '/', ' ']).find(|part| !part.is_empty()));
    first.and_then(|address| address.parse().ok()).ok_or_else(|| "no address is configured".to_owned())
}

/// The MAC on the device itself, else the one that the engine made up.
pub(super) fn hardware_address(config: &Config, name: &str, device: &Config) -> String {
    let given = device.get("hwaddr").or_else(|| config.get(&format!("volatile.{name}.hwaddr")));
    given.map(|mac| mac.to_lowercase()).unwrap_or_default()
}

/// Makes up a MAC for each network device that has none. One given on the device stays out of `volatile`.
pub(super) fn make_up_addresses(config: &mut Config, devices: &Devices) {
    for (name, _) in devices.iter().filter(|(_, device)| is_nic(device) && !device.contains_key("hwaddr")) {
        config.entry(format!("volatile.{name}.hwaddr")).or_insert_with(|| {
            let [a, b, c, ..] = *uuid::Uuid::new_v4().as_bytes();
            format!("00:16:3e:{a:02x}:{b:02x}:{c:02x}")
        });
    }
}

fn is_nic(device: &Config) -> bool {
    device.get("type").map(String::as_str) == Some("nic")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Addressing = Addressing::Static(Ipv4Addr::new(192, 168, 0, 100));

    #[test]
    fn both_versions_of_network_config_are_read() {
        let second = "version: 2\nethernets:\n  eth0:\n    addresses: [192.168.0.100/24]\n";
        let first = "version: 1\nconfig:\n- type: physical\n  name: eth0\n  subnets:\n  - {type: static, address: 192.168.0.100/24}\n";
        assert_eq!(addressing(second, "eth0"), ADDRESS);
        assert_eq!(addressing(&format!("network:\n  {}", second.replace('\n', "\n  ")), "eth0"), ADDRESS);
        assert_eq!(addressing(first, "eth0"), ADDRESS);
        assert_eq!(addressing("version: 2\nethernets: {eth0: {dhcp4: true}}", "eth0"), Addressing::Dhcp);
        assert_eq!(addressing("version: 2\nethernets: {eth1: {dhcp4: true}}", "eth0"), Addressing::None);
    }

    #[test]
    fn raw_lxc_gives_an_address_under_its_old_and_its_new_key() {
        let expected = Some(Ipv4Addr::new(192, 168, 0, 100));
        assert_eq!(raw_address("lxc.net.0.ipv4.address = 192.168.0.100/24\n"), expected);
        assert_eq!(raw_address("lxc.network.0.ipv4 = 192.168.0.100/24 192.168.0.255"), expected);
    }
}
