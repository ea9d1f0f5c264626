//! Starting programs, talking to them, and never waiting for ever.
//!
//! Here is what every test needs: a server of ours, a connection to it, and patience. `programs.rs` knows where the programs
//! are, `process.rs` runs them, and `http.rs` reads what a web server answers.

pub mod http;
mod process;
mod programs;

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

pub use process::{Outcome, Process, run, run_command, run_with_input, run_within, signal_process, threads_are};
pub use programs::{any_peer, command, peer, program, skip};

/// The bound on everything that should happen at once. A machine under load may take this long; a program that hangs takes
/// longer.
pub const SOON: Duration = Duration::from_secs(30);

/// One of our servers, ready to serve.
pub struct Server {
    /// The process.
    pub process: Process,
    /// Where it listens: the address to use for a client of this machine.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server on a free port of the loopback address and waits for its ready line.
    pub fn start(name: &str, arguments: &[&str]) -> Server {
        let mut command = command(program(name));
        command.args(["--port", "0"]).args(arguments);
        if !arguments.contains(&"--host") {
            command.args(["--host", "127.0.0.1"]);
        }
        Server::ready(name, command)
    }

    /// Starts a server as `command` says, and waits for its ready line, which is the first on stdout.
    pub fn ready(name: &str, command: Command) -> Server {
        let mut process = Process::start(command);
        let line = process.line();
        let address = line.strip_prefix(&format!("{name}: listening on ")).unwrap_or_else(|| panic!("{line:?}"));
        let mut address: SocketAddr = address.parse().unwrap_or_else(|_| panic!("{line:?}"));
        if address.ip().is_unspecified() {
            address.set_ip([127, 0, 0, 1].into());
        }
        process.line(); // who can reach it
        Server { process, address }
    }

    /// The port it listens on.
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// The host it listens on.
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// A TCP connection to it, whose calls end soon.
    pub fn connect(&self) -> TcpStream {
        connect(&self.address)
    }

    /// Asks it to stop, and returns the status, stdout and stderr.
    pub fn stop(self) -> (ExitStatus, String, String) {
        self.process.signal("TERM");
        self.finish()
    }

    /// Waits for its end, and returns the status, stdout and stderr.
    pub fn finish(self) -> (ExitStatus, String, String) {
        self.process.finish()
    }

    /// Asks it to stop; it has to end well. Returns what it said on stderr before its account.
    pub fn stops_well(self) -> String {
        let (status, _, stderr) = self.stop();
        assert!(status.success(), "{status}: {stderr}");
        without_account(&stderr)
    }
}

/// What a server said on stderr, without a TCP server's account at the end, if that's the last line. What the system thinks of
/// a UDP server's receive buffer is not the server's either.
pub fn without_account(stderr: &str) -> String {
    let is_of_the_system = |line: &&str| line.contains(": the kernel gives the receive buffer ");
    let stderr: String = stderr.split_inclusive('\n').filter(|line| !is_of_the_system(line)).collect();
    let before = stderr.trim_end_matches('\n').rfind('\n').map_or("", |end| &stderr[..=end]);
    let last = &stderr[before.len()..];
    if last.contains(": connections ") { before.to_owned() } else { stderr.clone() }
}

/// A TCP connection whose calls end soon.
pub fn connect(address: &SocketAddr) -> TcpStream {
    let connection = TcpStream::connect_timeout(address, SOON).unwrap_or_else(|error| panic!("{address}: {error}"));
    connection.set_read_timeout(Some(SOON)).unwrap();
    connection.set_write_timeout(Some(SOON)).unwrap();
    connection
}

/// Waits until something is so. Panics when it doesn't come.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Does something that needs a steady hand, and once more if it fails and the machine has kept it from going on for longer than
/// `most`. What fails without that has failed.
#[track_caller]
pub fn steadily(most: Duration, mut does: impl FnMut(&mut Pace) -> Result<(), String>) {
    const MOST_TIMES: usize = 5;
    for number in 1.. {
        let mut pace = Pace { last: Instant::now(), longest: Duration::ZERO };
        let Err(fault) = does(&mut pace) else { return };
        pace.goes_on();
        assert!(pace.longest > most && number < MOST_TIMES, "{fault} (kept waiting for up to {:?})", pace.longest);
    }
}

/// How steady a hand is.
pub struct Pace {
    last: Instant,
    longest: Duration,
}

impl Pace {
    /// Something has been done.
    pub fn goes_on(&mut self) {
        self.longest = self.longest.max(self.last.elapsed());
        self.last = Instant::now();
    }

    /// The same, and then some time passes: not to wait for anything, but to be slow.
    pub fn slows_down(&mut self, time: Duration) {
        self.goes_on();
        thread::sleep(time);
    }
}

/// A TCP port of the loopback address that nothing listens on; some time later, something may.
pub fn unused_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Bytes that repeat nowhere soon, the same each time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Takes the lecture's prefix out of a reply, wherever it stands. The payload must not contain it.
pub fn without_prefix(reply: &[u8]) -> Vec<u8> {
    let prefix = b"echo -> ";
    let (mut payload, mut rest) = (Vec::with_capacity(reply.len()), reply);
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(prefix) {
            rest = behind;
        } else {
            payload.push(*first);
            rest = behind;
        }
    }
    payload
}
