//! Neutron's security groups and their rules, and the question whether a group lets a packet pass.

use super::network::without_owner;
use super::port::parse_range;
use super::{Attributes, Caller, Meta, Refusal, World, overlay, required, text};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};

/// A security group. Its rules are in a table of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// What all objects share.
    #[serde(flatten)]
    pub meta: Meta,
    /// Always true here: replies pass.
    pub stateful: bool,
    /// Always false: no RBAC.
    pub shared: bool,
}

/// A rule of a security group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rule {
    /// What all objects share; the name is unused.
    #[serde(flatten)]
    pub meta: Meta,
    /// The group it is part of.
    pub security_group_id: String,
    /// From the port's point of view.
    pub direction: Direction,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// `tcp`, `udp`, `icmp`, a number; `None` is all.
    pub protocol: Option<String>,
    /// The first port.
    pub port_range_min: Option<u16>,
    /// The last port.
    pub port_range_max: Option<u16>,
    /// Only for peers in this range.
    pub remote_ip_prefix: Option<String>,
    /// Only for peers in this group.
    pub remote_group_id: Option<String>,
    /// Address groups are not simulated.
    pub remote_address_group_id: Option<String>,
    /// Who made it.
    #[serde(default)]
    pub origin: RuleOrigin,
}

/// Who made a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOrigin {
    /// A request.
    #[default]
    Request,
    /// It came with its group: it has no description, not even an empty one.
    Group,
}

/// Which way a packet goes, from the port's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Towards the machine.
    Ingress,
    /// From the machine.
    Egress,
}

const RULE_ATTRIBUTES: &[&str] = &[
    "description",
    "security_group_id",
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
];

impl World {
    /// The group, if it is the caller's.
    pub fn security_group(&self, caller: &Caller, id: &str) -> Result<&SecurityGroup, Refusal> {
        self.security_groups
            .get(id)
            .filter(|group| group.meta.project_id == caller.project_id)
            .ok_or_else(|| Refusal::new(404, "SecurityGroupNotFound", format!("Security group {id} does not exist")))
    }

    /// Creates a group with Neutron's two egress rules.
    pub fn create_security_group(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        self.network_quota(&caller.project_id, "security_group", 1)?;
        self.network_quota(&caller.project_id, "security_group_rule", 2)?;
        if text(given, "name") == Some("default") {
            return Err(Refusal::new(
                409,
                "SecurityGroupDefaultAlreadyExists",
                "Default security group already exists.",
            ));
        }
        let defaults = SecurityGroup { meta: Meta::new(&caller.project_id, self.now), stateful: true, shared: false };
        let group = overlay(&defaults, &without_owner(given), &["name", "description", "stateful"])?;
        Ok(self.insert_group(group))
    }

    /// Changes a group's name or description.
    pub fn update_security_group(&mut self, caller: &Caller, id: &str, given: &Attributes) -> Result<(), Refusal> {
        let now = self.now;
        let mut group = overlay(self.security_group(caller, id)?, given, &["name", "description", "stateful"])?;
        group.meta.touch(now);
        self.security_groups.insert(id.to_owned(), group);
        Ok(())
    }

    /// Deletes a group that no port uses and that is not the default one.
    pub fn delete_security_group(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let group = self.security_group(caller, id)?;
        if self.ports.values().any(|port| port.security_groups.iter().any(|used| used == id)) {
            return Err(Refusal::new(409, "SecurityGroupInUse", format!("Security Group {id} in use.")));
        }
        if group.meta.name == "default" {
            return Err(Refusal::new(
                409,
                "SecurityGroupCannotRemoveDefault",
                "Insufficient rights for removing default security group.",
            ));
        }
        self.drop_group(id);
        Ok(())
    }

    /// Creates a rule.
    pub fn create_rule(&mut self, caller: &Caller, given: &Attributes) -> Result<String, Refusal> {
        let group = required(given, "security_group_id")?.to_owned();
        match required(given, "direction")? {
            "ingress" | "egress" => {}
            other => {
                let message = format!("Invalid input for direction. Reason: {other} is not in valid_values.");
                return Err(Refusal::invalid(message));
            }
        }
        if text(given, "protocol") == Some("any") {
            let message = "Security group rule protocol any not supported. All protocols are meant by none.";
            return Err(Refusal::new(400, "SecurityGroupRuleInvalidProtocol", message));
        }
        self.network_quota(&caller.project_id, "security_group_rule", 1)?;
        let given = as_numbers(without_owner(given));
        let mut rule = overlay(&self.blank_rule(&group, &caller.project_id), &given, RULE_ATTRIBUTES)?;
        if let Some(prefix) = &rule.remote_ip_prefix {
            rule.remote_ip_prefix = Some(with_length(prefix)?);
        }
        rule.check()?;
        if let Some(remote) = text(&given, "remote_group_id") {
            self.security_group(caller, remote)?;
        }
        self.security_group(caller, &group)?;
        if let Some(twin) = self.security_group_rules.values().find(|other| other.same_as(&rule)) {
            return Err(Refusal::new(
                409,
                "SecurityGroupRuleExists",
                format!("Security group rule already exists. Rule id is {}.", twin.meta.id),
            ));
        }
        let id = rule.meta.id.clone();
        self.touch_group(&group);
        self.security_group_rules.insert(id.clone(), rule);
        Ok(id)
    }

