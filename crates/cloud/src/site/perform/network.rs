//! Pools, security groups, ports, pairs, floating IPs.

use std::net::Ipv4Addr;
use std::time::Duration;

use pontoon_core::address::AddressRange;
use pontoon_core::key::Key;
use pontoon_core::observed::{self, Admits, Pair, PoolsBefore};
use pontoon_core::plan::{Action, Claim};

use super::super::patience::until;
use super::super::{Site, SiteError, Waiting};
use crate::openstack::Revision;
use crate::openstack::network::{
    AllocationPool, AllowedAddressPair, FloatingIp, FloatingIpChange, NewFloatingIp, NewPort, NewSecurityGroup,
    NewSecurityGroupRule, Port, PortChange, Tagged, WantedFixedIp,
};

/// How long a security group may still be in use after its last user is gone: Octavia removes the ports of its
/// amphorae on its own time.
const GROUP_IN_USE_LIMIT: Duration = Duration::from_mins(2);

fn first_address(port: &Port) -> Option<Ipv4Addr> {
    port.fixed_ips.first().and_then(|fixed| fixed.ip_address.parse().ok())
}

fn wanted_pair(pair: &Pair) -> AllowedAddressPair {
    AllowedAddressPair { ip_address: pair.address.clone(), mac_address: Some(pair.mac.clone()) }
}

impl Site {
    /// The tag first: pools that were narrowed without it could never be given back.
    pub(super) async fn narrow_pools(
        &self,
        subnet_id: &str,
        pools: &[AddressRange],
        before: Option<&PoolsBefore>,
    ) -> Result<(), SiteError> {
        if let Some(before) = before {
            self.openstack.add_tag(Tagged::Subnet, subnet_id, &before.tag).await?;
        }
        self.set_pools(subnet_id, pools).await
    }

    /// The tag last, for the same reason.
    pub(super) async fn restore_pools(&self, subnet_id: &str, before: &PoolsBefore) -> Result<(), SiteError> {
        self.set_pools(subnet_id, &before.pools).await?;
        super::gone(self.openstack.remove_tag(Tagged::Subnet, subnet_id, &before.tag).await)
    }

    async fn set_pools(&self, subnet_id: &str, pools: &[AddressRange]) -> Result<(), SiteError> {
        let pool =
            |range: &AddressRange| AllocationPool { start: range.first().to_string(), end: range.last().to_string() };
        let pools: Vec<AllocationPool> = pools.iter().map(pool).collect();
        self.openstack.update_allocation_pools(subnet_id, &pools, None).await?;
        Ok(())
    }

    pub(super) async fn create_security_group(&self, key: &Key, name: &str) -> Result<(), SiteError> {
        let group = NewSecurityGroup { name: name.to_owned(), description: key.to_string() };
        let group = self.openstack.create_security_group(&group).await?;
        self.book.set(key, &group.id, None);
        Ok(())
    }

    pub(super) async fn create_rules(&self, key: &Key, group: &Key, admits: &[Admits]) -> Result<(), SiteError> {
        let group_id = self.book.id(group)?;
        let rules = admits.iter().filter_map(|admits| {
            let (protocol, port, prefix, remote_group) = match admits {
                Admits::TcpFrom(port, from) => ("tcp", *port, Some(from.to_string()), None),
                Admits::UdpFrom(port, from) => ("udp", *port, Some(from.to_string()), None),
                Admits::TcpFromGroup(port) => ("tcp", *port, None, Some(group_id.clone())),
                Admits::Other(_) => return None, // never planned: it is what others wrote
            };
            Some(NewSecurityGroupRule {
                security_group_id: group_id.clone(),
                direction: "ingress".to_owned(),
                ethertype: "IPv4".to_owned(),
                protocol: Some(protocol.to_owned()),
                port_range_min: Some(port),
                port_range_max: Some(port),
                remote_ip_prefix: prefix,
                remote_group_id: remote_group,
                description: Some(key.to_string()),
            })
        });
        let rules: Vec<NewSecurityGroupRule> = rules.collect();
        self.openstack.create_security_group_rules(&rules).await?;
        Ok(())
    }

    pub(super) async fn reserve(
        &self,
        network_id: &str,
        subnet_id: &str,
        addresses: &[(Key, Ipv4Addr)],
    ) -> Result<(), SiteError> {
        let port = |(key, address): &(Key, Ipv4Addr)| NewPort {
            network_id: network_id.to_owned(),
            name: key.name.clone(),
            description: Some(key.to_string()),
            fixed_ips: Some(vec![WantedFixedIp {
                subnet_id: Some(subnet_id.to_owned()),
                ip_address: Some(address.to_string()),
            }]),
            ..NewPort::default()
        };
        let ports: Vec<NewPort> = addresses.iter().map(port).collect();
        for made in self.openstack.create_ports(&ports).await? {
            if let Ok(key) = made.description.parse::<Key>() {
                self.book.set(&key, &made.id, first_address(&made));
            }
        }
        Ok(())
    }

