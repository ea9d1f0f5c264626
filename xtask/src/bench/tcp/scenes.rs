//! What is measured, and the bars: what our server may cost at most.

use anyhow::{Result, ensure};

use super::load::{self, Clients};
use super::peers::{self, ASYNCIO, ASYNCIO_PROTOCOL, BARE, GO, GO_LOOP, NCAT, SOCAT, UVLOOP, UVLOOP_PROTOCOL, XINETD};
use super::{Scene, callgrind, generators};
use crate::bench::cases::{Case, Make, Ratio, Sample, cases, cost, timed};
use crate::bench::subjects::Subject;
use crate::bench::table::{Table, grouped};
use crate::bench::{Bench, make_room, measure};

/// The peers in the order of the tables, behind ours.
const PEERS: [&str; 10] = [BARE, GO, GO_LOOP, ASYNCIO, ASYNCIO_PROTOCOL, UVLOOP, UVLOOP_PROTOCOL, XINETD, SOCAT, NCAT];
const MIB: u64 = 1024 * 1024;
/// A server with a process for each connection is not asked for more idle ones than this; nor one with a pipe for each, which is
/// two descriptors more, as Go's copy is.
const MOST_PROCESSES: usize = 200;
const MOST_PIPES: usize = 3_000;

/// How many clients come and go at once. One by one, a server would mostly fall asleep and be woken up.
const AT_ONCE: usize = 50;

/// What belongs to a scene.
pub fn tables(scene: Scene) -> Vec<Make> {
    match scene {
        Scene::Echo => {
            let cases = [(50, 64), (50, 1024), (500, 64), (500, 1024)];
            cases
                .map(|(connections, bytes)| Box::new(move |b: &_, s: &_| echo(b, s, connections, bytes)) as Make)
                .into()
        }
        Scene::Scale => vec![Box::new(scale)],
        Scene::Idle => vec![Box::new(idle)],
        Scene::Churn => vec![Box::new(churn)],
        Scene::Bulk => vec![Box::new(bulk)],
        Scene::Prefix => vec![Box::new(prefix)],
        Scene::Trace => vec![Box::new(callgrind::table)],
        Scene::Load => generators::tables(),
    }
}

/// What an echo costs on so many connections with one message under way on each, beside so many idle ones.
pub fn echo_cost(bench: &Bench, subject: &Subject, connections: usize, bytes: usize, idle: usize) -> Result<Sample> {
    let server = subject.start(bench.cores[0])?;
    let mut neighbours = Clients::connect(server.port, idle)?;
    neighbours.greet(bytes)?;
    let load = |limit: [String; 2]| load::load(bench, subject.prefix, server.port, connections, bytes, limit);
    // The same number of connections with an echo each is taken off again: what is left is the cost of echoes alone.
    let start = measure::settle(server.id(), subject.at_rest())?;
    let few = load(["--count".to_owned(), connections.to_string()])?;
    let between = measure::settle(server.id(), subject.at_rest())?;
    // Hundreds of processes take a while to start, and there is nothing to be had from them until then.
    let time = if subject.forks && connections > 100 { bench.time * 4 } else { bench.time };
    let many = load(bench.limit(time, connections))?;
    let end = measure::settle(server.id(), subject.at_rest())?;
    let ns = end as f64 - between as f64 - (between as f64 - start as f64);
    let echoes = many.count.saturating_sub(few.count);
    ensure!(ns > 0.0 && echoes > 0, "hardly any echo in {time:?}");
    Ok(Sample { figure: ns / 1000.0 / echoes as f64, rate: Some(many.rate) })
}

fn echo(bench: &Bench, subjects: &[Subject], connections: usize, bytes: usize) -> Result<Option<Table>> {
    make_room(connections as u64)?;
    // Python's echo is what the documentation of asyncio shows, with streams; how much of it is the streams', the lines of
    // the protocol below them tell.
    let bars = [(BARE, 1.05), (GO, 0.60), (ASYNCIO, 0.55), (UVLOOP, 0.75), (XINETD, 0.45), (SOCAT, 0.20)];
    let peers = PEERS.map(|peer| (peer, bars.iter().find(|(name, _)| *name == peer).map(|(_, bar)| *bar)));
    let cases = cases(subjects, &peers, move |subject| echo_cost(bench, subject, connections, bytes, 0));
    let title = format!("An echo of {bytes} bytes, {connections} connections");
    bench.table(&title, "us per echo", Ratio::OursByOther, &cases).map(Some)
}

