//! `--trace` and `--trace-file`: one line per system call, as text for people and as JSON for tools.
//!
//! The wrappers in [`crate::berkeley`], [`crate::sockopt`] and [`crate::packet_info`] call [`start`] before their system
//! call and [`Timer::end`] after it. With the trace off that is one load of one flag; the line is only described when it
//! is wanted.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::Context;
use rustix::fd::{AsFd, AsRawFd};
use serde::Serialize;

use crate::{Errno, address};

/// How many bytes of the data a text line shows; strace shows as many.
const TEXT_EXCERPT_BYTES: usize = 32;
/// How many bytes of the data a JSON line carries: the head of an HTTP message, mostly.
const JSON_EXCERPT_BYTES: usize = 256;
/// From here on a text line says how long the call waited; anything shorter is the call itself.
const WORTH_SAYING_NS: u64 = 1_000_000;

static ON: AtomicBool = AtomicBool::new(false);
static TRACER: OnceLock<Tracer> = OnceLock::new();

thread_local! {
    /// When this thread began to wait, with poll(2), for the call that it will make next; 0: it did not wait.
    static WAITING_SINCE_NS: Cell<u64> = const { Cell::new(0) };
}

struct Tracer {
    program: &'static str,
    started_ns: u64,
    text: bool,
    file: Option<Mutex<File>>,
    /// The addresses at both ends of each descriptor, as far as a call has told them.
    ends: Mutex<HashMap<i64, Ends>>,
    failed: AtomicBool,
}

#[derive(Clone, Copy, Default)]
struct Ends {
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
}

/// One line of a trace file. The times are the system's monotonic clock, the same for all programs of one machine.
#[derive(Serialize)]
struct Line<'a> {
    program: &'a str,
    pid: u32,
    /// When the program began to wait for this call, or made it.
    start_ns: u64,
    end_ns: u64,
    call: &'a str,
    fd: Option<i64>,
    local: Option<String>,
    peer: Option<String>,
    /// The arguments after the descriptor and the data, as the text line shows them.
    arguments: &'a str,
    /// How many bytes were sent or received; null for a call that moves none, and for one that failed.
    bytes: Option<i64>,
    /// The first bytes of the data, those that aren't printable ASCII escaped as in Rust: `\n`, `\xff`.
    data: Option<String>,
    result: Option<i64>,
    /// The error's name, such as `ECONNRESET`; null for success.
    error: Option<String>,
}

/// Turns the trace on, for the life of the process: as `text` on stderr, as JSON lines into `file`, or both.
///
/// Errors: the file can't be created.
pub fn turn_on(program: &'static str, text: bool, file: Option<&Path>) -> anyhow::Result<()> {
    if !text && file.is_none() {
        return Ok(());
    }
    let file = match file {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write the trace to {}", path.display()))?;
            Some(Mutex::new(file))
        }
        None => None,
    };
    let (ends, failed) = (Mutex::default(), AtomicBool::new(false));
    TRACER.get_or_init(|| Tracer { program, started_ns: now_ns(), text, file, ends, failed });
    ON.store(true, Ordering::Relaxed);
    Ok(())
}

/// Starts the clock of one system call, when the trace is on.
#[inline]
pub fn start() -> Timer {
    Timer { started_ns: if ON.load(Ordering::Relaxed) { Some(now_ns()) } else { None } }
}

/// Remembers that this thread waits from now on for the call that it will make next, so that the call's line can say how
/// long that took. Called before poll(2); see [`done_waiting`].
pub fn waits() {
    if ON.load(Ordering::Relaxed) {
        WAITING_SINCE_NS.set(now_ns());
    }
}

/// Forgets the wait: nothing came of it, and the next call is about something else.
pub fn done_waiting() {
    WAITING_SINCE_NS.set(0);
}

/// After a `connect`, asks for the address that the kernel chose for our end, so that the trace can name it. The question
/// is a system call itself, and has its line.
pub fn ask_local_address(socket: impl AsFd) {
    if ON.load(Ordering::Relaxed) {
        let _ = crate::sockopt::getsockname(socket);
    }
}

/// The clock of one system call; see [`start`].
#[must_use]
pub struct Timer {
    started_ns: Option<u64>,
}

impl Timer {
    /// Whether the trace is on.
    pub fn is_running(&self) -> bool {
        self.started_ns.is_some()
    }

    /// Writes the line that `describe` gives, when the trace is on.
    #[inline]
    pub fn end<'a>(self, describe: impl FnOnce() -> Call<'a>) {
        if let (Some(started_ns), Some(tracer)) = (self.started_ns, TRACER.get()) {
            tracer.record(started_ns, now_ns(), describe());
        }
    }
}

/// What a line says of a system call.
pub struct Call<'a> {
    name: &'static str,
    fd: Option<i64>,
    data: Option<&'a [u8]>,
    arguments: String,
    result: Result<i64, Errno>,
    ends: Ends,
    /// The result is a new descriptor.
    opens: bool,
}

impl<'a> Call<'a> {
    /// A call with no descriptor among its arguments.
    pub fn new(name: &'static str) -> Self {
        let (arguments, ends) = (String::new(), Ends::default());
        Call { name, fd: None, data: None, arguments, result: Ok(0), ends, opens: false }
    }

    /// A call on `fd`.
    pub fn on(name: &'static str, fd: impl AsFd) -> Self {
        Call { fd: Some(number(fd)), ..Call::new(name) }
    }

    /// The call that closes `fd`, described while the descriptor still exists.
    pub(crate) fn closing(fd: impl AsFd) -> Self {
        let call = Call::on("close", fd);
        let ends = TRACER.get().and_then(|tracer| call.fd.and_then(|fd| lock(&tracer.ends).remove(&fd)));
        Call { ends: ends.unwrap_or_default(), ..call }
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
        Call { data: Some(data), result: result.map(|count| count as i64), ..self }.argument(room.len())
    }

