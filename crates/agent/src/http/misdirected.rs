//! By which name an agent may be asked.
//!
//! An agent is read by whoever reaches it, and a browser reaches what its owner does: through a tunnel, the agent. A page of
//! somebody else's could have its own name lead there (DNS rebinding) and read the answers, since to the browser they come
//! from that page's own server. The request tells: it carries that name in `Host` (RFC 9110, section 7.2). So only names
//! that nobody can have lead here are answered: addresses, `localhost`, single words, and what ends in `.internal`, which
//! is delegated to nobody.

use std::net::{IpAddr, Ipv6Addr};

/// Whether a request for this authority, such as `127.0.0.1:8500`, is answered.
pub(super) fn is_ours(authority: &str) -> bool {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = authority.split_once(':').map_or(authority, |(name, _)| name).trim_end_matches('.');
    let name = name.to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok() || !name.contains('.') || name.ends_with(".internal") || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_somebody_else_can_have_lead_here_are_not_answered() {
        for ours in [
            "127.0.0.1:8500",
            "192.168.0.14",
            "[::1]:8500",
            "localhost:8500",
            "lxd0:8500",
            "lxd0.host.blog.internal:8500",
            "LXD0.Host.Blog.Internal.",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for theirs in ["evil.example", "127.0.0.1.evil.example:8500", "[evil.example]", "internal.evil.example"] {
            assert!(!is_ours(theirs), "{theirs}");
        }
    }
}
