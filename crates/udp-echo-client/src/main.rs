//! The lecture's UDP client: `socket`, `connect`, `send`, `recv`, and it prints what came back.
//!
//! Its partner is `udp-echo-server`. Both at once, in two terminals:
//!
//! ```text
//! cargo run -p udp-echo-server
//! cargo run -p udp-echo-client -- --trace
//! ```
//!
//! The calls are in `ask.rs`: one question, asked again if there is no answer, and `timer.rs` says when. This file asks one,
//! `lines.rs` one for each line of stdin. The other uses are `ping.rs`, `load.rs` and `check.rs`.

#![forbid(unsafe_code)]

mod ask;
mod check;
mod flow;
mod ledger;
mod lines;
mod load;
#[cfg(unix)]
mod own_name;
mod ping;
mod silence;
mod timer;
mod unreachable;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use common::prefix::Prefix;
use common::stats::report::Program;
use common::{cli, exit, screen};

use ask::{Patience, Server};

const NAME: &str = "udp-echo-client";
/// Who reports.
const PROGRAM: Program = Program { name: NAME, version: env!("CARGO_PKG_VERSION"), transport: "udp" };

/// Send a datagram to a UDP echo server, print the reply and check it
#[derive(Parser)]
#[command(name = NAME, version, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    use_: Option<Use>,

    #[command(flatten)]
    server: cli::Server,

    /// What to send, with a space between the words; - alone: each line of stdin, as a datagram of its own. Put -- before
    /// words that begin with a dash
    #[arg(value_name = "MESSAGE", default_value = "Hello world")]
    message: Vec<OsString>,

    /// Text that the server may put before its reply
    #[arg(long, value_name = "TEXT", default_value = Prefix::LECTURE)]
    prefix: Prefix,

    /// How often to send again when there is no reply
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=30))]
    retries: u32,

    /// How long to wait for a reply before it is sent again, until a round-trip time is known; then the wait follows what was
    /// measured (RFC 6298), be it longer or shorter. Each time it doubles, up to a minute
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = cli::some_duration)]
    timeout: Duration,

    /// Say on stderr when something is sent again, and what the retransmission timer knows
    #[arg(long, short)]
    verbose: bool,

    #[command(flatten)]
    trace: cli::Trace,
}

/// The other ways to use it.
#[derive(Subcommand)]
enum Use {
    Ping(ping::Options),
    Load(load::Options),
    Check(check::Options),
}

fn main() -> ExitCode {
    let options = Options::parse();
    exit::report(NAME, run(options))
}

fn run(options: Options) -> Result<()> {
    match options.use_ {
        Some(Use::Ping(options)) => return ping::run(options),
        Some(Use::Load(options)) => return load::run(options),
        Some(Use::Check(options)) => return check::run(options),
        None => {}
    }
    options.trace.turn_on(NAME)?;
    let patience = Patience { retries: options.retries, first_wait: options.timeout, verbose: options.verbose };
    let mut server = Server::find(&options.server.host, options.server.port, options.prefix, patience)?;
    let outcome = if options.message == ["-"] {
        lines::converse(&mut server)
    } else {
        let message = cli::message(&options.message);
        server.ask(&message, |reply| print(reply).map(|_| ()))
    };
    server.close();
    outcome
}

/// Prints a reply, and a newline if it ends in none. False: nobody reads stdout any more, which is the end, but no error.
///
/// Errors: stdout can't be written.
fn print(reply: &[u8]) -> Result<bool> {
    let newline: &[u8] = if reply.ends_with(b"\n") { b"" } else { b"\n" };
    screen::print([reply, newline].concat())
}
