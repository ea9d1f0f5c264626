//! `--trace` and `--trace-file`: one line per system call, as text for people and as JSON for tools.
//!
//! The wrappers in [`crate::berkeley`], [`crate::sockopt`], [`crate::packet_info`], `crate::datagrams` and
//! `crate::error_queue` call [`start`] before their system call and [`Timer::end`] after it. With the trace off that is one
//! load of one flag; the line is only described when it is wanted.

mod call;

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rustix::fd::AsFd;
use serde::Serialize;

use crate::address::Address;

pub use call::{Call, error_name};

/// How many bytes of the data a JSON line carries: the head of an HTTP message, mostly.
const JSON_EXCERPT_BYTES: usize = 256;
/// How long a reader of stderr who lags behind is waited for. One who stands still is waited for once, and not again before there
/// is room for a line.
const READERS_TIME: Duration = Duration::from_millis(500);
/// Where the descriptor of the trace file begins to look for a free number.
#[cfg(unix)]
const HIGH_DESCRIPTOR: i32 = 200;

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
    /// Lines that there was no room for on stderr, since the last that there was.
    unsaid: AtomicU64,
}

#[derive(Clone, Default)]
struct Ends {
    local: Option<Address>,
    peer: Option<Address>,
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
            Some(Mutex::new(out_of_the_way(file)))
        }
        None => None,
    };
    let (ends, failed, unsaid) = (Mutex::default(), AtomicBool::new(false), AtomicU64::new(0));
    TRACER.get_or_init(|| Tracer { program, started_ns: now_ns(), text, file, ends, failed, unsaid });
    ON.store(true, Ordering::Relaxed);
    Ok(())
}

/// Gives the file a high descriptor, if it may have one, so that a program's sockets have the same numbers with a trace file
/// and without.
#[cfg(unix)]
fn out_of_the_way(file: File) -> File {
    rustix::io::fcntl_dupfd_cloexec(&file, HIGH_DESCRIPTOR).map_or(file, File::from)
}

#[cfg(windows)]
fn out_of_the_way(file: File) -> File {
    file
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

/// Takes what is known of the ends of a descriptor that is about to be closed.
fn forget(fd: i64) -> Ends {
    TRACER.get().and_then(|tracer| lock(&tracer.ends).remove(&fd)).unwrap_or_default()
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
        if let Some(started_ns) = self.started_ns {
            write_line(started_ns, describe);
        }
    }
}

/// Out of the way of the programs, for which the trace is off nearly always.
#[cold]
#[inline(never)]
fn write_line<'a>(started_ns: u64, describe: impl FnOnce() -> Call<'a>) {
    let ended_ns = now_ns();
    if let Some(tracer) = TRACER.get() {
        tracer.record(started_ns, ended_ns, describe());
    }
}

impl Tracer {
    fn record(&self, started_ns: u64, end_ns: u64, call: Call) {
        let since_ns = WAITING_SINCE_NS.replace(0);
        let start_ns = if since_ns == 0 { started_ns } else { since_ns };
        let ends = self.learn(&call);
        if self.text {
            self.say(&call.text_line(start_ns.saturating_sub(self.started_ns), end_ns.saturating_sub(start_ns)));
        }
        if let Some(file) = &self.file {
            let line = self.json_line(&call, ends, start_ns, end_ns);
            let mut file = lock(file);
            // After a line that was cut short, nothing more: the file stays whole up to there.
            if !self.failed.load(Ordering::Relaxed) && file.write_all(line.as_bytes()).is_err() {
                self.failed.store(true, Ordering::Relaxed);
                crate::log::line(
                    self.program,
                    format_args!("cannot write to the trace file; its later lines are lost"),
                );
            }
        }
    }

    /// Writes a line to stderr. A reader that is gone or stands still, or a full disk, is not the program's end: what there's no
    /// room for is counted, and told with the next line that there is room for.
    fn say(&self, line: &str) {
        let mut stderr = std::io::stderr().lock();
        let unsaid = self.unsaid.load(Ordering::Relaxed);
        let time = if unsaid == 0 { READERS_TIME } else { Duration::ZERO };
        if !crate::log::has_room_within(&stderr, time) {
            self.unsaid.store(unsaid + 1, Ordering::Relaxed);
            return;
        }
        self.unsaid.store(0, Ordering::Relaxed);
        let program = self.program;
        let _ = match unsaid {
            0 => stderr.write_all(line.as_bytes()),
            _ => stderr.write_all(
                format!("{program}: lines of the trace for which there was no room: {unsaid}\n{line}").as_bytes(),
            ),
        };
    }

    /// Keeps what the call tells about the ends of a descriptor, and returns what is known of the ends of its own.
    fn learn(&self, call: &Call) -> Ends {
        let mut table = lock(&self.ends);
        let own = call.fd.and_then(|fd| table.get(&fd).cloned()).unwrap_or_default();
        let ends = Ends { local: call.ends.local.clone().or(own.local), peer: call.ends.peer.clone().or(own.peer) };
        match (call.fd, &call.result) {
            (_, Ok(new)) if call.opens => drop(table.insert(*new, ends.clone())),
            (Some(fd), _) if matches!(call.name, "bind" | "connect" | "getsockname") => {
                drop(table.insert(fd, ends.clone()))
            }
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
            local: ends.local.map(|local| local.to_string()),
            peer: ends.peer.map(|peer| peer.to_string()),
            arguments: &call.arguments,
            bytes: call.bytes,
            data: call.data.map(excerpt),
            result: call.result.ok(),
            error: call.result.err().map(error_name),
        };
        let mut json = serde_json::to_string(&line).expect("a line of strings and numbers is always JSON");
        json.push('\n');
        json
    }
}

#[cfg(unix)]
#[cold]
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
