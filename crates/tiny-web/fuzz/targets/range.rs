//! Ranges: a part is never empty, and never more than there is.

#![no_main]
#![allow(dead_code)]

#[path = "../../src/range.rs"]
mod range;

use libfuzzer_sys::fuzz_target;
use range::{Part, part};

fuzz_target!(|data: (u64, &[u8])| {
    let (length, value) = data;
    if let Part::Bytes(range) = part(value, length) {
        assert!(range.start < range.end && range.end <= length, "{range:?} of {length}");
    }
});
