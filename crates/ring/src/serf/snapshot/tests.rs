#![allow(clippy::unwrap_used)]

use super::*;

fn read(text: &str) -> Snapshot {
    Snapshot::read(text.as_bytes(), AfterLeave::StayAway)
}

fn at(milliseconds: u64) -> Time {
    Time::after(Duration::from_millis(milliseconds))
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.alive.keys().map(AsRef::as_ref).collect()
}

/// Applies a write to a file as the driver does.
fn write(file: &mut String, write: Write) {
    match write {
        Write::Append(lines) | Write::AppendAndSync(lines) => file.push_str(&lines),
        Write::Replace(text) => *file = text,
    }
}

#[test]
fn a_file_of_serf_is_read() {
    let snapshot = read(
        "alive: foo 127.0.0.1:5000\nclock: 100\nevent-clock: 50\nquery-clock: 7\ncoordinate: {}\n\
         alive: my bar [::1]:5001\nnot-alive: foo\n# a comment\nsomething: else\nclock: 110\n",
    );
    assert_eq!(names(&snapshot), ["my bar"]);
    assert_eq!(snapshot.alive["my bar"], "[::1]:5001".parse().unwrap());
    assert_eq!((snapshot.clock.0, snapshot.event_clock.0, snapshot.query_clock.0), (110, 50, 7));
}

#[test]
fn what_stands_before_a_leave_counts_only_for_who_comes_back() {
    let file = "alive: foo 127.0.0.1:5000\nclock: 9\nleave\n";
    assert_eq!(read(file), Snapshot::default());
    assert_eq!(names(&Snapshot::read(file.as_bytes(), AfterLeave::Rejoin)), ["foo"]);
}

#[test]
fn a_line_that_a_crash_cut_does_not_count() {
    let snapshot = read("alive: foo 127.0.0.1:5000\nclock: 12\nclock: 1");
    assert_eq!(snapshot.clock.0, 12);
    assert_eq!(read("clock: 7"), Snapshot::default());
}

#[test]
fn rubbish_between_lines_is_passed_over() {
    let snapshot =
        Snapshot::read(b"\xff\xfe\n\nalive: \nalive: x\nclock: many\nclock: 3\n\x00\n", AfterLeave::StayAway);
    assert_eq!(snapshot, Snapshot { clock: LamportTime(3), ..Snapshot::default() });
}

#[test]
fn what_was_recorded_is_what_is_read_back() {
    let mut recorder = Recorder::new(Snapshot::default(), Time::ZERO);
    let mut file = String::from("a line that was c");
    write(&mut file, recorder.poll(Time::ZERO).unwrap());
    for number in 0..3_u16 {
        let name = format!("m{number}").into();
        recorder.alive(at(1), &name, ([127, 0, 0, 1], 7000 + number).into());
    }
    recorder.not_alive(at(2), &"m1".into());
    recorder.clocks(at(3), LamportTime(5), LamportTime(2), LamportTime(0));
    assert_eq!(recorder.poll(at(100)), None, "lines wait for each other");
    write(&mut file, recorder.poll(at(600)).unwrap());
    assert_eq!(names(&read(&file)), ["m0", "m2"]);
    assert_eq!(read(&file).clock, LamportTime(5));
    assert_eq!(recorder.wake_at(), None, "nothing more is due");
}

#[test]
fn a_file_that_has_become_long_is_written_anew() {
    let mut recorder = Recorder::new(Snapshot::default(), Time::ZERO);
    let mut file = String::new();
    let mut longest = 0;
    for round in 0..20_000 {
        recorder.clocks(at(round * 600), LamportTime(round + 1), LamportTime(0), LamportTime(0));
        if let Some(due) = recorder.poll(at(round * 600 + 599)) {
            write(&mut file, due);
        }
        longest = longest.max(file.len());
    }
    assert!(longest < SIZE_MIN + 1024, "{longest}");
    assert!(read(&file).clock.0 > 19_990);
}

#[test]
fn a_leave_is_written_at_once_and_last() {
    let mut recorder = Recorder::new(Snapshot::default(), Time::ZERO);
    let mut file = String::new();
    write(&mut file, recorder.poll(Time::ZERO).unwrap());
    recorder.alive(at(1), &"m".into(), ([127, 0, 0, 1], 1).into());
    recorder.leave(at(2));
    recorder.alive(at(2), &"n".into(), ([127, 0, 0, 1], 2).into());
    let due = recorder.poll(at(2)).unwrap();
    assert!(matches!(due, Write::AppendAndSync(_)), "{due:?}");
    write(&mut file, due);
    assert!(file.ends_with("leave\n"), "{file}");
    assert_eq!(recorder.poll(at(9999)), None);
}

#[test]
fn a_name_cannot_write_lines_of_its_own() {
    let mut recorder = Recorder::new(Snapshot::default(), Time::ZERO);
    recorder.alive(Time::ZERO, &"x 1.1.1.1:1\nleave\nalive: y".into(), ([127, 0, 0, 1], 2).into());
    let Some(Write::Replace(text)) = recorder.poll(Time::ZERO) else { panic!() };
    assert_eq!(read(&text).alive.len(), 0);
    assert!(!text.contains("leave"), "{text}");
}
