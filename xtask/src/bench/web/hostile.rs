//! Clients that mean no good, and how long a good one waits meanwhile. All have the same address: so it isn't the bound on
//! one address's connections that protects the good one.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::load::{Connection, LARGE, SMALL};
use crate::bench::Bench;
use crate::bench::client::PATIENCE;
use crate::bench::subjects::Subject;

/// So many hostile clients, where one isn't enough.
pub const MANY: usize = 500;
/// So many descriptors, where there are few, and more clients than that.
const FEW_DESCRIPTORS: &str = "--nofile=20:20";
const MORE_THAN_FEW: usize = 60;
/// How often the good client asks.
const REQUESTS: usize = 300;
const REQUESTS_QUICKLY: usize = 100;
/// How many requests the pipeliner sends with one call: about 64 KiB.
const AT_ONCE: usize = 1200;

/// What hostile clients do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Nuisance {
    Nothing,
    Heads,
    Readers,
    FewDescriptors,
    Pipeliner,
}

impl Nuisance {
    pub const ALL: [(&str, Nuisance); 5] = [
        ("alone", Nuisance::Nothing),
        ("500 heads that don't end", Nuisance::Heads),
        ("500 readers of a byte at a time", Nuisance::Readers),
        ("20 descriptors, 60 heads", Nuisance::FewDescriptors),
        ("one that asks without end", Nuisance::Pipeliner),
    ];

    fn connections(self) -> usize {
        match self {
            Nuisance::Nothing => 0,
            Nuisance::Heads | Nuisance::Readers => MANY,
            Nuisance::FewDescriptors => MORE_THAN_FEW,
            Nuisance::Pipeliner => 1,
        }
    }
}

/// Milliseconds from the wish for a connection to the end of the answer, for each request of the good client.
///
/// Errors: it isn't answered.
pub fn times_beside(bench: &Bench, subject: &Subject, nuisance: Nuisance) -> Result<Vec<f64>> {
    let core = bench.cores[0].to_string();
    let mut under = vec!["taskset", "-c", &core];
    if nuisance == Nuisance::FewDescriptors {
        under.extend(["prlimit", FEW_DESCRIPTORS]);
    }
    let server = subject.start_under(&under)?;
    let mut hostile = Vec::new();
    for _ in 0..nuisance.connections() {
        hostile.push(begin(server.port, nuisance)?);
    }
    let pipelining = match nuisance {
        Nuisance::Pipeliner => Some(ask_without_end(&hostile[0])?),
        _ => None,
    };
    let requests = if bench.quick { REQUESTS_QUICKLY } else { REQUESTS };
    let mut times = Vec::with_capacity(requests);
    for number in 0..requests {
        let began = Instant::now();
        let answer = Connection::open(server.port)?.get(SMALL.0, &["Connection: close".to_owned()]);
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        let answer = answer.with_context(|| format!("request {}", number + 1))?;
        ensure!(answer.status == 200 && answer.body.len() == SMALL.1, "the answer is {}", answer.status);
        if let Some(stream) = hostile.get_mut(number % nuisance.connections().max(1)) {
            // Who has been closed can do no more.
            let _ = go_on(stream, nuisance);
        }
    }
    for stream in &hostile {
        let _ = stream.shutdown(Shutdown::Both);
    }
    if let Some(threads) = pipelining {
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
    Ok(times)
}

/// A hostile client's first act.
fn begin(port: u16, nuisance: Nuisance) -> Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE)).context("cannot set the connection up")?;
    let said = match nuisance {
        Nuisance::Heads | Nuisance::FewDescriptors => "GET / HTTP/1.1\r\nHost: localhost\r\nX: a".to_owned(),
        Nuisance::Readers => format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", LARGE.0),
        Nuisance::Nothing | Nuisance::Pipeliner => String::new(),
    };
    // Who is one too many may have been closed already.
    let _ = stream.write_all(said.as_bytes());
    Ok(stream)
}

/// What it does now and then.
fn go_on(stream: &mut TcpStream, nuisance: Nuisance) -> std::io::Result<()> {
    match nuisance {
        Nuisance::Heads | Nuisance::FewDescriptors => stream.write_all(b"a"),
        Nuisance::Readers => stream.read_exact(&mut [0]),
        Nuisance::Nothing | Nuisance::Pipeliner => Ok(()),
    }
}

/// Sends requests and takes the answers, until the connection ends.
fn ask_without_end(stream: &TcpStream) -> Result<[thread::JoinHandle<()>; 2]> {
    let (mut writer, mut reader) = (stream.try_clone()?, stream.try_clone()?);
    let requests = format!("HEAD {} HTTP/1.1\r\nHost: localhost\r\n\r\n", SMALL.0).repeat(AT_ONCE);
    let writing = thread::spawn(move || while writer.write_all(requests.as_bytes()).is_ok() {});
    let reading = thread::spawn(move || {
        let mut some = vec![0; 64 * 1024];
        while reader.read(&mut some).is_ok_and(|length| length > 0) {}
    });
    Ok([writing, reading])
}
