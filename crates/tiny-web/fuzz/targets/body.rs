//! Chunks: no bytes make it panic, where the pieces end makes no difference, and nothing behind the body is taken.

#![no_main]
#![allow(dead_code)]

#[path = "../../src/authority.rs"]
mod authority;
#[path = "../../src/body.rs"]
mod body;
#[path = "../../src/request.rs"]
mod request;
#[path = "../../src/status.rs"]
mod status;

use body::BodyReader;
use libfuzzer_sys::fuzz_target;
use request::{Body, Limits};
use status::Status;

/// How much of `data` is the body's, and whether that is all of it.
fn taken(data: &[u8], piece: usize) -> Result<(usize, bool), Status> {
    let mut body = BodyReader::new(Body::Chunked, &Limits::USUAL);
    let mut total = 0;
    for piece in data.chunks(piece) {
        let taken = body.take(piece)?;
        total += taken;
        if body.is_done() {
            break;
        }
        assert_eq!(taken, piece.len());
    }
    Ok((total, body.is_done()))
}

fuzz_target!(|data: &[u8]| {
    let whole = taken(data, data.len().max(1));
    assert_eq!(taken(data, 1), whole);
    if let Ok((length, true)) = whole {
        assert!(data[..length].ends_with(b"\r\n"));
        assert_eq!(taken(&data[..length], 7), whole);
    }
});