    /// The rule, if it is the caller's.
    pub fn rule(&self, caller: &Caller, id: &str) -> Result<&Rule, Refusal> {
        self.security_group_rules.get(id).filter(|rule| rule.meta.project_id == caller.project_id).ok_or_else(|| {
            Refusal::new(404, "SecurityGroupRuleNotFound", format!("Security group rule {id} does not exist"))
        })
    }

    /// Deletes a rule.
    pub fn delete_rule(&mut self, caller: &Caller, id: &str) -> Result<(), Refusal> {
        let group = self.rule(caller, id)?.security_group_id.clone();
        self.security_group_rules.shift_remove(id);
        self.touch_group(&group);
        Ok(())
    }

    /// The id of the project's default group, which exists from its first use.
    pub(crate) fn default_group(&mut self, project_id: &str) -> String {
        let found = self
            .security_groups
            .values()
            .find(|group| group.meta.project_id == project_id && group.meta.name == "default");
        if let Some(group) = found {
            return group.meta.id.clone();
        }
        let mut meta = Meta::new(project_id, self.now);
        "default".clone_into(&mut meta.name);
        "Default security group".clone_into(&mut meta.description);
        let id = self.insert_group(SecurityGroup { meta, stateful: true, shared: false });
        for ethertype in ["IPv4", "IPv6"] {
            let mut rule = self.blank_rule(&id, project_id);
            rule.origin = RuleOrigin::Group;
            ethertype.clone_into(&mut rule.ethertype);
            rule.remote_group_id = Some(id.clone());
            self.security_group_rules.insert(rule.meta.id.clone(), rule);
        }
        id
    }

    /// A group that a service keeps for itself, with an ingress rule for each (port, range).
    pub(crate) fn set_service_group(&mut self, id: Option<&str>, name: &str, open: &[(u16, String)]) -> String {
        let project = super::seed::SERVICE_PROJECT;
        let id = if let Some(id) = id.filter(|id| self.security_groups.contains_key(*id)) {
            id.to_owned()
        } else {
            let mut meta = Meta::new(project, self.now);
            name.clone_into(&mut meta.name);
            self.insert_group(SecurityGroup { meta, stateful: true, shared: false })
        };
        self.security_group_rules.retain(|_, rule| rule.security_group_id != id || rule.direction == Direction::Egress);
        for (port, range) in open {
            let mut rule = self.blank_rule(&id, project);
            rule.protocol = Some("tcp".to_owned());
            (rule.port_range_min, rule.port_range_max) = (Some(*port), Some(*port));
            rule.remote_ip_prefix = Some(range.clone());
            self.security_group_rules.insert(rule.meta.id.clone(), rule);
        }
        id
    }

    /// Removes a group and its rules without asking.
    pub(crate) fn drop_group(&mut self, id: &str) {
        self.security_groups.shift_remove(id);
        self.security_group_rules
            .retain(|_, rule| rule.security_group_id != id && rule.remote_group_id.as_deref() != Some(id));
    }

    /// Whether one of `groups` lets TCP to `port` pass between its member and `peer`.
    pub fn groups_permit(&self, groups: &[String], direction: Direction, peer: Ipv4Addr, port: u16) -> bool {
        self.security_group_rules
            .values()
            .filter(|rule| groups.contains(&rule.security_group_id) && rule.direction == direction)
            .any(|rule| rule.covers_tcp(port) && self.rule_covers_peer(rule, peer))
    }

    fn rule_covers_peer(&self, rule: &Rule, peer: Ipv4Addr) -> bool {
        if let Some(prefix) = &rule.remote_ip_prefix {
            return parse_range(prefix).is_some_and(|range| range.contains(&peer));
        }
        let Some(group) = &rule.remote_group_id else { return true };
        // A pair of a member counts as the member: Neutron warns of 0.0.0.0/0 for that reason.
        self.ports.values().filter(|port| port.security_groups.contains(group)).any(|port| {
            port.has_address(peer)
                || port
                    .allowed_address_pairs
                    .iter()
                    .any(|pair| parse_range(&pair.ip_address).is_some_and(|range| range.contains(&peer)))
        })
    }

    fn insert_group(&mut self, mut group: SecurityGroup) -> String {
        let id = group.meta.id.clone();
        // The rules that come with it are a change of it.
        group.meta.revision_number = 1;
        let project = group.meta.project_id.clone();
        self.security_groups.insert(id.clone(), group);
        for ethertype in ["IPv4", "IPv6"] {
            let mut rule = self.blank_rule(&id, &project);
            rule.direction = Direction::Egress;
            rule.origin = RuleOrigin::Group;
            ethertype.clone_into(&mut rule.ethertype);
            self.security_group_rules.insert(rule.meta.id.clone(), rule);
        }
        id
    }

