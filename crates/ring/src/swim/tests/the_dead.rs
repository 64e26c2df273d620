//! What those hear who are thought dead.

use super::*;

#[test]
fn whoever_is_thought_dead_hears_so_for_half_a_minute_and_can_refute_it() {
    let mut swim = in_ring_of(3);
    hear(&mut swim, at(0), 11, &dead("a", 4, "b"));
    let mut told = Vec::new();
    for second in 0..60 {
        // There is always something to say to those who live.
        swim.application_mut().hear(second);
        let said = run_until(&mut swim, at(second * 1000 + 999));
        told.extend(said.into_iter().filter(|(to, _)| *to == address(10)).map(|(_, message)| (second, message)));
    }
    assert!(told.iter().all(|(_, message)| *message == dead("a", 4, "me")), "{told:?}");
    assert!(told.iter().any(|(second, _)| *second > 20), "it hears again and again: {told:?}");
    assert!(told.iter().all(|(second, _)| *second <= 30), "and not for ever: {told:?}");
    hear(&mut swim, at(60_000), 10, &Message::Alive(alive("a", 5, 10)));
    assert_eq!(swim.member("a").unwrap().state, State::Alive);
}
