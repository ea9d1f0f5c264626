//! The lecture's tiny web server: `socket`, `bind`, `listen`, then `accept` for each client, `recv` its request and `send`
//! the reply, and `close`.
//!
//! Its partner is any browser; the smallest is `examples/browser.rs`. Both at once, in two terminals:
//!
//! ```text
//! cargo run -p tiny-web -- --trace
//! cargo run -p tiny-web --example browser -- --trace
//! ```
//!
//! This file makes the listening socket. The way of a request from there: `serve.rs` accepts its connection,
//! `connection.rs` receives it, `request.rs` understands it, `response.rs` answers it with what `page.rs` or `folder.rs`
//! has, and `stream.rs` sends that.

#![forbid(unsafe_code)]

mod connection;
mod folder;
mod page;
mod path;
mod request;
mod response;
mod serve;
mod status;
mod stream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use common::berkeley::{OwnedFd, SocketType, bind, listen, socket};
use common::signal::Stop;
use common::wait::Patience;
use common::{address, cli, exit, listener};

use folder::Folder;
use response::Site;
use serve::Server;

const NAME: &str = "tiny-web";

/// Show browsers the lecture's page, or the files of a folder
#[derive(Parser)]
#[command(name = NAME, version)]
struct Options {
    /// Folder with the files to show; without one, the lecture's "Hello world!" page
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    #[command(flatten)]
    listen: cli::Listen,

    /// Clients that may wait to be accepted; the system may allow fewer (net.core.somaxconn)
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(i32).range(1..=65_535))]
    backlog: i32,

    /// Most connections to serve at once; the others wait
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,

    /// How long the head of a request may take to arrive, from its first byte
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = cli::some_duration)]
    head_timeout: Duration,

    /// How long a connection may be silent between requests, or leave a reply unread; 0s: for ever
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = cli::duration)]
    idle_timeout: Duration,

    /// How long requests in flight may take to finish when the server is asked to stop
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::duration)]
    drain: Duration,

    #[command(flatten)]
    trace: cli::Trace,
}

fn main() -> ExitCode {
    let options = Options::parse();
    exit::report(NAME, run(options))
}

fn run(options: Options) -> Result<()> {
    options.trace.turn_on(NAME)?;
    let site = match &options.folder {
        Some(path) => Site::Folder(Folder::open(path)?),
        None => Site::Lecture,
    };
    let listener = open(&options)?;
    let stop = Stop::on_signals()?;
    if let Some(local) = listener::announce(NAME, &listener)?.internet() {
        listener::say(&format!("{NAME}: open {}\n", url(&local)));
    }
    let idle = Some(options.idle_timeout).filter(|idle| !idle.is_zero());
    let patience = Patience { stop, idle, drain: options.drain };
    let server = Server { site, patience, head_timeout: options.head_timeout };
    serve::serve(listener, &server, options.max_connections as usize)
}

/// The server's end point: `socket`, `bind`, `listen`.
fn open(options: &Options) -> Result<OwnedFd> {
    let addresses = address::to_listen_on(options.listen.host.as_deref(), options.listen.port)?;
    listener::first_that_opens(&addresses, |address| {
        let listener = socket(address.family(), SocketType::STREAM)?;
        listener::prepare(&listener, address)?;
        bind(&listener, address)?;
        listen(&listener, options.backlog)?;
        Ok(listener)
    })
}

/// What to type into a browser on this machine.
fn url(local: &SocketAddr) -> String {
    let plain = address::plain(*local);
    let is_localhost = plain.ip().is_unspecified() || ["127.0.0.1", "::1"].contains(&plain.ip().to_string().as_str());
    if is_localhost { format!("http://localhost:{}", plain.port()) } else { format!("http://{plain}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_localhost_only_where_that_leads_to_the_server() {
        let table = [
            ("[::]:2000", "http://localhost:2000"),
            ("0.0.0.0:2000", "http://localhost:2000"),
            ("127.0.0.1:80", "http://localhost:80"),
            ("[::1]:80", "http://localhost:80"),
            ("127.0.0.2:80", "http://127.0.0.2:80"),
            ("192.0.2.7:80", "http://192.0.2.7:80"),
            ("[2001:db8::7]:80", "http://[2001:db8::7]:80"),
        ];
        for (local, expected) in table {
            assert_eq!(url(&local.parse().unwrap()), expected);
        }
    }
}
