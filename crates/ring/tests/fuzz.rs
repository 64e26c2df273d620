//! The fuzz targets with a fixed budget, on any compiler: recorded bytes, cut and changed by chance from a fixed seed.
//!
//! `cargo xtask fuzz` looks for longer and with its eyes open; this finds what breaks at once.

// The targets check by assertions and have no other way to fail.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

#[path = "../fuzz/src/targets.rs"]
mod targets;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROUNDS: usize = 20_000;

/// The recorded bytes of these sorts.
fn recorded(sorts: &[&str]) -> Vec<Vec<u8>> {
    let lines = [include_str!("../captures/plain.txt"), include_str!("../captures/encrypted.txt")];
    let all = lines.iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once(' '));
    all.filter(|(sort, _)| sorts.contains(sort)).map(|(_, hex)| bytes(hex)).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The seeds, and what chance makes of them.
fn drive(target: fn(&[u8]), seeds: &[Vec<u8>]) {
    for seed in seeds {
        target(seed);
    }
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..ROUNDS {
        // Now and then nothing but chance.
        let seed = seeds.get(chance.random_range(0..=seeds.len())).cloned();
        let mut input = seed.unwrap_or_else(|| {
            let mut random = vec![0; chance.random_range(0..200)];
            chance.fill_bytes(&mut random);
            random
        });
        for _ in 0..chance.random_range(1..6) {
            mutate(&mut input, &mut chance);
        }
        target(&input);
    }
}

fn mutate(input: &mut Vec<u8>, chance: &mut ChaCha8Rng) {
    // Markers of msgpack that announce more than follows, and bytes at the edges.
    const LURES: [u8; 12] = [0x00, 0x7f, 0x80, 0x8f, 0x9f, 0xbf, 0xc0, 0xc6, 0xdb, 0xdd, 0xdf, 0xff];
    if input.is_empty() {
        input.push(chance.random());
        return;
    }
    let at = chance.random_range(0..input.len());
    match chance.random_range(0..6) {
        0 => input[at] ^= 1 << chance.random_range(0..8),
        1 => input[at] = chance.random(),
        2 => input[at] = LURES[chance.random_range(0..LURES.len())],
        3 => input.truncate(at),
        4 => input.insert(at, chance.random()),
        _ => {
            let part = input[at..].to_vec();
            input.extend_from_slice(&part[..part.len().min(64)]);
        }
    }
}

/// The same with a byte before it, by which a target chooses.
fn chosen(seeds: &[Vec<u8>], choices: &[u8]) -> Vec<Vec<u8>> {
    seeds.iter().flat_map(|seed| choices.iter().map(move |choice| [&[*choice], &seed[..]].concat())).collect()
}

#[test]
fn no_datagram_breaks_its_decoder() {
    drive(targets::packet, &recorded(&["datagram"]));
}

#[test]
fn no_stream_breaks_its_decoder() {
    drive(targets::stream, &chosen(&recorded(&["request", "reply"]), &[0x05, 0xf4]));
}

#[test]
fn no_message_of_serf_breaks_its_decoder() {
    // What stands behind the checksum and the kind of a user message.
    let datagrams = recorded(&["datagram"]).into_iter();
    let mut seeds: Vec<Vec<u8>> = datagrams.filter_map(|bytes| bytes.get(6..).map(<[u8]>::to_vec)).collect();
    seeds.extend((0..10).map(|kind| vec![kind, 0x81, 0xa4, b'N', b'o', b'd', b'e', 0xa1, b'n']));
    drive(targets::serf, &seeds);
}

#[test]
fn no_tags_and_no_coordinate_break_their_decoders() {
    let coordinate = recorded(&["datagram"]).into_iter().filter(|bytes| bytes.first() == Some(&2));
    let mut seeds: Vec<Vec<u8>> = coordinate.filter_map(|bytes| bytes.get(13..).map(<[u8]>::to_vec)).collect();
    seeds.push(b"\xff\x82\xa4role\xa3web\xa2nr\xa13".to_vec());
    drive(targets::tags, &seeds);
}

#[test]
fn no_snapshot_breaks_its_reader() {
    let lines = b"\0alive: n1 127.0.0.1:7946\nclock: 7\nevent-clock: 9\nquery-clock: 1\nnot-alive: n1\ncoordinate: {}\nleave\n#\n";
    drive(targets::snapshot, &[lines.to_vec()]);
}

#[test]
fn no_client_breaks_an_agent() {
    drive(targets::request, &recorded(&["rpc-request"]));
}

#[test]
fn no_agent_breaks_a_client() {
    drive(targets::reply, &chosen(&recorded(&["rpc-reply"]), &[0, 1, 2, 3, 4, 5, 6, 7, 8]));
}
