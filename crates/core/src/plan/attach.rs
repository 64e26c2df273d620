//! How containers pass port security on this cloud.
//!
//! Neutron lets only the owner of a network (or an administrator) set allowed address pairs, choose addresses and
//! switch port security off (`ADMIN_OR_NET_OWNER_MEMBER` in its default policies), and it takes pairs only where the
//! extension is loaded and port security is on. All of that is known before the first write.

use super::{Builder, Ground};
use crate::observed::Observed;
use crate::spec::model::{AttachChoice, Attachment, Stack};

/// Pairs that a port takes, unless the operator set `max_allowed_address_pair` to something else. No API tells.
pub const PAIR_LIMIT: usize = 10;

/// Chooses the attachment, and says why. What makes it impossible is noted as blocked; the plan goes on with the
/// nearest one so that everything else that is missing is named in the same run.
pub(super) fn choose(stack: &Stack, seen: &Observed, ground: &Ground<'_>, build: &mut Builder) -> Attachment {
    let extensions = &seen.capabilities.extensions;
    let has_port_security = extensions.contains("port-security");
    let has_pairs = extensions.contains("allowed-address-pairs");
    let secured = !has_port_security || ground.network.port_security;
    let owner = ground.network.project_id == seen.capabilities.project_id;
    let network = format!("network `{}`", ground.network.name);

    let (attachment, reason) = match stack.network.attach {
        AttachChoice::Only(attachment) => (attachment, "the file says so".to_owned()),
        AttachChoice::Auto if !secured => (Attachment::Open, format!("{network} has port security switched off")),
        AttachChoice::Auto if has_pairs => {
            (Attachment::PairMac, "the cloud takes allowed address pairs, one for each container".to_owned())
        }
        AttachChoice::Auto => (
            Attachment::Open,
            "the cloud has no allowed address pairs, but port security can be switched off".to_owned(),
        ),
    };
    build.attachment(attachment, reason);

    if !owner {
        build.blocked(
            &network,
            "it belongs to another project, and Neutron lets only the owner of a network choose addresses on it and set allowed address pairs",
            "name a network of your own project in `network.name`, or ask the network's owner to run this stack",
        );
    }
    match attachment {
        Attachment::PairMac | Attachment::PairIp if !has_pairs => build.blocked(
            format!("attachment `{attachment}`"),
            "the cloud lacks Neutron's extension `allowed-address-pairs`",
            if has_port_security { "use `attach: open`" } else { "ask the operator to load the extension" },
        ),
        Attachment::PairMac | Attachment::PairIp if !secured => build.blocked(
            format!("attachment `{attachment}`"),
            format!("{network} has port security switched off, and Neutron refuses pairs there"),
            "use `attach: open` or leave `attach` out",
        ),
        Attachment::Open if !has_port_security => build.blocked(
            "attachment `open`",
            "the cloud lacks Neutron's extension `port-security`, so it cannot be switched off",
            if has_pairs { "use `attach: pair-mac`" } else { "ask the operator to load `allowed-address-pairs`" },
        ),
        _ => {}
    }
    attachment
}
