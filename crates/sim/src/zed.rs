//! The embedded cloud as one of the Zed release (October 2022), the one that it is held against.
//!
//! What the services answer is Zed's everywhere: Keystone 22, Glance 25, Nova 26 (up to 2.93), Neutron 21, Octavia 11. What newer
//! releases bring is switched on apart, as on a real cloud: by Neutron's extensions and by Octavia's API version. So this
//! is a cloud with none of it, and `Config::default()` one with what Pontoon's users are likely to have today.

use crate::config::Config;

/// The aliases that Neutron 21 with ML2, the router plug-in and default settings lists to a member; seen on a real one.
const EXTENSIONS: &[&str] = &[
    "address-group",
    "address-scope",
    "agent",
    "agent-resources-synced",
    "allowed-address-pairs",
    "auto-allocated-topology",
    "availability_zone",
    "availability_zone_filter",
    "binding",
    "binding-extended",
    "default-subnetpools",
    "dhcp_agent_scheduler",
    "dvr",
    "empty-string-filtering",
    "expose-port-forwarding-in-fip",
    "ext-gw-mode",
    "external-net",
    "extra_dhcp_opt",
    "extraroute",
    "extraroute-atomic",
    "filter-validation",
    "fip-port-details",
    "flavors",
    "floating-ip-port-forwarding",
    "floating-ip-port-forwarding-description",
    "floating-ip-port-forwarding-detail",
    "floating-ip-port-forwarding-port-ranges",
    "floatingip-pools",
    "ip-substring-filtering",
    "l3-flavors",
    "l3-ha",
    "l3-port-ip-change-not-allowed",
    "l3_agent_scheduler",
    "multi-provider",
    "net-mtu",
    "net-mtu-writable",
    "network-ip-availability",
    "network_availability_zone",
    "pagination",
    "port-device-profile",
    "port-mac-address-regenerate",
    "port-mac-override",
    "port-numa-affinity-policy",
    "port-security",
    "port-security-groups-filtering",
    "project-id",
    "provider",
    "quota-check-limit",
    "quota_details",
    "quotas",
    "rbac-address-group",
    "rbac-address-scope",
    "rbac-policies",
    "rbac-security-groups",
    "rbac-subnetpool",
    "revision-if-match",
    "router",
    "router-admin-state-down-before-update",
    "router_availability_zone",
    "security-group",
    "security-groups-normalized-cidr",
    "security-groups-remote-address-group",
    "security-groups-shared-filtering",
    "service-type",
    "sorting",
    "standard-attr-description",
    "standard-attr-revisions",
    "standard-attr-tag",
    "standard-attr-timestamp",
    "stateful-security-group",
    "subnet-service-types",
    "subnet_allocation",
    "subnet_onboard",
    "subnetpool-prefix-ops",
];

impl Config {
    /// A cloud of the Zed release with Octavia's amphora provider.
    pub fn zed() -> Self {
        Self {
            extensions: EXTENSIONS.iter().map(|alias| (*alias).to_owned()).collect(),
            octavia_minor: 26,
            octavia_providers: ["amphora", "octavia"].map(str::to_owned).to_vec(),
            ..Self::default()
        }
    }
}
