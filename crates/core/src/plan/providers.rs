//! What carries a balancer, and what that can: Octavia's providers and the versions of its API differ.
//!
//! The provider `amphora` is a virtual machine with HAProxy and can all that the file can ask for. Who may connect to it is
//! kept by `allowed_cidrs` of a listener (API 2.12) or by groups of ours on the VIP (`vip_sg_ids`, 2.29). Before that
//! there is nothing: Octavia plugs the machine with a port of its own, named `octavia-lb-vrrp-…`, that carries Octavia's
//! group `lb-…` alone, and the port that a tenant can see and give groups to stays unbound, so that no packet meets them.
//!
//! The provider `ovn` is a rule of the virtual switch. It knows TCP and UDP, the algorithm SOURCE_IP_PORT and monitors that
//! connect; it refuses the rest with 501 (`_check_for_supported_protocols` and its neighbours in the provider's
//! driver). The addresses of clients arrive at the members as they are, so there the hosts' security groups say who may
//! connect.

use super::{Builder, Scene};
use crate::book::meant;
use crate::key::Kind;
use crate::observed::Balancer as Seen;
use crate::spec::model::{Attachment, Balancer, Method, Protocol};

/// The provider that lives in the virtual switch.
const OVN: &str = "ovn";

/// How a VIP is guarded; each since the version of Octavia's API that its release notes name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// `vip_sg_ids`, since 2.29: a group of ours on the VIP.
    VipGroups,
    /// `allowed_cidrs` of a listener, since 2.12: Octavia keeps the VIP's group by itself.
    AllowedCidrs,
    /// The groups of the members' hosts, where the provider leaves clients their addresses.
    Members,
    /// Nothing: everybody may connect.
    Nothing,
}

impl Guard {
    pub(super) fn of(scene: &Scene<'_>, name: &str, balancer: &Balancer) -> Self {
        if is_ovn(scene, name, balancer) {
            return Self::Members;
        }
        match scene.seen.capabilities.balancer_api {
            Some(version) if version >= (2, 29) => Self::VipGroups,
            Some(version) if version >= (2, 12) => Self::AllowedCidrs,
            _ => Self::Nothing,
        }
    }
}

/// What a balancer, its listener and its pool speak and do, in Octavia's words.
pub(super) struct Words {
    pub(super) protocol: &'static str,
    pub(super) algorithm: &'static str,
    pub(super) monitor: &'static str,
    pub(super) monitor_path: Option<String>,
}

impl Words {
    pub(super) fn of(scene: &Scene<'_>, name: &str, balancer: &Balancer) -> Self {
        if is_ovn(scene, name, balancer) {
            Self { protocol: "TCP", algorithm: "SOURCE_IP_PORT", monitor: "TCP", monitor_path: None }
        } else {
            Self::asked_for(balancer)
        }
    }

    /// What the file asks for.
    fn asked_for(balancer: &Balancer) -> Self {
        Self {
            protocol: match balancer.protocol {
                Protocol::Http => "HTTP",
                Protocol::Tcp => "TCP",
            },
            algorithm: match balancer.method {
                Method::RoundRobin => "ROUND_ROBIN",
                Method::LeastConnections => "LEAST_CONNECTIONS",
                Method::SourceIp => "SOURCE_IP",
                Method::SourceIpPort => "SOURCE_IP_PORT",
            },
            monitor: if balancer.monitor_path.is_some() { "HTTP" } else { "TCP" },
            monitor_path: balancer.monitor_path.clone(),
        }
    }
}

/// Whether a balancer's provider is that of OVN: the one that the file names, the one that it has, or the only one.
pub(super) fn is_ovn(scene: &Scene<'_>, name: &str, balancer: &Balancer) -> bool {
    let present = meant(&scene.seen.balancers, &scene.key(Kind::Balancer, name)).map(|one| one.provider.as_str());
    let mut all = scene.seen.capabilities.balancer_providers.iter();
    let only = all.next().filter(|_| all.next().is_none()).map(String::as_str);
    balancer.provider.as_deref().or(present.filter(|present| !present.is_empty())).or(only) == Some(OVN)
}

/// Why a balancer is to be made anew for the sake of its provider, which cannot be changed.
pub(super) fn differs(present: &Seen, wanted: Option<&str>) -> Option<String> {
    // `octavia` is an old name of `amphora`.
    let same = |name: &str| if name == "octavia" { "amphora".to_owned() } else { name.to_owned() };
    let wanted = wanted.filter(|wanted| !present.provider.is_empty() && same(&present.provider) != same(wanted))?;
    Some(format!(
        "its provider is `{}` and the file says `{wanted}`, which cannot be changed in place",
        present.provider
    ))
}

/// Says what a balancer gets in place of what the file asks for, and what cannot be kept at all.
pub(super) fn plan(scene: &Scene<'_>, name: &str, balancer: &Balancer, build: &mut Builder) {
    let known = &scene.seen.capabilities.balancer_providers;
    if let Some(wanted) = balancer.provider.as_ref().filter(|wanted| !known.is_empty() && !known.contains(*wanted)) {
        let listed: Vec<&str> = known.iter().map(String::as_str).collect();
        build.blocked(
            format!("balancer `{name}`"),
            format!("Octavia has no provider `{wanted}` here, but {}", listed.join(", ")),
            format!("correct `balancers.{name}.provider`, or leave it out to take Octavia's own choice"),
        );
    }
    if is_ovn(scene, name, balancer) {
        degraded(scene, name, balancer, build);
    }
    let open_to_all = balancer.allow.iter().any(|from| from.prefix_len() == 0);
    if open_to_all {
        return;
    }
    match Guard::of(scene, name, balancer) {
        Guard::Nothing => build.blocked(
            format!("balancer `{name}`"),
            format!(
                "its `allow` cannot be kept: {} has no `allowed_cidrs` (2.12) and no `vip_sg_ids` (2.29), and a security group on the VIP's port filters nothing, because packets arrive at ports of Octavia's own",
                scene.seen.capabilities.balancer_api.map_or_else(
                    || "this Octavia".to_owned(),
                    |(major, minor)| format!("Octavia's API {major}.{minor}")
                )
            ),
            "leave `allow` out to admit everybody, and let the service itself refuse strangers; or use a cloud with a newer Octavia",
        ),
        Guard::Members if scene.attachment == Attachment::Open => build.blocked(
            format!("balancer `{name}`"),
            "its `allow` cannot be kept: with the provider `ovn` the hosts' security groups say who may connect, and attachment `open` switches them off",
            "use `attach: pair-mac` or `attach: pair-ip`, or leave `allow` out to admit everybody",
        ),
        Guard::Members | Guard::AllowedCidrs | Guard::VipGroups => {}
    }
}

fn degraded(scene: &Scene<'_>, name: &str, balancer: &Balancer, build: &mut Builder) {
    let (asked, given) = (Words::asked_for(balancer), Words::of(scene, name, balancer));
    let mut instead = Vec::new();
    if asked.protocol != given.protocol {
        instead.push(format!("{} in place of {}", given.protocol, asked.protocol));
    }
    if asked.algorithm != given.algorithm {
        instead.push(format!("{} in place of {}", given.algorithm, asked.algorithm));
    }
    if let Some(path) = &asked.monitor_path {
        instead.push(format!("a monitor that connects in place of one that asks for {path}"));
    }
    if !instead.is_empty() {
        build.note(format!("the provider `ovn` of balancer `{name}` knows no more: {}", instead.join(", ")));
    }
}