    fn touch_group(&mut self, id: &str) {
        let now = self.now;
        if let Some(group) = self.security_groups.get_mut(id) {
            group.meta.touch(now);
        }
    }

    fn blank_rule(&self, group: &str, project_id: &str) -> Rule {
        Rule {
            meta: Meta::new(project_id, self.now),
            security_group_id: group.to_owned(),
            direction: Direction::Ingress,
            ethertype: "IPv4".to_owned(),
            protocol: None,
            port_range_min: None,
            port_range_max: None,
            remote_ip_prefix: None,
            remote_group_id: None,
            remote_address_group_id: None,
            origin: RuleOrigin::Request,
        }
    }
}

impl Rule {
    /// The range of peers with the bits of its hosts cleared.
    pub fn normalized_range(&self) -> Option<String> {
        let range = self.remote_ip_prefix.as_ref()?.parse::<IpNet>().ok()?;
        Some(range.trunc().to_string())
    }

    fn check(&self) -> Result<(), Refusal> {
        if (self.port_range_min.is_some() || self.port_range_max.is_some()) && self.protocol.is_none() {
            return Err(Refusal::new(
                400,
                "SecurityGroupProtocolRequiredWithPorts",
                "Must also specify protocol if port range is given.",
            ));
        }
        let has_ports =
            matches!(self.protocol.as_deref().map(protocol_number), Some("6" | "17" | "33" | "132" | "136"));
        let ordered = match (self.port_range_min, self.port_range_max) {
            (None, None) => true,
            (Some(first), Some(last)) => first <= last,
            _ => false,
        };
        if has_ports && !ordered {
            return Err(Refusal::new(
                400,
                "SecurityGroupInvalidPortRange",
                "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            ));
        }
        let version = self.remote_ip_prefix.as_ref().map(|range| if range.contains(':') { "IPv6" } else { "IPv4" });
        if let (Some(range), Some(version)) = (&self.remote_ip_prefix, version)
            && version != self.ethertype
        {
            return Err(Refusal::new(
                400,
                "SecurityGroupRuleParameterConflict",
                format!("Conflicting value ethertype {} for CIDR {range}", self.ethertype),
            ));
        }
        if self.remote_ip_prefix.is_some() && self.remote_group_id.is_some() {
            return Err(Refusal::new(
                400,
                "SecurityGroupMultipleRemoteEntites",
                "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            ));
        }
        Ok(())
    }

    fn same_as(&self, other: &Self) -> bool {
        // A missing prefix and the whole Internet say the same.
        let prefix =
            |rule: &Self| rule.remote_ip_prefix.clone().filter(|prefix| prefix != "0.0.0.0/0" && prefix != "::/0");
        self.security_group_id == other.security_group_id
            && self.direction == other.direction
            && self.ethertype == other.ethertype
            && self.protocol.as_deref().map(protocol_number) == other.protocol.as_deref().map(protocol_number)
            && (self.port_range_min, self.port_range_max) == (other.port_range_min, other.port_range_max)
            && prefix(self) == prefix(other)
            && self.remote_group_id == other.remote_group_id
    }

    fn covers_tcp(&self, port: u16) -> bool {
        self.ethertype == "IPv4"
            && matches!(self.protocol.as_deref(), None | Some("any" | "tcp" | "6" | "0"))
            && self.port_range_min.is_none_or(|first| first <= port)
            && self.port_range_max.is_none_or(|last| port <= last)
    }
}

/// A protocol by its number: a name and its number are one thing.
fn protocol_number(protocol: &str) -> &str {
    match protocol {
        "any" => "0",
        "icmp" => "1",
        "tcp" => "6",
        "udp" => "17",
        other => other,
    }
}

/// A range with its length: a single address is a range of one.
fn with_length(given: &str) -> Result<String, Refusal> {
    let range: Option<IpNet> = given.parse().ok().or_else(|| given.parse::<IpAddr>().ok().map(IpNet::from));
    range
        .map(|range| range.to_string())
        .ok_or_else(|| Refusal::new(400, "InvalidCIDR", format!("Invalid CIDR {given} given as IP prefix.")))
}

/// Neutron takes ports as text, too, and -1 for "any".
fn as_numbers(mut given: Attributes) -> Attributes {
    for key in ["port_range_min", "port_range_max"] {
        if let Some(value) = given.get_mut(key) {
            if let Some(number) = value.as_str().and_then(|text| text.parse::<i64>().ok()) {
                *value = number.into();
            }
            if value.as_i64() == Some(-1) {
                *value = Value::Null;
            }
        }
    }
    if let Some(number) = given.get("protocol").and_then(Value::as_i64) {
        given.insert("protocol".to_owned(), number.to_string().into());
    }
    given
}
