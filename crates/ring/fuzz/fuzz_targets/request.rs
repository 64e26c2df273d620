//! See `request` in the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pontoon_ring_fuzz::targets::request(data));
