//! The lecture's TCP client: `socket`, `connect`, `send`, `recv`, and it prints what came back.
//!
//! Its partner is `tcp-echo-server`. Both at once, in two terminals:
//!
//! ```text
//! cargo run -p tcp-echo-server
//! cargo run -p tcp-echo-client -- --trace
//! ```
//!
//! How a connection comes about is in `connect.rs`; what is said on it in `message.rs` (the lecture: words from the command
//! line) and `stream.rs` (stdin to the server and the reply to stdout, at the same time). The other uses are `ping.rs`,
//! `load.rs` and `check.rs`.

#![forbid(unsafe_code)]

mod check;
mod connect;
mod flow;
mod load;
mod message;
mod ping;
mod replies;
mod stdio;
mod stream;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use common::address::Address;
use common::berkeley::close;
use common::prefix::Prefix;
use common::stats::report::Program;
use common::{cli, exit};

const NAME: &str = "tcp-echo-client";
/// Who reports.
const PROGRAM: Program = Program { name: NAME, version: env!("CARGO_PKG_VERSION"), transport: "tcp" };

/// Enough to take in at once what usually arrives at once; the lecture has 1024.
const BUFFER_BYTES: usize = 32 * 1024;

/// Send a message to a TCP echo server, print the reply and check it
#[derive(Parser)]
#[command(name = NAME, version, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    use_: Option<Use>,

    #[command(flatten)]
    server: cli::Server,

    /// What to send, with a space between the words; - alone: stdin, until its end. Put -- before words that begin with a
    /// dash
    #[arg(value_name = "MESSAGE", default_value = "Hello world")]
    message: Vec<OsString>,

    /// Text that the server may put before each piece of its reply
    #[arg(long, value_name = "TEXT", default_value = Prefix::LECTURE)]
    prefix: Prefix,

    /// How long connecting may take, and then the whole exchange; with - how long the server may be silent
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::some_duration)]
    timeout: Duration,

    /// How long the whole exchange may take, however busy the server is [default: with - as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = cli::some_duration)]
    deadline: Option<Duration>,

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

/// What an exchange with the server needs to know.
struct Exchange {
    peer: Address,
    prefix: Prefix,
    timeout: Duration,
    deadline: Duration,
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
    let (connection, peer) = connect::to_any(&options.server.host, options.server.port, options.timeout)?;
    let deadline = options.deadline.unwrap_or(Duration::MAX);
    let exchange = Exchange { peer, prefix: options.prefix, timeout: options.timeout, deadline };
    let connection = Arc::new(connection);
    let outcome = if options.message == ["-"] {
        stream::converse(&connection, exchange)
    } else {
        let exchange = Exchange { timeout: exchange.timeout.min(deadline), ..exchange };
        message::converse(&connection, &cli::message(&options.message), &exchange)
    };
    if let Some(connection) = Arc::into_inner(connection) {
        close(connection);
    }
    outcome
}
