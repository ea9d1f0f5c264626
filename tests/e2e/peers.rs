//! Our echo programs against other people's, in both directions.
//!
//! Where a peer is known to do something wrong, the test says what, and what our program makes of it.

mod tcp;
mod udp;

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;

use crate::harness::{Process, command, eventually, peer};

/// How often a server is started again on another port, when somebody else was faster to take the one it was given.
const MOST_STARTS: usize = 10;

/// Somebody else's server, ready.
struct PeerServer {
    process: Process,
    address: SocketAddr,
}

impl PeerServer {
    /// Starts a server, and waits until it says on stderr where it listens. `port` gives it a port: 0, or, for a server that
    /// would not say which one it got for that, one that seems to be free.
    fn start(port: impl Fn() -> u16, command: impl Fn(u16) -> Command) -> PeerServer {
        for _ in 0..MOST_STARTS {
            let process = Process::start(command(port()));
            let mut address = None;
            eventually("a server that says where it listens, or that somebody else does", || {
                let said = process.stderr();
                address = said.split_inclusive('\n').find_map(listens_on);
                address.is_some() || said.contains("in use")
            });
            if let Some(address) = address {
                return PeerServer { process, address };
            }
        }
        panic!("{MOST_STARTS} ports that were free a moment ago were taken");
    }

    fn host(&self) -> String {
        self.address.ip().to_string()
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }
}

/// The address in a whole line such as `2026/01/31 12:00:00 socat[7] N listening on UDP AF=2 127.0.0.1:2000`, or netcat's
/// `Listening on 127.0.0.1 2000`.
fn listens_on(line: &str) -> Option<SocketAddr> {
    let line = line.strip_suffix('\n')?;
    if !["istening on ", "receiving on "].iter().any(|words| line.contains(words)) {
        return None;
    }
    let (before, last) = line.rsplit_once(' ')?;
    last.parse().ok().or_else(|| format!("{}:{last}", before.rsplit(' ').next()?).parse().ok())
}

/// Somebody else's program, to be started. Without it, the test is skipped.
fn theirs(name: &str, arguments: &[&str]) -> Option<Command> {
    let mut command = command(peer(name)?);
    command.args(arguments);
    Some(command)
}

/// A program of the lecture's, in Python 3.
fn lectures(file: &str, arguments: &[&str]) -> Option<Command> {
    let file = format!("{}/e2e/lecture/{file}", env!("CARGO_MANIFEST_DIR"));
    theirs("python3", &[&[file.as_str()], arguments].concat())
}

/// Types lines to a client, the next when the last is answered. Its input stays open all the while, because some lose the
/// answer when it ends. The client is stopped after the last answer.
#[track_caller]
fn is_answered(client: Command, lines: &[&str]) {
    let (input, mut keyboard) = std::io::pipe().unwrap();
    let mut client = Process::start_with(client, input);
    for line in lines {
        keyboard.write_all(format!("{line}\n").as_bytes()).unwrap(); // in one piece
        assert_eq!(client.line(), format!("echo -> {line}"));
    }
}