    /// The call was given `data`, and took `result` bytes of it.
    pub fn sent(self, data: &'a [u8], result: Result<usize, Errno>) -> Self {
        Call { data: Some(data), result: result.map(|count| count as i64), ..self }.argument(data.len())
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
    pub fn local(mut self, local: SocketAddr) -> Self {
        self.ends.local = Some(local);
        self
    }

    /// The address of the other end, as far as this call is concerned.
    pub fn peer(mut self, peer: SocketAddr) -> Self {
        self.ends.peer = Some(peer);
        self
    }
}

impl Tracer {
    fn record(&self, started_ns: u64, end_ns: u64, call: Call) {
        let since_ns = WAITING_SINCE_NS.replace(0);
        let start_ns = if since_ns == 0 { started_ns } else { since_ns };
        let ends = self.learn(&call);
        if self.text {
            let line = text_line(&call, start_ns - self.started_ns, end_ns - start_ns);
            // A reader of stderr that is gone, or a full disk, is not the program's end.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        if let Some(file) = &self.file {
            let line = self.json_line(&call, ends, start_ns, end_ns);
            if lock(file).write_all(line.as_bytes()).is_err() && !self.failed.swap(true, Ordering::Relaxed) {
                crate::log::line(
                    self.program,
                    format_args!("cannot write to the trace file; its later lines are lost"),
                );
            }
        }
    }

    /// Keeps what the call tells about the ends of a descriptor, and returns what is known of the ends of its own.
    fn learn(&self, call: &Call) -> Ends {
        let mut table = lock(&self.ends);
        let own = call.fd.and_then(|fd| table.get(&fd).copied()).unwrap_or_default();
        let ends = Ends { local: call.ends.local.or(own.local), peer: call.ends.peer.or(own.peer) };
        match (call.fd, &call.result) {
            (_, Ok(new)) if call.opens => drop(table.insert(*new, ends)),
            (Some(fd), _) if matches!(call.name, "bind" | "connect" | "getsockname") => drop(table.insert(fd, ends)),
            _ => {}
        }
        ends
    }

    fn json_line(&self, call: &Call, ends: Ends, start_ns: u64, end_ns: u64) -> String {
        let excerpt = |data: &[u8]| data[..data.len().min(JSON_EXCERPT_BYTES)].escape_ascii().to_string();
        let line = Line {
            program: self.program,
            pid: std::process::id(),
            start_ns,
            end_ns,
            call: call.name,
            fd: call.fd,
            local: ends.local.map(|local| address::show(&local).to_string()),
            peer: ends.peer.map(|peer| address::show(&peer).to_string()),
            arguments: &call.arguments,
            bytes: call.data.and(call.result.ok()),
            data: call.data.map(excerpt),
            result: call.result.ok(),
            error: call.result.err().map(error_name),
        };
        let mut json = serde_json::to_string(&line).expect("a line of strings and numbers is always JSON");
        json.push('\n');
        json
    }
}

/// The call as strace would show it: `0.000317 recv(4, "Hello world", 1024) = 11`.
fn text_line(call: &Call, at_ns: u64, took_ns: u64) -> String {
    let mut arguments = Vec::new();
    arguments.extend(call.fd.map(|fd| fd.to_string()));
    arguments.extend(call.data.map(quote));
    arguments.extend((!call.arguments.is_empty()).then(|| call.arguments.clone()));
    let result = match call.result {
        Ok(number) => number.to_string(),
        Err(errno) => format!("-1 {} ({})", error_name(errno), crate::exit::plain(errno)),
    };
    let (seconds, micros) = (at_ns / 1_000_000_000, at_ns / 1_000 % 1_000_000);
    let mut line = format!("{seconds:>3}.{micros:06} {}({}) = {result}", call.name, arguments.join(", "));
    if took_ns >= WORTH_SAYING_NS {
        let _ = write!(line, "  (waited {:.1} ms)", took_ns as f64 / 1e6);
    }
    line.push('\n');
    line
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

#[cfg(unix)]
fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Windows has no clock in rustix that all programs share and that never goes back; the wall clock is the nearest thing.
#[cfg(windows)]
fn now_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as u64)
}

/// A line that a panicking thread left half done is no reason to stop tracing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_line_reads_like_straces() {
        let room = *b"Hello world.....";
        let call = Call { fd: Some(4), ..Call::new("recv") }.received(&room, Ok(11));
        assert_eq!(text_line(&call, 1_204_500_999, 900), "  1.204500 recv(4, \"Hello world\", 16) = 11\n");
    }

    #[test]
    fn a_call_that_waited_says_how_long() {
        let call = Call { fd: Some(3), ..Call::new("accept") }.argument("127.0.0.1:9").returned(Ok(4));
        assert_eq!(text_line(&call, 0, 12_340_000), "  0.000000 accept(3, 127.0.0.1:9) = 4  (waited 12.3 ms)\n");
    }

    #[test]
    fn a_failed_call_names_its_error() {
        let call = Call { fd: Some(3), ..Call::new("connect") }.returned_nothing(Err(Errno::CONNREFUSED));
        let line = text_line(&call, 0, 0);
        assert!(line.ends_with("connect(3) = -1 ECONNREFUSED (connection refused)\n"), "{line}");
    }

    #[test]
    fn data_cannot_talk_to_the_terminal() {
        assert_eq!(quote(b"\x1b[2J\xff\"\n"), r#""\x1b[2J\xff\"\n""#);
        assert_eq!(quote(&[b'a'; 40]), format!("\"{}\"...", "a".repeat(32)));
    }
}
