#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::key::{Key, Kind};
use crate::observed::{Balancer, HostView, Inside, Member, Pair, Port, Provisioning};
use crate::plan::tests::{blog_up, fourteen_up};

/// A stack that is up, and answers to whatever is asked of it.
struct Case {
    stack: Stack,
    seen: Observed,
    heard: Heard,
}

impl Case {
    fn new((stack, seen): (Stack, Observed)) -> Self {
        let plan = Plan::up(&stack, &seen);
        assert!(plan.is_empty(), "{:?} {:?}", plan.steps, plan.blocked);
        let looked = |question: &Question| Looked {
            addresses: Ok(vec![question.address]),
            own_host: Answer::Http(200),
            neighbour: question.neighbour.clone().map(|host| (host, Answer::Http(200))),
        };
        let questions = questions(&stack, &seen, &plan, |_, _| true);
        let containers = questions.iter().map(|question| (question.container.clone(), looked(question))).collect();
        let visit = |name: &String| Visit { url: format!("http://{name}.example/"), answer: Answer::Http(200) };
        let visitors = stack.balancers.keys().map(|name| (name.clone(), visit(name))).collect();
        Self { stack, seen, heard: Heard { visitors, containers } }
    }

    /// The way to a container through its balancer.
    fn path(&self, container: &str) -> Path {
        let plan = Plan::up(&self.stack, &self.seen);
        let mut paths = paths(&self.stack, &self.seen, &plan, &self.heard, |name, _| name == container);
        assert_eq!(paths.len(), 1, "{paths:?}");
        paths.remove(0)
    }

    /// Where packets to a container get lost.
    fn culprit(&self, container: &str) -> (String, String, Option<String>) {
        let path = self.path(container);
        let culprit = path.culprit().unwrap_or_else(|| panic!("they get through: {path:?}"));
        (culprit.name.clone(), culprit.says.clone(), culprit.hint.clone())
    }

    /// The same, of a stack with this done to it.
    fn damaged(damage: impl FnOnce(&mut Self)) -> (String, String, Option<String>) {
        let mut case = Self::new(blog_up());
        damage(&mut case);
        case.culprit("hugo-0")
    }

    fn port(&mut self, host: &str) -> &mut Port {
        let key = Key::new(&self.stack.name, Kind::Port, host);
        self.seen.ports.iter_mut().find(|port| port.key.as_ref() == Some(&key)).unwrap()
    }

    fn inside(&mut self, host: &str) -> &mut Inside {
        match self.seen.hosts.get_mut(host) {
            Some(HostView::Ready(inside)) => inside,
            other => panic!("{other:?}"),
        }
    }

    fn looked(&mut self, container: &str) -> &mut Looked {
        self.heard.containers.get_mut(container).unwrap()
    }

    fn balancer(&mut self) -> &mut Balancer {
        &mut self.seen.balancers[0]
    }

    fn member(&mut self) -> &mut Member {
        &mut self.balancer().pools[0].members[0]
    }

    /// What everybody sees when nothing answers.
    fn is_silent(&mut self) {
        self.member().operating = "ERROR".to_owned();
        self.heard.visitors.values_mut().for_each(|visit| visit.answer = Answer::Http(503));
    }
}

fn is_open(layer: &Layer) -> bool {
    matches!(layer.finding, Finding::Passes | Finding::Vouches)
}

const MENDED: &str = "`pontoon up` mends it";

#[test]
fn a_packet_meets_the_layers_in_their_order_and_all_let_it_through() {
    let case = Case::new(blog_up());
    let path = case.path("hugo-0");
    let names: Vec<&str> = path.layers.iter().map(|layer| layer.name.as_str()).collect();
    let expected = [
        "http://web.example/",
        "floating-ip/vip-web",
        "router",
        "rule/vip-web",
        "balancer/web",
        "members/web",
        "rule/hosts-lxd",
        "pairs/lxd0",
        "host/lxd0",
        "container/hugo-0",
        "address",
        "service hugo",
    ];
    assert_eq!(names, expected);
    assert!(path.layers.iter().all(|layer| is_open(layer) && layer.hint.is_none()), "{path:?}");
    assert_eq!(path.culprit(), None);
}

