//! Hosts that are gone for good are forgotten at once.
//!
//! A member that failed is remembered for a day, since it may come back. One that is a host of the stack and that the
//! picture names no more was taken away on purpose: the ring is told that it has left, and it is shown no longer. One host
//! says so for all, the first that is there of those that the picture names. A picture that does not name the very host
//! that has it is not believed.

use pontoon_ring::serf::{Member, Status};

use super::link::TAG;
use crate::catalogue::Name;
use crate::picture::Picture;

/// Members that this host should say farewell for.
pub(super) fn due(members: &[Member], picture: &Picture, here: &str) -> Vec<Name> {
    let is_there = |name: &str| members.iter().any(|member| *member.name == *name && member.status == Status::Alive);
    let speaker = picture.hosts.keys().find(|name| is_there(name));
    if !picture.hosts.contains_key(here) || speaker.is_none_or(|speaker| **speaker != *here) {
        return Vec::new();
    }
    let is_gone = |member: &&Member| {
        matches!(member.status, Status::Failed | Status::Left)
            && member.tags.contains_key(TAG)
            && !picture.hosts.contains_key(&member.name)
    };
    members.iter().filter(is_gone).map(|member| member.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use pontoon_ring::serf::Tags;
    use pontoon_ring::wire::message::Versions;

    use super::*;
    use crate::picture::Host;

    fn member(name: &str, status: Status, tagged: bool) -> Member {
        let tags: Tags = tagged.then(|| (TAG.to_owned(), "{}".to_owned())).into_iter().collect();
        Member {
            name: name.into(),
            address: "127.0.0.1:7946".parse().unwrap(),
            tags: tags.into(),
            status,
            versions: Versions::default(),
        }
    }

    fn picture(hosts: &[&str]) -> Picture {
        Picture { hosts: hosts.iter().map(|name| ((*name).into(), Host::default())).collect(), ..Picture::default() }
    }

    fn told(members: &[Member], wanted: &[&str], here: &str) -> Vec<String> {
        due(members, &picture(wanted), here).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_host_that_was_taken_away_is_forgotten_by_the_word_of_one() {
        use Status::{Alive, Failed, Left};
        let members = [
            member("lxd0", Alive, true),
            member("lxd1", Alive, true),
            member("lxd2", Failed, true),
            member("lxd3", Left, true),
            member("laptop", Failed, false),
        ];
        assert_eq!(told(&members, &["lxd0", "lxd1"], "lxd0"), ["lxd2", "lxd3"], "who is no host of the stack stays");
        assert_eq!(told(&members, &["lxd0", "lxd1"], "lxd1"), Vec::<String>::new(), "another one says it");
        assert_eq!(told(&members, &["lxd0", "lxd1", "lxd2"], "lxd0"), ["lxd3"], "one that is wanted may come back");
        assert_eq!(told(&members, &[], "lxd0"), Vec::<String>::new(), "without a picture nothing is known");
        assert_eq!(told(&members, &["lxd8"], "lxd0"), Vec::<String>::new(), "it is somebody else's picture");
    }
}
