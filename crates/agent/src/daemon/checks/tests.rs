use std::time::Duration;

use super::*;
use crate::catalogue::State;

const SECOND: Duration = Duration::from_secs(1);

fn name(text: &str) -> Name {
    text.into()
}

fn tcp(ports: std::ops::Range<u16>) -> Vec<MonitoringPoint> {
    ports.map(MonitoringPoint::Tcp).collect()
}

fn good() -> Outcome {
    Outcome { state: State::Passing, output: "well".to_owned() }
}

/// Checks of so many containers, and a clock that stands where all of them are due.
fn checks(containers: usize, points: &[MonitoringPoint]) -> (Checks, Time) {
    let mut checks = Checks::new(Settings::default(), Settings::default(), 1);
    for number in 0..containers {
        checks.set(Time::ZERO, &name(&format!("web-{number}")), points, None);
    }
    (checks, Time::after(SECOND))
}

fn looks(checks: &mut Checks) -> Vec<(Id, Run, Name)> {
    let todo = checks.take_todo().into_iter();
    todo.filter_map(|todo| match todo {
        Do::Look { id, run, container, .. } => Some((id, run, container)),
        Do::Drop(_) => None,
    })
    .collect()
}

#[test]
fn one_broken_container_holds_up_nobody() {
    let (mut checks, now) = checks(0, &[]);
    checks.set(Time::ZERO, &name("broken"), &tcp(1..17), None);
    checks.set(Time::ZERO, &name("well"), &tcp(80..82), None);
    checks.tick(now);
    let begun = looks(&mut checks);
    let of = |container: &str| begun.iter().filter(|look| *look.2 == *container).count();
    assert_eq!((of("broken"), of("well")), (OUTSIDE_EACH, 2));
    // None of its looks ends. They are given up one after the other, and each of its checks gets its turn.
    let mut begun = of("broken");
    let mut now = now;
    while begun < 16 {
        now = checks.wake_at().unwrap().max(now);
        checks.tick(now);
        begun += looks(&mut checks).iter().filter(|look| *look.2 == *"broken").count();
    }
    assert!(now.elapsed() < 12 * SECOND, "{now:?}");
    assert_eq!(checks.health("broken").state, State::Critical);
}

#[test]
fn those_who_wait_for_a_place_are_not_late() {
    let (mut checks, mut now) = checks(OUTSIDE_MAX * 2, &tcp(80..81));
    checks.tick(now);
    let first = looks(&mut checks);
    assert_eq!(first.len(), OUTSIDE_MAX);
    // The first ones take as long as they may; the others begin then, and have all of their time.
    for (id, run, _) in first {
        checks.ended(now, id, run, good());
    }
    let second = looks(&mut checks);
    assert_eq!(second.len(), OUTSIDE_MAX);
    now = now + SECOND;
    checks.tick(now);
    for (id, run, _) in second {
        checks.ended(now, id, run, good());
    }
    assert!(checks.have_looked());
    assert!((0..OUTSIDE_MAX * 2).all(|number| checks.health(&format!("web-{number}")).state == State::Passing));
}

#[test]
fn commands_wait_for_each_other_and_paths_do_not_wait_for_them() {
    let (mut checks, now) = checks(INSIDE_MAX * 2, &[MonitoringPoint::CloudInit, MonitoringPoint::Tcp(80)]);
    checks.tick(now);
    assert_eq!(looks(&mut checks).len(), INSIDE_MAX + INSIDE_MAX * 2);
}

#[test]
fn a_container_that_goes_takes_its_looks_with_it_and_gives_back_their_places() {
    let (mut checks, now) = checks(INSIDE_MAX + 1, &[MonitoringPoint::CloudInit]);
    checks.tick(now);
    let begun = looks(&mut checks);
    let (id, run, container) = begun.first().unwrap().clone();
    checks.forget(&container);
    checks.tick(now);
    assert_eq!(checks.take_todo().first(), Some(&Do::Drop(id)));
    assert_eq!(checks.looking.iter().flat_map(BTreeMap::values).sum::<usize>(), INSIDE_MAX, "the next one looks");
    assert_eq!(checks.ended(now, id, run, good()), None, "its outcome is of no interest");
    assert_eq!(checks.health(&container).state, State::Passing, "who has no checks passes");
}

#[test]
fn checks_that_stay_go_on_and_metrics_are_none() {
    let (mut checks, now) = checks(1, &tcp(80..82));
    checks.tick(now);
    let begun = looks(&mut checks);
    let points = [tcp(80..81), vec![MonitoringPoint::Metrics("/metrics".to_owned())]].concat();
    checks.set(now, &name("web-0"), &points, None);
    assert_eq!(checks.take_todo().len(), 1, "one look is dropped");
    for (id, run, _) in begun {
        checks.ended(now, id, run, good());
    }
    assert_eq!(checks.health("web-0"), Health { state: State::Passing, output: "tcp: well".to_owned() });
    assert!(checks.have_looked());
    assert_eq!(checks.all.len(), 1);
}

#[test]
fn a_service_says_how_often_it_is_looked_at_and_the_engine_is_spared() {
    let (outside, inside) = (Settings::default(), Settings { interval: 15 * SECOND, ..Settings::default() });
    let mut checks = Checks::new(outside, inside, 1);
    let points = [MonitoringPoint::CloudInit, MonitoringPoint::Tcp(80)];
    let said = |seconds: u32| Some(Settings { interval: seconds * SECOND, rise: 1, ..Settings::default() });
    // How often each is begun in a minute and a half.
    let count = |checks: &mut Checks, from: u64| {
        let mut begun = [0, 0];
        for second in from..from + 90 {
            let now = Time::after(Duration::from_secs(second));
            checks.tick(now);
            for todo in checks.take_todo() {
                let Do::Look { id, run, point, .. } = todo else { continue };
                begun[place(&point) as usize] += 1;
                checks.ended(now, id, run, good());
            }
        }
        begun
    };
    checks.set(Time::ZERO, &name("web-0"), &points, said(5));
    let [paths, commands] = count(&mut checks, 0);
    assert!((14..=20).contains(&paths) && (5..=7).contains(&commands), "{paths} {commands}");
    // Another wish counts from the next look on, and nothing of what was seen is forgotten.
    checks.set(Time::after(90 * SECOND), &name("web-0"), &points, said(30));
    assert_eq!(checks.health("web-0").state, State::Passing);
    let [paths, commands] = count(&mut checks, 90);
    assert!(paths <= 5 && commands <= 5, "{paths} {commands}");
}
