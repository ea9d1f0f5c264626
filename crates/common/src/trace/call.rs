//! What a line of the trace says of one system call.

use std::fmt::{self, Write};

use rustix::fd::{AsFd, AsRawFd};

use super::{Ends, forget};
use crate::address::Address;
use crate::{Errno, exit};

/// How many bytes of the data a text line shows; strace shows as many.
const TEXT_EXCERPT_BYTES: usize = 32;
/// From here on a text line says how long the call waited; anything shorter is the call itself.
const WORTH_SAYING_NS: u64 = 1_000_000;

/// What a line says of a system call.
pub struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) fd: Option<i64>,
    pub(super) data: Option<&'a [u8]>,
    pub(super) arguments: String,
    pub(super) result: Result<i64, Errno>,
    /// How many bytes the call has moved.
    pub(super) bytes: Option<i64>,
    pub(super) ends: Ends,
    /// The result is a new descriptor.
    pub(super) opens: bool,
}

impl<'a> Call<'a> {
    /// A call with no descriptor among its arguments.
    pub fn new(name: &'static str) -> Self {
        let (arguments, ends) = (String::new(), Ends::default());
        Call { name, fd: None, data: None, arguments, result: Ok(0), bytes: None, ends, opens: false }
    }

    /// A call on `fd`.
    pub fn on(name: &'static str, fd: impl AsFd) -> Self {
        Call { fd: Some(number(fd)), ..Call::new(name) }
    }

    /// The call that closes `fd`, described while the descriptor still exists.
    pub(crate) fn closing(fd: impl AsFd) -> Self {
        let call = Call::on("close", fd);
        Call { ends: call.fd.map(forget).unwrap_or_default(), ..call }
    }

    /// The next argument, as the text line shows it.
    pub fn argument(mut self, argument: impl fmt::Display) -> Self {
        let comma = if self.arguments.is_empty() { "" } else { ", " };
        let _ = write!(self.arguments, "{comma}{argument}");
        self
    }

    /// The call was to fill `room`, and got `result` bytes.
    pub fn received(self, room: &'a [u8], result: Result<usize, Errno>) -> Self {
        let data = &room[..result.unwrap_or(0).min(room.len())];
        self.moved(data, result).argument(room.len())
    }

    /// The call was given `data`, and took `result` bytes of it.
    pub fn sent(self, data: &'a [u8], result: Result<usize, Errno>) -> Self {
        self.moved(data, result).argument(data.len())
    }

    fn moved(self, data: &'a [u8], result: Result<usize, Errno>) -> Self {
        let result = result.map(|count| count as i64);
        Call { data: Some(data), result, bytes: result.ok(), ..self }
    }

    /// The call moved several datagrams, of which the first has been described, and so many bytes in all; or it failed.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_many(self, result: Result<usize, Errno>, bytes: usize) -> Self {
        Call { result: result.map(|count| count as i64), bytes: result.ok().map(|_| bytes as i64), ..self }
    }

    /// The call returned a number, or failed.
    pub fn returned(self, result: Result<i64, Errno>) -> Self {
        Call { result, ..self }
    }

    /// The call returned 0, or failed.
    pub fn returned_nothing(self, result: Result<(), Errno>) -> Self {
        self.returned(result.map(|()| 0))
    }

    /// The call made a new descriptor, or failed.
    pub fn returned_descriptor(self, result: Result<impl AsFd, &Errno>) -> Self {
        Call { result: result.map(number).map_err(|errno| *errno), opens: true, ..self }
    }

    /// The address of our end, now that the call has settled it.
    pub fn local(mut self, local: Address) -> Self {
        self.ends.local = Some(local);
        self
    }

    /// The address of the other end, as far as this call is concerned.
    pub fn peer(mut self, peer: Address) -> Self {
        self.ends.peer = Some(peer);
        self
    }

    /// The call as strace would show it: `0.000317 recv(4, "Hello world", 1024) = 11`.
    pub(super) fn text_line(&self, at_ns: u64, took_ns: u64) -> String {
        let mut arguments = Vec::new();
        arguments.extend(self.fd.map(|fd| fd.to_string()));
        arguments.extend(self.data.map(quote));
        arguments.extend((!self.arguments.is_empty()).then(|| self.arguments.clone()));
        let result = match self.result {
            Ok(number) => number.to_string(),
            Err(errno) => format!("-1 {} ({})", error_name(errno), exit::plain(errno)),
        };
        let (seconds, micros) = (at_ns / 1_000_000_000, at_ns / 1_000 % 1_000_000);
        let mut line = format!("{seconds:>3}.{micros:06} {}({}) = {result}", self.name, arguments.join(", "));
        if took_ns >= WORTH_SAYING_NS {
            let _ = write!(line, "  (waited {:.1} ms)", took_ns as f64 / 1e6);
        }
        line.push('\n');
        line
    }
}

/// The data's first bytes, in quotes, with nothing in them that a terminal would act on.
fn quote(data: &[u8]) -> String {
    let shown = &data[..data.len().min(TEXT_EXCERPT_BYTES)];
    format!("\"{}\"{}", shown.escape_ascii(), if shown.len() < data.len() { "..." } else { "" })
}

/// The name that the man pages have for an error, such as `ECONNRESET`.
#[cfg(unix)]
pub fn error_name(errno: Errno) -> String {
    format!("{:?}", nix::errno::Errno::from_raw(errno.raw_os_error()))
}

/// The number that Winsock has for an error.
#[cfg(windows)]
pub fn error_name(errno: Errno) -> String {
    format!("WSA error {}", errno.raw_os_error())
}

fn number(fd: impl AsFd) -> i64 {
    fd.as_fd().as_raw_fd() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_line_reads_like_straces() {
        let room = *b"Hello world.....";
        let call = Call { fd: Some(4), ..Call::new("recv") }.received(&room, Ok(11));
        assert_eq!(call.text_line(1_204_500_999, 900), "  1.204500 recv(4, \"Hello world\", 16) = 11\n");
    }

    #[test]
    fn a_call_that_waited_says_how_long() {
        let call = Call { fd: Some(3), ..Call::new("accept") }.argument("127.0.0.1:9").returned(Ok(4));
        assert_eq!(call.text_line(0, 12_340_000), "  0.000000 accept(3, 127.0.0.1:9) = 4  (waited 12.3 ms)\n");
    }

    #[test]
    fn a_failed_call_names_its_error() {
        let call = Call { fd: Some(3), ..Call::new("connect") }.returned_nothing(Err(Errno::CONNREFUSED));
        let line = call.text_line(0, 0);
        assert!(line.ends_with("connect(3) = -1 ECONNREFUSED (connection refused)\n"), "{line}");
    }

    #[test]
    fn data_cannot_talk_to_the_terminal() {
        assert_eq!(quote(b"\x1b[2J\xff\"\n"), r#""\x1b[2J\xff\"\n""#);
        assert_eq!(quote(&[b'a'; 40]), format!("\"{}\"...", "a".repeat(32)));
    }
}
