//! Preconditions and codings: no fields make it panic, and a client that has the current version is never sent it again.

#![no_main]
#![allow(dead_code)]

#[path = "../../src/authority.rs"]
mod authority;
#[path = "../../src/coding.rs"]
mod coding;
#[path = "../../src/condition.rs"]
mod condition;
#[path = "../../src/request.rs"]
mod request;
#[path = "../../src/status.rs"]
mod status;

use std::time::{Duration, SystemTime};

use coding::{CODINGS, Wanted};
use condition::{Validators, range_counts, verdict};
use libfuzzer_sys::fuzz_target;
use request::{Limits, NO_FIELDS};
use status::Status;

const ETAG: &str = "\"a,b\"";

fuzz_target!(|data: &[u8]| {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let head = [b"GET / HTTP/1.1\r\nHost: a\r\n", data, b"\r\n\r\n"].concat();
    let mut room = NO_FIELDS;
    let Ok(request) = request::read(&head, &mut room, &Limits::USUAL) else { return };
    let current = Validators { etag: Some(ETAG.to_owned()), modified: Some(modified) };
    let verdict = verdict(&request.fields, &current);
    range_counts(&request.fields, &current, modified + Duration::from_secs(9));
    assert!(Wanted::of(&request.fields).codings().count() <= CODINGS.len());
    let unconditional = request.fields.ask_for_all();
    assert!(!unconditional || verdict.is_none());
    let asks_only_for_another = request.fields.only("if-none-match") == Some(ETAG.as_bytes())
        && request.fields.values("if-match").next().is_none()
        && request.fields.values("if-unmodified-since").next().is_none();
    assert!(!asks_only_for_another || verdict == Some(Status::NOT_MODIFIED));
});