#[test]
fn the_layer_that_drops_is_named_and_what_mends_it() {
    type Damage = fn(&mut Case);
    let damages: [(&str, &str, &str, Damage); 14] = [
        ("floating-ip/vip-web", "leads nowhere", MENDED, |case| {
            case.seen.floating_ips.iter_mut().filter(|one| one.key.is_some()).for_each(|one| one.port_id = None);
        }),
        (
            "router",
            "none leads from 192.168.0.0/24 to `external`",
            "`openstack router add subnet ROUTER subnet`",
            |case| {
                case.seen.networks[0].subnets[0].routed_to.clear();
            },
        ),
        ("rule/vip-web", "does not let in tcp 80 from anywhere", MENDED, |case| {
            let of_vip = |group: &&mut crate::observed::SecurityGroup| group.key.name == "vip-web";
            case.seen.security_groups.iter_mut().filter(of_vip).for_each(|group| group.rules.clear());
        }),
        ("balancer/web", "it does not exist", MENDED, |case| {
            case.seen.ports.retain(|port| port.device_owner != "Octavia");
            case.seen.balancers.clear();
        }),
        ("balancer/web", "Octavia calls it PENDING_CREATE", MENDED, |case| {
            case.balancer().state = Provisioning::Pending("PENDING_CREATE".to_owned());
        }),
        ("listener/web", "nothing listens on tcp 80", MENDED, |case| case.balancer().listeners.clear()),
        ("members/web", "`hugo-0` at 192.168.0.100:8080 is no member of the pool", MENDED, |case| {
            case.balancer().pools[0].members.clear();
        }),
        ("rule/hosts-lxd", "nothing lets in tcp 8080 from 192.168.0.0/24", MENDED, |case| {
            let of_hosts = |group: &&mut crate::observed::SecurityGroup| group.key.name == "hosts-lxd";
            case.seen.security_groups.iter_mut().filter(of_hosts).for_each(|group| group.rules.clear());
        }),
        ("pairs/lxd0", "port security drops 192.168.0.100 with 00:16:3e", MENDED, |case| {
            case.port("lxd0").pairs.clear();
        }),
        ("host/lxd0", "Nova calls it SHUTOFF", MENDED, |case| case.seen.servers[0].status = "SHUTOFF".to_owned()),
        ("container/hugo-0", "it does not run", MENDED, |case| {
            case.inside("lxd0").containers.get_mut("hugo-0").unwrap().running = false;
            case.heard.containers.clear();
        }),
        ("address", "`hugo-0` has none, and not 192.168.0.100", MENDED, |case| {
            case.inside("lxd0").dhcp_hosts.clear();
            case.looked("hugo-0").addresses = Ok(Vec::new());
            case.looked("hugo-0").own_host = Answer::Silence("no route".to_owned());
        }),
        ("service hugo", "does not answer lxd0 on tcp 8080: refused", "`pontoon logs hugo-0` why", |case| {
            case.looked("hugo-0").own_host = Answer::Silence("refused".to_owned());
        }),
        ("service hugo", "404 on tcp 8080, where a balancer's monitor wants 200", "systemctl --failed", |case| {
            case.looked("hugo-0").own_host = Answer::Http(404);
        }),
    ];
    for (name, words, cure, damage) in damages {
        let (culprit, says, hint) = Case::damaged(|case| {
            // A balancer that is gone has no monitor that could complain.
            case.is_silent();
            damage(case);
        });
        assert_eq!(culprit, name, "{says}");
        assert!(says.contains(words), "{name}: {says}");
        assert!(hint.as_deref().is_some_and(|hint| hint.contains(cure)), "{name}: {hint:?}");
    }
}

#[test]
fn of_two_layers_that_drop_the_one_that_comes_first_is_named() {
    let (culprit, ..) = Case::damaged(|case| {
        case.port("lxd0").pairs.clear();
        case.seen.servers[0].status = "SHUTOFF".to_owned();
    });
    assert_eq!(culprit, "pairs/lxd0");
}

#[test]
fn who_only_complains_is_blamed_where_nothing_behind_is_in_doubt() {
    let (culprit, says, _) = Case::damaged(Case::is_silent);
    assert_eq!(
        (culprit.as_str(), says.as_str()),
        ("members/web", "the monitor calls `hugo-0` at 192.168.0.100:8080 ERROR")
    );
    let (culprit, says, hint) = Case::damaged(|case| {
        case.is_silent();
        case.heard.containers.clear();
        case.seen.hosts.insert("lxd0".to_owned(), HostView::Unreachable("it does not answer".to_owned()));
    });
    assert_eq!(culprit, "host/lxd0", "{says}");
    assert!(says.contains("nobody can look into it: it does not answer"), "{says}");
    assert_eq!(hint.as_deref(), Some("`pontoon logs lxd0` shows its console"));
}

#[test]
fn who_cannot_be_looked_into_is_not_blamed_where_a_monitor_is_content() {
    let (culprit, ..) = Case::damaged(|case| {
        case.heard.visitors.values_mut().for_each(|visit| visit.answer = Answer::Silence("timed out".to_owned()));
        case.heard.containers.clear();
        case.seen.hosts.insert("lxd0".to_owned(), HostView::Unreachable("it does not answer".to_owned()));
    });
    assert_eq!(culprit, "http://web.example/");
}

