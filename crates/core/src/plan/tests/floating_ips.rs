//! Floating IPs that the file gives and takes back.

use std::net::Ipv4Addr;

use super::driver::{Dice, Trouble, converge, drive, listed};
use super::files::blog;
use super::tenancy::tenancy;
use super::toy::Toy;
use crate::plan::{Action, Plan};
use crate::spec::model::{FloatingIp as Wanted, Stack};

/// A cloud on which the stack is up.
fn up(stack: &Stack) -> Toy {
    let mut toy = Toy::new(tenancy());
    converge(&mut toy, stack, &mut Dice(1)).unwrap();
    toy
}

fn plan(toy: &Toy, stack: &Stack) -> Plan {
    Plan::up(stack, &toy.look())
}

#[test]
fn a_floating_ip_that_the_file_gave_is_let_go_and_never_deleted() {
    let given = Ipv4Addr::new(203, 0, 113, 240);
    let with = |floating_ip: Wanted| {
        let mut stack = blog();
        stack.balancers["web"].floating_ip = floating_ip;
        stack
    };
    for after in [Wanted::No, Wanted::Any, Wanted::Given(Ipv4Addr::new(203, 0, 113, 241))] {
        let mut toy = up(&with(Wanted::Given(given)));
        let changed = with(after);
        let let_go = plan(&toy, &changed);
        let step = let_go.steps.iter().find(|step| step.keys[0].label() == "floating-ip/203.0.113.240").unwrap();
        assert!(matches!(&step.action, Action::ReleaseFloatingIp { id } if id == "given-240"), "{}", listed(&let_go));
        assert_eq!(converge(&mut toy, &changed, &mut Dice(1)), Ok(1), "{after:?}");
        let one = toy.cloud.floating_ips.iter().find(|one| one.address == given).unwrap();
        assert_eq!((&one.port_id, one.given, &one.key), (&None, false, &None), "{after:?}");
    }
    // With its balancer, and with everything.
    let mut toy = up(&with(Wanted::Given(given)));
    let mut gone = blog();
    gone.balancers.clear();
    converge(&mut toy.clone(), &gone, &mut Dice(1)).unwrap();
    let down = Plan::down("blog", &toy.look());
    drive(&mut toy, &blog(), &down, &mut Dice(1), Trouble::None).unwrap();
    assert!(toy.cloud.floating_ips.iter().any(|one| one.address == given && one.port_id.is_none() && !one.given));
    assert!(Plan::down("blog", &toy.look()).is_empty());
}

#[test]
fn a_floating_ip_that_somebody_led_here_by_hand_stays_where_the_file_wants_none() {
    let mut stack = blog();
    stack.balancers["web"].floating_ip = Wanted::No;
    let mut toy = up(&stack);
    toy.cloud.floating_ips[0].port_id = Some(toy.cloud.balancers[0].vip_port_id.clone());
    assert!(plan(&toy, &stack).is_empty(), "{}", listed(&plan(&toy, &stack)));
}

#[test]
fn a_floating_ip_that_the_file_gives_to_another_makes_way_before_its_port_gets_a_new_one() {
    let given = Wanted::Given(Ipv4Addr::new(203, 0, 113, 240));
    let with = |host: Wanted, balancer: Wanted| {
        let mut stack = blog();
        stack.hosts["lxd"].floating_ip = host;
        stack.balancers["web"].floating_ip = balancer;
        stack
    };
    for other in [Wanted::No, Wanted::Any] {
        let (on_host, on_balancer) = (with(given, other), with(other, given));
        for (before, after) in [(&on_host, &on_balancer), (&on_balancer, &on_host)] {
            assert_eq!(converge(&mut up(before), after, &mut Dice(1)), Ok(1), "{other:?}");
        }
    }
}

#[test]
fn two_floating_ips_that_the_file_gives_can_change_places() {
    let [one, other] = [240, 241].map(|last| Wanted::Given(Ipv4Addr::new(203, 0, 113, last)));
    let with = |host: Wanted, balancer: Wanted| {
        let mut stack = blog();
        stack.hosts["lxd"].floating_ip = host;
        stack.balancers["web"].floating_ip = balancer;
        stack
    };
    assert_eq!(converge(&mut up(&with(one, other)), &with(other, one), &mut Dice(1)), Ok(1));
}
