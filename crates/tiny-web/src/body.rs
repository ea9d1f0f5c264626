//! The body of a request, which is read past: so many bytes, or chunks. What is thrown away must be measured as exactly as
//! what is kept, or the next request would begin in the middle of this one.
//!
//! The chunks are RFC 9112, section 7.1:
//!
//! ```text
//! chunk          = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//! last-chunk     = 1*("0") [ chunk-ext ] CRLF
//! chunked-body   = *chunk last-chunk trailer-section CRLF
//! chunk-ext      = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
//! ```

use crate::request::{Body, Limits, is_of_token};
use crate::status::Status;

/// Room for everything in a chunked body that is not content: sizes and their line ends aside, extensions and trailers.
const EXTRAS_BYTES: usize = 16 * 1024;
/// A chunk's size in hexadecimal digits: enough for 64 bits.
const SIZE_DIGITS: u32 = 16;

/// A body on its way.
pub struct BodyReader {
    state: State,
    /// How much content may still come.
    left: u64,
    /// How much else.
    extras_left: usize,
}

#[derive(Clone, Copy)]
enum State {
    /// So many bytes, and that is all.
    Bytes(u64),
    Size {
        size: u64,
        digits: u32,
    },
    Extension {
        size: u64,
        at: Extension,
    },
    SizeEnd {
        size: u64,
    },
    Data(u64),
    DataCr,
    DataLf,
    /// The beginning of a line after the last chunk.
    Line,
    /// In a trailer field; whether its colon has come, and whether there was anything before it.
    Trailer {
        named: bool,
        colon: bool,
    },
    TrailerEnd,
    LastLf,
    Done,
}

/// Where in an extension.
#[derive(Clone, Copy)]
enum Extension {
    /// White space, before a semicolon.
    Before,
    NameStart,
    Name,
    AfterName,
    ValueStart,
    Token,
    Quoted,
    Escaped,
    Closed,
}

impl BodyReader {
    /// A body that is to come.
    pub fn new(body: Body, limits: &Limits) -> BodyReader {
        let state = match body {
            Body::Bytes(0) => State::Done,
            Body::Bytes(length) => State::Bytes(length),
            Body::Chunked => State::Size { size: 0, digits: 0 },
        };
        BodyReader { state, left: limits.body, extras_left: EXTRAS_BYTES }
    }

