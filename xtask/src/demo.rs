//! `cargo xtask demo`: runs a server and its client, and shows every socket call of both in the order in which it happened,
//! as the lecture's figure does.

pub mod check;
mod layout;
mod network;
mod process;
#[cfg(test)]
mod samples;
mod story;
mod svg;
mod text;
mod trace;
mod wording;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::programs::{self, BROWSER, Executables};
use process::Running;
use story::Told;

/// Watch a server and its client talk: every socket call of both, side by side
#[derive(Args)]
pub struct Options {
    /// Which pair [default: all three]
    #[arg(value_enum)]
    pair: Option<Pair>,

    /// Also draw each conversation as a picture in DIR: tcp.svg, udp.svg, web.svg
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Pair {
    /// tcp-echo-server and tcp-echo-client
    Tcp,
    /// udp-echo-server and udp-echo-client
    Udp,
    /// tiny-web and a browser
    Web,
}

impl Pair {
    fn name(self) -> &'static str {
        match self {
            Pair::Tcp => "tcp",
            Pair::Udp => "udp",
            Pair::Web => "web",
        }
    }

    fn server(self) -> &'static str {
        match self {
            Pair::Tcp => "tcp-echo-server",
            Pair::Udp => "udp-echo-server",
            Pair::Web => "tiny-web",
        }
    }

    fn client(self) -> &'static str {
        match self {
            Pair::Tcp => "tcp-echo-client",
            Pair::Udp => "udp-echo-client",
            Pair::Web => BROWSER,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Pair::Tcp => "TCP: a connection, and a stream of bytes each way",
            Pair::Udp => "UDP: no connection, single datagrams",
            Pair::Web => "The web: a browser asks over TCP for a page",
        }
    }

    /// The design that makes the lecture's calls, and no others.
    fn design(self) -> &'static [&'static str] {
        match self {
            Pair::Tcp => &["--design", "iterative"],
            Pair::Udp => &["--design", "simple"],
            Pair::Web => &[],
        }
    }

    /// What to type to run both by hand.
    fn by_hand(self) -> [String; 2] {
        let design: String = self.design().iter().map(|word| format!("{word} ")).collect();
        let server = format!("cargo run -p {} -- {design}--host 127.0.0.1 --trace", self.server());
        let client = match self {
            Pair::Web => "cargo run -p tiny-web --example browser -- --trace".to_owned(),
            Pair::Tcp | Pair::Udp => format!("cargo run -p {} -- --trace", self.client()),
        };
        [server, client]
    }
}

/// Runs and shows one pair, or all.
///
/// Errors: a program can't be built, started or stopped, fails, or its trace can't be read; a picture can't be written.
pub fn run(options: &Options) -> Result<ExitCode> {
    let pairs = options.pair.map_or(vec![Pair::Tcp, Pair::Udp, Pair::Web], |pair| vec![pair]);
    let mut packages: Vec<&str> = pairs.iter().flat_map(|pair| [pair.server(), pair.client()]).collect();
    packages.retain(|name| *name != BROWSER);
    let executables = programs::build(&packages)?;
    let terminal = text::Terminal::of_stdout();
    for pair in &pairs {
        let (server, client) = converse(*pair, &executables)?;
        let story = story::tell(&server, &client);
        let layout = layout::place(&story, terminal.marks);
        print!("\n{}\n\n{}", pair.title(), text::draw(pair.server(), pair.client(), &layout, terminal));
        let [server, client] = pair.by_hand();
        println!("\nNow you. In one terminal:\n    {server}\nIn another:\n    {client}");
        if let Pair::Web = pair {
            println!("Or open http://127.0.0.1:2000/ in your own browser.");
        }
        if let Some(directory) = &options.svg {
            let layout = layout::place(&story, wording::UTF8);
            let picture = svg::draw(pair.title(), pair.server(), pair.client(), &layout);
            let path = directory.join(pair.name()).with_extension("svg");
            write(&path, &picture)?;
            println!("The picture is in {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets the client talk to the server, once, and returns what both did.
fn converse(pair: Pair, executables: &Executables) -> Result<(Told, Told)> {
    let traces = Traces::new(pair)?;
    let (server_trace, client_trace) = (traces.path("server")?, traces.path("client")?);
    let program = programs::get(executables, pair.server())?;
    let mut arguments = vec!["--host", "127.0.0.1", "--port", "0", "--trace-file", &server_trace];
    arguments.extend(pair.design());
    let mut server = Running::start(pair.server(), program, &arguments)?;
    let (port, ready_line) = server.ready()?;

    let program = programs::get(executables, pair.client())?;
    let (port, url) = (port.to_string(), format!("http://127.0.0.1:{port}/"));
    let mut arguments = match pair {
        Pair::Tcp | Pair::Udp => vec!["127.0.0.1", &port],
        Pair::Web => vec![url.as_str()],
    };
    arguments.extend(["--trace-file", &client_trace]);
    let printed = Running::start(pair.client(), program, &arguments)?.finish()?;

    let ready = std::iter::once(ready_line).chain(server.printed()).collect();
    // It finishes what is in flight before it ends, so that its trace is complete.
    let last_words = server.stop()?;
    let server = Told { calls: read(&server_trace)?, printed: ready, last_words };
    Ok((server, Told { calls: read(&client_trace)?, printed, last_words: Vec::new() }))
}

fn read(path: &str) -> Result<Vec<trace::Call>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the trace {path}"))?;
    trace::parse(&text)
}

fn write(path: &Path, picture: &str) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).with_context(|| format!("cannot make the directory {}", directory.display()))?;
    fs::write(path, picture).with_context(|| format!("cannot write {}", path.display()))
}

/// A directory for the trace files of one run, which is removed with them.
struct Traces(PathBuf);

impl Traces {
    fn new(pair: Pair) -> Result<Traces> {
        let directory = std::env::temp_dir().join(format!("xtask-demo-{}-{}", std::process::id(), pair.name()));
        fs::create_dir(&directory).with_context(|| format!("cannot make the directory {}", directory.display()))?;
        Ok(Traces(directory))
    }

    fn path(&self, name: &str) -> Result<String> {
        let path = self.0.join(name).with_extension("jsonl");
        path.into_os_string().into_string().ok().context("cannot use a temporary directory whose name is not UTF-8")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