    pub(super) async fn create_port(&self, key: &Key, action: &Action) -> Result<(), SiteError> {
        let Action::CreatePort { name, network_id, subnet_id, mac, security_groups, port_security, pairs } = action
        else {
            return Ok(());
        };
        let groups = self.ids(security_groups)?;
        let port = NewPort {
            network_id: network_id.clone(),
            name: name.clone(),
            description: Some(key.to_string()),
            mac_address: Some(mac.to_string()),
            fixed_ips: Some(vec![WantedFixedIp { subnet_id: Some(subnet_id.clone()), ip_address: None }]),
            security_groups: Some(groups),
            allowed_address_pairs: (!pairs.is_empty()).then(|| pairs.iter().map(wanted_pair).collect()),
            port_security_enabled: (!port_security).then_some(false),
            ..NewPort::default()
        };
        let port = self.openstack.create_port(&port).await?;
        self.book.set(key, &port.id, first_address(&port));
        Ok(())
    }

    pub(super) async fn set_pairs(&self, port: &Key, pairs: &[Pair], revision: Option<u64>) -> Result<(), SiteError> {
        let change = PortChange {
            allowed_address_pairs: Some(pairs.iter().map(wanted_pair).collect()),
            ..PortChange::default()
        };
        self.openstack.update_port(&self.book.id(port)?, &change, revision.map(Revision)).await?;
        Ok(())
    }

    pub(super) async fn set_port_security(
        &self,
        port: &Key,
        security_groups: &[Key],
        port_security: bool,
    ) -> Result<(), SiteError> {
        let change = PortChange {
            security_groups: Some(self.ids(security_groups)?),
            port_security_enabled: Some(port_security),
            // Neutron refuses pairs, old ones too, on a port whose security is off.
            allowed_address_pairs: (!port_security).then(Vec::new),
            ..PortChange::default()
        };
        self.openstack.update_port(&self.book.id(port)?, &change, None).await?;
        Ok(())
    }

    pub(super) async fn create_floating_ip(&self, key: &Key, external_id: &str, port: &Key) -> Result<(), SiteError> {
        let wanted = NewFloatingIp {
            floating_network_id: external_id.to_owned(),
            port_id: Some(self.book.id(port)?),
            description: Some(key.to_string()),
            ..NewFloatingIp::default()
        };
        let made = self.openstack.create_floating_ip(&wanted).await?;
        self.note_floating_ip(key, &made);
        Ok(())
    }

    /// The tag first: one that leads here without it would be taken for somebody else's.
    pub(super) async fn move_floating_ip(
        &self,
        key: &Key,
        id: &str,
        port: &Key,
        claim: Claim,
    ) -> Result<(), SiteError> {
        if claim == Claim::Given {
            self.openstack.add_tag(Tagged::FloatingIp, id, &observed::FloatingIp::given_tag(&self.stack)).await?;
        }
        let description = (claim == Claim::Key).then(|| key.to_string());
        let change = FloatingIpChange { port_id: Some(Some(self.book.id(port)?)), description };
        let moved = self.openstack.update_floating_ip(id, &change, None).await?;
        self.note_floating_ip(key, &moved);
        Ok(())
    }

    /// The tag last, for the same reason.
    pub(super) async fn release_floating_ip(&self, id: &str) -> Result<(), SiteError> {
        let nowhere = FloatingIpChange { port_id: Some(None), ..FloatingIpChange::default() };
        super::gone(self.openstack.update_floating_ip(id, &nowhere, None).await.map(drop))?;
        let tag = observed::FloatingIp::given_tag(&self.stack);
        super::gone(self.openstack.remove_tag(Tagged::FloatingIp, id, &tag).await)
    }

    fn note_floating_ip(&self, key: &Key, floating: &FloatingIp) {
        self.book.set(key, &floating.id, floating.floating_ip_address.parse().ok());
    }

    pub(super) async fn delete_security_group(&self, id: &str, waiting: Waiting<'_>) -> Result<(), SiteError> {
        let delete = async |state: &mut String| match self.openstack.delete_security_group(id).await {
            Ok(()) => Ok(Some(())),
            Err(error) if error.is_not_found() => Ok(Some(())),
            Err(error) if error.is_conflict() => {
                let users = self
                    .openstack
                    .ports(&[("security_groups", id), ("fields", "id"), ("fields", "device_owner")])
                    .await?;
                let listed: Vec<String> =
                    users.iter().map(|port| format!("port `{}` {}", port.id, port.device_owner)).collect();
                *state = if listed.is_empty() {
                    "still in use".to_owned()
                } else {
                    format!("in use by {}", listed.join(", "))
                };
                Ok(None)
            }
            Err(error) => Err(error.into()),
        };
        until("security group to be free", GROUP_IN_USE_LIMIT, delete, waiting).await
    }
}
