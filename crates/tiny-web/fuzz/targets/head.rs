//! Heads: no bytes make it panic, and where the pieces end makes no difference.

#![no_main]
#![allow(dead_code)]

#[path = "../../src/authority.rs"]
mod authority;
#[path = "../../src/request.rs"]
mod request;
#[path = "../../src/status.rs"]
mod status;

use libfuzzer_sys::fuzz_target;
use request::{HeadEnd, Limits, NO_FIELDS};

fuzz_target!(|data: &[u8]| {
    let whole = HeadEnd::default().find(data, &Limits::USUAL);
    let mut end = HeadEnd::default();
    let piecewise = (0..=data.len()).map(|cut| end.find(&data[..cut], &Limits::USUAL)).find(|found| *found != Ok(None));
    assert_eq!(piecewise.unwrap_or(Ok(None)), whole);
    if let Ok(Some(length)) = whole {
        let mut room = NO_FIELDS;
        if let Ok(request) = request::read(&data[..length], &mut room, &Limits::USUAL) {
            let is_of_target = |byte: u8| byte.is_ascii_graphic() && !b"\"<>".contains(&byte);
            assert!(!request.target.is_empty() && request.target.bytes().all(is_of_target));
        }
    }
});