#[test]
fn who_cannot_look_into_a_host_is_not_told_that_packets_get_lost_there() {
    let mut case = Case::new(blog_up());
    case.heard.containers.clear();
    case.seen
        .hosts
        .insert("lxd0".to_owned(), HostView::Unreachable("`ssh_from` may not admit this machine".to_owned()));
    let path = case.path("hugo-0");
    assert_eq!(path.culprit(), None, "{path:?}");
    assert!(path.layers.iter().any(|layer| layer.finding == Finding::Unknown), "{path:?}");
}

#[test]
fn a_visitor_whom_nothing_stops_and_nobody_answers_is_told_who_may_connect() {
    let silence = || Answer::Silence("timed out".to_owned());
    let (culprit, says, hint) = Case::damaged(|case| {
        case.heard.visitors.values_mut().for_each(|visit| visit.answer = silence());
    });
    assert_eq!(culprit, "http://web.example/");
    assert!(says.contains("no answer: timed out"), "{says}");
    assert!(hint.unwrap().contains("between this machine and the router"));
    let (mut stack, _) = blog_up();
    stack.balancers["web"].allow = vec!["198.51.100.0/24".parse().unwrap()];
    let mut case = Case::new(crate::plan::tests::up(stack));
    case.heard.visitors.values_mut().for_each(|visit| visit.answer = silence());
    assert_eq!(case.culprit("hugo-0").2.as_deref(), Some("the balancer's `allow` may not admit this machine"));
}

#[test]
fn a_pair_of_somebody_elses_that_is_wide_enough_lets_packets_through() {
    let mut case = Case::new(blog_up());
    let port = case.port("lxd0");
    let mac = port.pairs.first().unwrap().mac.clone();
    port.pairs = [Pair { mac, address: "192.168.0.0/24".to_owned() }].into();
    assert_eq!(case.path("hugo-0").culprit(), None);
    case.port("lxd0").pairs =
        [Pair { mac: "fa:16:3e:00:00:01".to_owned(), address: "192.168.0.0/24".to_owned() }].into();
    assert_eq!(case.culprit("hugo-0").0, "pairs/lxd0", "it is for another card");
}

#[test]
fn a_group_that_nobody_of_the_stack_knows_may_let_packets_in() {
    let (culprit, says, _) = Case::damaged(|case| {
        case.is_silent();
        case.port("lxd0").security_groups = ["theirs".to_owned()].into();
    });
    assert_eq!(culprit, "rule/hosts-lxd");
    assert!(says.ends_with("unless group theirs does"), "{says}");
}

#[test]
fn what_only_another_host_misses_the_network_has_lost() {
    let mut case = Case::new(fourteen_up());
    let plan = Plan::up(&case.stack, &case.seen);
    let place = plan.places.first().unwrap().clone();
    let (neighbour, answer) = case.looked(&place.container).neighbour.clone().unwrap();
    assert_ne!(neighbour, place.host);
    assert_eq!(answer, Answer::Http(200));
    case.looked(&place.container).neighbour = Some((neighbour.clone(), Answer::Silence("nothing came".to_owned())));
    let path = paths(&case.stack, &case.seen, &plan, &case.heard, |name, _| name == place.container).remove(0);
    let culprit = path.culprit().unwrap();
    assert_eq!(culprit.name, format!("network from {neighbour}"));
    assert!(culprit.says.contains("which the container's own host gets"), "{culprit:?}");

    // Where the container is silent to its own host too, it is not the network's fault.
    case.looked(&place.container).own_host = Answer::Silence("refused".to_owned());
    let path = paths(&case.stack, &case.seen, &plan, &case.heard, |name, _| name == place.container).remove(0);
    assert_eq!(path.culprit().unwrap().name, format!("service {}", place.service));
}

#[test]
fn a_container_without_a_place_is_said_to_have_none() {
    let mut case = Case::new(blog_up());
    case.seen.networks.clear();
    let (culprit, _, hint) = case.culprit("hugo-0");
    assert_eq!(culprit, "container/hugo-0");
    assert!(hint.unwrap().contains("`pontoon plan`"));
}

#[test]
fn nothing_is_asked_of_a_container_that_does_not_run() {
    let mut case = Case::new(blog_up());
    let questions = |case: &Case| {
        let plan = Plan::up(&case.stack, &case.seen);
        questions(&case.stack, &case.seen, &plan, |_, _| true)
    };
    let asked = questions(&case);
    let expected = Question {
        container: "hugo-0".to_owned(),
        host: "lxd0".to_owned(),
        neighbour: None,
        address: Ipv4Addr::new(192, 168, 0, 100),
        port: Some(8080),
        path: Some("/".to_owned()),
    };
    assert_eq!(asked, [expected]);
    case.inside("lxd0").containers.get_mut("hugo-0").unwrap().running = false;
    assert_eq!(questions(&case), []);
}