fn scale(bench: &Bench, subjects: &[Subject]) -> Result<Option<Table>> {
    let many_idle = bench.crowd(9_000);
    make_room(1_000 + many_idle as u64)?;
    let case = |subject: usize, name: &str, connections, idle, bar| Case {
        name: name.to_owned(),
        measure: Some(Box::new(move || echo_cost(bench, &subjects[subject], connections, 64, idle))),
        bar,
    };
    let cases = [
        case(0, "50", 50, 0, None),
        case(0, "1,000", 1000, 0, Some(1.15)),
        case(0, &format!("50 beside {} idle", grouped(many_idle as u64)), 50, many_idle, Some(1.05)),
        // What grows here as well, grows in the kernel.
        case(1, "bare epoll, 50", 50, 0, None),
        case(1, "bare epoll, 1,000", 1000, 0, None),
    ];
    let title = "An echo of 64 bytes by ours, by the number of connections";
    bench.table(title, "us per echo", Ratio::OtherByFirst, &cases).map(Some)
}

/// The memory that an idle connection costs, in bytes. Each has had an echo, so that its buffers are there if it keeps any.
pub fn idle_bytes(bench: &Bench, subject: &Subject, connections: usize) -> Result<Sample> {
    let server = subject.start(bench.cores[0])?;
    measure::settle(server.id(), subject.at_rest())?;
    let before = measure::memory_bytes(server.id())?;
    let connections = match subject {
        Subject { forks: true, .. } => connections.min(MOST_PROCESSES),
        Subject { name: GO, .. } => connections.min(MOST_PIPES),
        _ => connections,
    };
    let mut clients = Clients::connect(server.port, connections)?;
    clients.greet(64)?;
    measure::settle(server.id(), usize::MAX)?;
    let more = measure::memory_bytes(server.id())?.saturating_sub(before);
    Ok(Sample { figure: more as f64 / connections as f64, rate: None })
}

fn idle(bench: &Bench, subjects: &[Subject]) -> Result<Option<Table>> {
    let count = bench.crowd(10_000);
    make_room(count as u64)?;
    let mut cases = cases(subjects, &PEERS.map(|name| (name, None)), |subject| idle_bytes(bench, subject, count));
    cases[0].bar = Some(100.0);
    let title = "Memory of the process for an idle connection";
    let title = format!("{title}, of {} (Go 3,000; 200 where each is a process)", grouped(count as u64));
    bench.table(&title, "bytes", Ratio::OursByOther, &cases).map(Some)
}

fn churn(bench: &Bench, subjects: &[Subject]) -> Result<Option<Table>> {
    let peers = PEERS.map(|name| (name, (name == GO).then_some(0.5)));
    let cases = cases(subjects, &peers, |subject| {
        let server = subject.start(bench.cores[0])?;
        load::come_and_go(server.port, AT_ONCE, 64, bench.time / 10)?;
        cost(server.id(), subject.at_rest(), || timed(|| load::come_and_go(server.port, AT_ONCE, 64, bench.time)))
    });
    bench
        .table(
            &format!("Connect, an echo of 64 bytes, close: {AT_ONCE} clients at once"),
            "us per client",
            Ratio::OursByOther,
            &cases,
        )
        .map(Some)
}

fn bulk(bench: &Bench, subjects: &[Subject]) -> Result<Option<Table>> {
    let mebibytes = if bench.quick { 64 } else { 512 };
    // "copy" copies nothing: Go's io.Copy lets the kernel move the pages with splice(2). Its own loop reads and writes.
    let peers = [
        (BARE, None),
        (GO, Some(0.55)),
        (GO_LOOP, Some(0.55)),
        (ASYNCIO, None),
        (ASYNCIO_PROTOCOL, None),
        (UVLOOP, None),
        (UVLOOP_PROTOCOL, None),
    ];
    let cases = cases(subjects, &peers, move |subject| {
        let server = subject.start(bench.cores[0])?;
        load::bulk(server.port, MIB)?;
        cost(server.id(), usize::MAX, || timed(|| load::bulk(server.port, mebibytes * MIB).map(|()| mebibytes)))
    });
    let title = format!("{mebibytes} MiB on one connection, both ways, every byte checked");
    bench.table(&title, "us per MiB", Ratio::OursByOther, &cases).map(Some)
}

/// One message under way on each connection: so each reply has its own prefix.
fn prefix(bench: &Bench, subjects: &[Subject]) -> Result<Option<Table>> {
    let lectures = peers::ours_with(&bench.executables, &bench.workshop, "echo -> ", &[])?;
    let lectures = lectures.with_prefix("echo -> ");
    let cases = [(&subjects[0], "none", None), (&lectures, "the lecture's", Some(1.06))];
    let cases = cases.map(|(subject, name, bar)| Case {
        name: name.to_owned(),
        measure: Some(Box::new(move || echo_cost(bench, subject, 50, 64, 0))),
        bar,
    });
    let title = "An echo of 64 bytes by ours, 50 connections, by the prefix";
    bench.table(title, "us per echo", Ratio::OtherByFirst, &cases).map(Some)
}
