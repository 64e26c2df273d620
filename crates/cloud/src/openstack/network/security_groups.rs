//! Security groups: rules of what may reach a port, and what it may reach.

use serde::{Deserialize, Serialize};

use super::super::error::Error;
use super::super::http::Client;
use super::super::paging::Paging;
use super::super::request::{Request, Revision, Service, segment};
use super::{delete, get};

/// A security group with its rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its name; several groups may share one.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The project that owns it.
    pub project_id: String,
    /// Its rules. A new group has two: everything may go out.
    pub security_group_rules: Vec<SecurityGroupRule>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Counts its changes.
    pub revision_number: Option<Revision>,
}

/// One rule. It cannot be changed, only replaced.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecurityGroupRule {
    /// Its id.
    pub id: String,
    /// The group that it is of.
    pub security_group_id: String,
    /// Free text.
    pub description: String,
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// `tcp`, `udp`, `icmp`, or a number as text; any where there is none.
    pub protocol: Option<String>,
    /// The first port, or the type of ICMP.
    pub port_range_min: Option<u16>,
    /// The last port, or the code of ICMP.
    pub port_range_max: Option<u16>,
    /// The other side, as a range.
    pub remote_ip_prefix: Option<String>,
    /// The other side, as a group.
    pub remote_group_id: Option<String>,
}

/// A security group to be created.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewSecurityGroup {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
}

/// What shall be different on a security group.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SecurityGroupChange {
    /// See [`SecurityGroup::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// See [`SecurityGroup::description`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A rule to be created. One that is there already answers 409.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewSecurityGroupRule {
    /// The group that it shall be of.
    pub security_group_id: String,
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// See [`SecurityGroupRule::protocol`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// See [`SecurityGroupRule::port_range_min`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_range_min: Option<u16>,
    /// See [`SecurityGroupRule::port_range_max`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_range_max: Option<u16>,
    /// See [`SecurityGroupRule::remote_ip_prefix`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_ip_prefix: Option<String>,
    /// See [`SecurityGroupRule::remote_group_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_group_id: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Security groups of the project, rules included.
pub fn list_security_groups(filters: &[(&str, &str)]) -> Request {
    get("/security-groups").query(filters)
}

/// Makes a group.
pub fn create_security_group(group: &NewSecurityGroup) -> Request {
    Request::post(Service::Network, "/security-groups", "security_group", group)
}

/// Changes a group's name or description.
pub fn update_security_group(id: &str, change: &SecurityGroupChange, revision: Option<Revision>) -> Request {
    let path = format!("/security-groups/{}", segment(id));
    Request::put(Service::Network, path, "security_group", change).if_match(revision)
}

/// Removes a group. One that a port still has answers 409.
pub fn delete_security_group(id: &str) -> Request {
    delete("security-groups", id)
}

/// Makes several rules: all of them or none.
pub fn create_security_group_rules(rules: &[NewSecurityGroupRule]) -> Request {
    Request::post(Service::Network, "/security-group-rules", "security_group_rules", &rules)
}

/// Removes a rule.
pub fn delete_security_group_rule(id: &str) -> Request {
    delete("security-group-rules", id)
}

impl Client {
    /// See [`list_security_groups`].
    pub async fn security_groups(&self, filters: &[(&str, &str)]) -> Result<Vec<SecurityGroup>, Error> {
        self.list(list_security_groups(filters), "security_groups", Paging::Links).await
    }

    /// See [`create_security_group`].
    pub async fn create_security_group(&self, group: &NewSecurityGroup) -> Result<SecurityGroup, Error> {
        self.send(&create_security_group(group)).await?.below("security_group")
    }

    /// See [`update_security_group`].
    pub async fn update_security_group(
        &self,
        id: &str,
        change: &SecurityGroupChange,
        revision: Option<Revision>,
    ) -> Result<SecurityGroup, Error> {
        self.send(&update_security_group(id, change, revision)).await?.below("security_group")
    }

    /// See [`delete_security_group`].
    pub async fn delete_security_group(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_security_group(id)).await.map(drop)
    }

    /// See [`create_security_group_rules`].
    pub async fn create_security_group_rules(
        &self,
        rules: &[NewSecurityGroupRule],
    ) -> Result<Vec<SecurityGroupRule>, Error> {
        self.send(&create_security_group_rules(rules)).await?.below("security_group_rules")
    }

    /// See [`delete_security_group_rule`].
    pub async fn delete_security_group_rule(&self, id: &str) -> Result<(), Error> {
        self.send(&delete_security_group_rule(id)).await.map(drop)
    }
}
