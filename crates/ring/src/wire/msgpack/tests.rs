//! What is written is what old programs read, and nothing that is read can hurt.

use proptest::prelude::*;

use super::{Reader, Writer};
use crate::wire::Error;

#[test]
fn a_string_of_32_bytes_or_more_is_written_without_the_newer_markers() {
    let mut writer = Writer::default();
    writer.raw(&[7; 31]).raw(&[7; 32]).raw(&[7; 300]).raw(&vec![7; 70_000]);
    let bytes = writer.finish();
    assert_eq!(bytes[0], 0xbf);
    assert_eq!(bytes[32..35], [0xda, 0, 32]);
    assert_eq!(bytes[67..70], [0xda, 1, 44]);
    assert_eq!(bytes[370..375], [0xdb, 0, 1, 0x11, 0x70]);
}

#[test]
fn the_newer_forms_are_read_as_well() {
    for bytes in [&b"\xd9\x02ab"[..], b"\xc4\x02ab", b"\xc5\x00\x02ab", b"\xda\x00\x02ab", b"\xa2ab"] {
        assert_eq!(Reader::new(bytes).raw("it").unwrap(), b"ab", "{bytes:?}");
    }
}

#[test]
fn nil_is_nothing_of_every_type() {
    let nil = || Reader::new(b"\xc0");
    assert_eq!(nil().raw("it").unwrap(), b"");
    assert_eq!(nil().map("it").unwrap(), 0);
    assert_eq!(nil().array("it").unwrap(), 0);
    assert_eq!(nil().unsigned::<u32>("it").unwrap(), 0);
    assert!(!nil().boolean("it").unwrap());
}

#[test]
fn a_number_out_of_bounds_is_an_error() {
    assert!(Reader::new(b"\xcd\x01\x00").unsigned::<u8>("it").is_err());
    assert!(Reader::new(b"\xff").unsigned::<u64>("it").is_err());
    assert_eq!(Reader::new(b"\xff").signed("it").unwrap(), -1);
}

#[test]
fn unknown_fields_are_passed_over_whatever_they_hold() {
    // {"a": [1, {"b": ext}], "c": 5}
    let bytes = b"\x82\xa1a\x92\x01\x81\xa1b\xd5\x01\x02\x03\xa1c\x05";
    let mut c = 0_u8;
    let mut reader = Reader::new(bytes);
    reader
        .fields("it", |reader, name| match name {
            b"c" => reader.unsigned("c").map(|number| c = number),
            _ => reader.skip(),
        })
        .unwrap();
    assert_eq!(c, 5);
    assert!(reader.rest().is_empty());
}

#[test]
fn a_list_that_claims_four_billion_entries_costs_nothing() {
    let bytes = b"\xdd\xff\xff\xff\xff\x01";
    assert!(matches!(Reader::new(bytes).skip(), Err(Error::Truncated(_))));
    let error = Reader::new(bytes).list("it", 10, |reader| reader.unsigned::<u8>("it")).unwrap_err();
    assert_eq!(error, Error::TooLarge { what: "it", limit: 10 });
    assert!(Reader::new(bytes).list("it", usize::MAX, |reader| reader.unsigned::<u8>("it")).is_err());
}

#[test]
fn deep_nesting_costs_nothing_either() {
    let bytes = vec![0x91; 1_000_000];
    assert!(matches!(Reader::new(&bytes).skip(), Err(Error::TooLarge { .. })));
}

proptest! {
    #[test]
    fn numbers_come_back(number: u64, fraction: f64) {
        let mut writer = Writer::default();
        writer.unsigned(number).float(fraction);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.unsigned::<u64>("it").unwrap(), number);
        prop_assert_eq!(reader.float("it").unwrap().to_bits(), fraction.to_bits());
    }

    #[test]
    fn bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..1000)) {
        let mut writer = Writer::default();
        writer.raw(&bytes);
        let written = writer.finish();
        prop_assert_eq!(Reader::new(&written).raw("it").unwrap(), &bytes[..]);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut reader = Reader::new(&bytes);
        while reader.skip().is_ok() {}
        let _ = Reader::new(&bytes).float("it");
        let _ = Reader::new(&bytes).signed("it");
        let _ = Reader::new(&bytes).list("it", 1000, Reader::skip);
    }
}
