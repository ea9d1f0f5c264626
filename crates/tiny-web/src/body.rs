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

use crate::request::{Body, Limits, is_of_token, is_token};
use crate::status::Status;

/// Room for everything in a chunked body that is not content: sizes and their line ends aside, extensions and trailers.
const EXTRAS_BYTES: usize = 16 * 1024;
/// A chunk's size in hexadecimal digits: enough for 64 bits.
const SIZE_DIGITS: usize = 16;

/// A body on its way.
pub struct BodyReader {
    state: State,
    /// What has come of a line.
    line: Vec<u8>,
    /// How much content may still come.
    left: u64,
    /// How much else.
    extras_left: usize,
}

/// What comes next.
#[derive(Clone, Copy)]
enum State {
    /// So many bytes, and that is all.
    Bytes(u64),
    /// The line with a chunk's size.
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// The line end after them.
    DataEnd,
    /// A trailer field, or the empty line at the end.
    Trailer,
    Done,
}

impl BodyReader {
    /// A body that is to come.
    pub fn new(body: Body, limits: &Limits) -> BodyReader {
        let state = match body {
            Body::Bytes(0) => State::Done,
            Body::Bytes(length) => State::Bytes(length),
            Body::Chunked => State::Size,
        };
        BodyReader { state, line: Vec::new(), left: limits.body, extras_left: EXTRAS_BYTES }
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
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len() - at);
                *left -= taken as u64;
                at += taken;
                self.state = match self.state {
                    State::Bytes(0) => State::Done,
                    State::Data(0) => State::DataEnd,
                    goes_on => goes_on,
                };
            } else {
                if self.ends_line(input[at])? {
                    let line = std::mem::take(&mut self.line);
                    self.state = self.state_after(line.strip_suffix(b"\r").unwrap_or(&line))?;
                }
                at += 1;
            }
        }
        Ok(at)
    }

    /// Whether a line ends with this byte; otherwise it is one more of it.
    fn ends_line(&mut self, byte: u8) -> Result<bool, Status> {
        let may_come = match self.state {
            State::DataEnd => false,
            State::Size if self.line.is_empty() => byte.is_ascii_hexdigit(),
            _ => byte == b'\t' || (byte >= b' ' && byte != 0x7f),
        };
        match (self.line.last(), byte) {
            (Some(b'\r'), b'\n') => return Ok(true),
            (Some(b'\r'), _) => return Err(Status::BAD_REQUEST),
            (_, b'\r') => {}
            _ if !may_come => return Err(Status::BAD_REQUEST),
            _ if self.line.len() > SIZE_DIGITS + self.extras_left => return Err(Status::CONTENT_TOO_LARGE),
            _ => {}
        }
        self.line.push(byte);
        Ok(false)
    }

    /// What comes after this line.
    fn state_after(&mut self, line: &[u8]) -> Result<State, Status> {
        match self.state {
            State::DataEnd => Ok(State::Size),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer => {
                let name = line.iter().position(|&byte| byte == b':').map(|end| &line[..end]);
                if !name.is_some_and(is_token) {
                    return Err(Status::BAD_REQUEST);
                }
                self.extra(line)?;
                Ok(State::Trailer)
            }
            _ => {
                let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                let (size, extensions) = line.split_at(digits);
                let size = std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
                let size = size.filter(|_| digits <= SIZE_DIGITS && are_extensions(extensions).is_some());
                let size = size.ok_or(Status::BAD_REQUEST)?;
                self.extra(extensions)?;
                self.left = self.left.checked_sub(size).ok_or(Status::CONTENT_TOO_LARGE)?;
                Ok(if size == 0 { State::Trailer } else { State::Data(size) })
            }
        }
    }

    /// Text that is neither content nor needed.
    fn extra(&mut self, text: &[u8]) -> Result<(), Status> {
        self.extras_left = self.extras_left.checked_sub(text.len()).ok_or(Status::CONTENT_TOO_LARGE)?;
        Ok(())
    }
}

/// `chunk-ext`, to the end of the line. None: it is something else.
fn are_extensions(mut rest: &[u8]) -> Option<()> {
    while !rest.is_empty() {
        rest = after_token(after(rest, b";")?)?;
        if let Some(value) = after(rest, b"=") {
            rest = if let Some(quoted) = after(value, b"\"") { after_quoted(quoted)? } else { after_token(value)? };
        }
    }
    Some(())
}

/// What comes after white space and this sign.
fn after<'a>(text: &'a [u8], sign: &[u8; 1]) -> Option<&'a [u8]> {
    text.trim_ascii_start().strip_prefix(sign)
}

/// What comes after white space and a token.
fn after_token(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    let length = text.iter().take_while(|byte| is_of_token(**byte)).count();
    (length > 0).then(|| &text[length..])
}

/// What comes after the quote that closes this one.
fn after_quoted(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', _, rest @ ..] | [_, rest @ ..] => text = rest,
            [] => return None,
        }
    }
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
                Err(status) => return status.code().to_owned(),
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
            (b"hello", "400"),
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
