//! What is said to members that speak an older protocol.

use super::*;

/// What the members of a ring that speaks nothing newer are sent until one of them has failed a probe: whether a
/// datagram had a checksum, whether somebody was asked for a nack, whether a stream was tried.
fn sent_to(protocol_max: u8) -> (bool, bool, bool) {
    let mut swim = start(config());
    let versions = Versions { protocol_max, ..Versions::default() };
    let all: Vec<_> =
        (0..5).map(|index| Arc::new(Alive { versions, ..alive(&letter(index), 1, 10 + index) })).collect();
    swim.acquaint(Time::ZERO, &all);
    let (mut checksum, mut nack, mut stream) = (false, false, false);
    while swim.counters().failed_probes == 0 {
        let now = swim.wake_at().unwrap();
        swim.handle(now, Input::Tick);
        for output in outputs(&mut swim) {
            match output {
                Output::Datagram { bytes, .. } => {
                    checksum |= bytes[0] == Kind::Checksum as u8;
                    let messages = packet::open(swim.layers(), &bytes).unwrap().messages;
                    nack |= messages
                        .iter()
                        .any(|message| matches!(message, Message::IndirectPing(IndirectPing { nack: true, .. })));
                }
                Output::Exchange(exchange) => stream |= matches!(exchange.message, StreamMessage::Ping(_)),
                _ => {}
            }
        }
    }
    (checksum, nack, stream)
}

#[test]
fn whoever_speaks_an_older_protocol_is_sent_nothing_that_it_does_not_know() {
    assert_eq!(sent_to(2), (false, false, false));
    assert_eq!(sent_to(3), (false, false, true));
    assert_eq!(sent_to(4), (false, true, true));
    assert_eq!(sent_to(5), (true, true, true));
}