    /// Whether all of it has come.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes what belongs to the body from the front of `input`, and says how much that was.
    ///
    /// Errors: 400 for what is no chunk, 413 for too much. The next request can't be found then.
    pub fn take(&mut self, input: &[u8]) -> Result<usize, Status> {
        let mut at = 0;
        while at < input.len() && !self.is_done() {
            if let State::Bytes(left) | State::Data(left) = &mut self.state {
                let taken = left_of(*left).min(input.len() - at);
                *left -= taken as u64;
                at += taken;
                self.state = match self.state {
                    State::Bytes(0) => State::Done,
                    State::Data(0) => State::DataCr,
                    goes_on => goes_on,
                };
            } else {
                self.state = self.step(input[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// What comes after this byte, which is no content.
    fn step(&mut self, byte: u8) -> Result<State, Status> {
        let is_text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        Ok(match (self.state, byte) {
            (State::Size { size, digits }, byte) if byte.is_ascii_hexdigit() && digits < SIZE_DIGITS => {
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (State::Size { size, digits: 1.. }, b'\r') => State::SizeEnd { size },
            (State::Size { size, digits: 1.. }, _) => self.extension(size, Extension::Closed, byte)?,
            (State::Extension { size, at }, _) => self.extension(size, at, byte)?,
            (State::SizeEnd { size: 0 }, b'\n') => State::Line,
            (State::SizeEnd { size }, b'\n') => {
                self.left = self.left.checked_sub(size).ok_or(Status::ContentTooLarge)?;
                State::Data(size)
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::Line, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => State::Done,
            (State::Line, _) => self.trailer(byte, false)?,
            (State::Trailer { named, colon: false }, _) => self.trailer(byte, named)?,
            (State::Trailer { colon: true, .. }, b'\r') => State::TrailerEnd,
            (goes_on @ State::Trailer { .. }, _) if is_text => self.extra(goes_on)?,
            (State::TrailerEnd, b'\n') => State::Line,
            _ => return Err(Status::BadRequest),
        })
    }

    /// A byte of an extension, or its end.
    fn extension(&mut self, size: u64, at: Extension, byte: u8) -> Result<State, Status> {
        use Extension::{AfterName, Before, Closed, Escaped, Name, NameStart, Quoted, Token, ValueStart};
        let is_token = is_of_token(byte);
        let is_text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        let at = match (at, byte) {
            (Name | Token | Closed, b'\r') => return Ok(State::SizeEnd { size }),
            (Quoted, b'"') => Closed,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, _) if is_text => Quoted,
            (Before | Closed | Token | Name | AfterName, b';') => NameStart,
            (Before | Closed | Token, b' ' | b'\t') => Before,
            (Name | AfterName, b' ' | b'\t') => AfterName,
            (Name | AfterName, b'=') => ValueStart,
            (NameStart | ValueStart, b' ' | b'\t') => at,
            (NameStart | Name, _) if is_token => Name,
            (ValueStart, b'"') => Quoted,
            (ValueStart | Token, _) if is_token => Token,
            _ => return Err(Status::BadRequest),
        };
        self.extra(State::Extension { size, at })
    }

    /// A byte of a trailer field's name, or the colon after it.
    fn trailer(&mut self, byte: u8, named: bool) -> Result<State, Status> {
        match byte {
            b':' if named => self.extra(State::Trailer { named, colon: true }),
            _ if is_of_token(byte) => self.extra(State::Trailer { named: true, colon: false }),
            _ => Err(Status::BadRequest),
        }
    }

    /// One more byte that is neither content nor needed.
    fn extra(&mut self, next: State) -> Result<State, Status> {
        self.extras_left = self.extras_left.checked_sub(1).ok_or(Status::ContentTooLarge)?;
        Ok(next)
    }
}

fn left_of(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many bytes belong to the chunked body that this begins with, or what is wrong with it; "more": not all has come.
    fn outcome(input: &[u8], piece: usize) -> String {
        let mut body = BodyReader::new(Body::Chunked, &Limits::USUAL);
        let mut taken = 0;
        for piece in input.chunks(piece) {
            match body.take(piece) {
                Ok(length) => taken += length,
                Err(status) => return status.code().to_string(),
            }
            if body.is_done() {
                return format!("{taken} bytes");
            }
        }
        "more".to_owned()
    }

    #[test]
    fn chunks_and_what_becomes_of_them() {
        let table: &[(&[u8], &str)] = &[
            (b"0\r\n\r\n", "5 bytes"),
            (b"000\r\n\r\nGET", "7 bytes"),
            (b"5\r\nhello\r\n0\r\n\r\n", "15 bytes"),
            (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "35 bytes"),
            (b"1;name=\"va;lue\"\r\nx\r\n0;last\r\n\r\n", "30 bytes"),
            (b"0\r\nA: b\r\nC:\r\n\r\n", "15 bytes"),
            (b"5\r\nhello\r\n0\r\n\r", "more"),
            (b"5\r\nhel", "more"),
            (b"", "more"),
            (b"\r\n", "400"),
            (b"5\nhello\n0\n\n", "400"),
            (b"5\r\nhello0\r\n\r\n", "400"),
            (b"5\r\nhello!\r\n0\r\n\r\n", "400"),
            (b"5\r\nhello\n\r0\r\n\r\n", "400"),
            (b" 5\r\n", "400"),
            (b"5 \r\n", "400"),
            (b"1 ; a = b\t;c=\"\\\"\" ;d\r\nx\r\n0\r\n\r\n", "30 bytes"),
            (b"5;\r\n", "400"),
            (b"5;=b\r\n", "400"),
            (b"5;a=\r\n", "400"),
            (b"5;a b\r\n", "400"),
            (b"5;a=b c\r\n", "400"),
            (b"5;a=\"b\r\n", "400"),
            (b"5;a=\"b\"c\r\n", "400"),
            (b"5;a \r\n", "400"),
            (b"+5\r\n", "400"),
            (b"-5\r\n", "400"),
            (b"0x5\r\n", "400"),
            (b"g\r\n", "400"),
            (b"5;\n\r\n", "400"),
            (b"5;\0\r\n", "400"),
            (b"5;a\rb\r\n", "400"),
            (b"00000000000000000\r\n", "400"),
            (b"ffffffffffffffff\r\n", "413"),
            (b"100001\r\n", "413"),
            (b"0\r\n: a\r\n\r\n", "400"),
            (b"0\r\nA\r\n\r\n", "400"),
            (b"0\r\n A: b\r\n\r\n", "400"),
            (b"0\r\nA : b\r\n\r\n", "400"),
            (b"0\r\nA: b\n\r\n", "400"),
            (b"0\r\n\n", "400"),
        ];
        for (input, expected) in table {
            assert_eq!(outcome(input, input.len().max(1)), *expected, "{}", input.escape_ascii());
            assert_eq!(outcome(input, 1), *expected, "{}, byte by byte", input.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_content_has_a_limit_too() {
        let many = |extra: &str| outcome(format!("0{}\r\n", extra.repeat(EXTRAS_BYTES)).as_bytes(), 1000);
        assert_eq!(many(";a"), "413");
        assert_eq!(many("\r\nA:"), "413");
        let chunks = "10000\r\n".to_owned() + &"x".repeat(0x10000) + "\r\n";
        assert_eq!(outcome((chunks.repeat(16) + "0\r\n\r\n").as_bytes(), 1000), format!("{} bytes", 16 * 65_545 + 5));
        assert_eq!(outcome((chunks.repeat(16) + "1\r\n").as_bytes(), 1000), "413");
    }

    proptest! {
        #[test]
        fn where_the_pieces_end_makes_no_difference(
            input in prop::collection::vec(prop::sample::select(b"\r\n\r\n\r\n0011a;:x ".to_vec()), 0..40),
            piece in 1usize..10,
        ) {
            prop_assert_eq!(outcome(&input, piece), outcome(&input, 100));
        }
    }
}
