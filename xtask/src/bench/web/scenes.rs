//! What is measured, and the bars: what our server may cost at most.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::Scene;
use super::hostile::{self, Nuisance};
use super::load::{self, Connection, LARGE, MEDIUM, SMALL};
use super::peers::{self, DARKHTTPD, H2O, LIGHTTPD, MINISERVE, NGINX, NGINX_TUNED, PYTHON, STATIC};
use crate::bench::cases::{self, Case, Make, Ratio, Sample};
use crate::bench::subjects::Subject;
use crate::bench::table::{Table, grouped};
use crate::bench::{Bench, make_room, measure};

/// The peers in the order of the tables, behind ours.
const PEERS: [&str; 8] = [NGINX, NGINX_TUNED, H2O, LIGHTTPD, DARKHTTPD, STATIC, MINISERVE, PYTHON];
/// Connections that stay and are idle, as many of these as there can be here.
const IDLE_CONNECTIONS: [usize; 3] = [10_000, 9_000, 1_000];
/// Bars for ours alone: the memory it takes with nothing to do, and for an idle connection; the time it takes to start.
const MOST_MEMORY_KIB: f64 = 1024.0;
const MOST_IDLE_BYTES: f64 = 300.0;
const MOST_START_MS: f64 = 15.0;
/// The time to an answer that a good client has beside hostile ones.
const MOST_MEDIAN_MS: f64 = 50.0;

/// What wrk asks for.
struct Request {
    file: (&'static str, usize),
    connections: usize,
    fields: Vec<String>,
}

/// What belongs to a scene.
pub fn tables(scene: Scene) -> Vec<Make> {
    let make: Make = match scene {
        Scene::Small => {
            let request = Request { file: SMALL, connections: 50, fields: vec![] };
            let bars = [(NGINX, 0.80), (NGINX_TUNED, 0.80), (H2O, 1.00), (LIGHTTPD, 1.00)];
            requests("A request for 1 KiB, 50 connections that stay", request, bars.to_vec())
        }
        Scene::Close => {
            let request = Request { file: SMALL, connections: 50, fields: vec!["Connection: close".to_owned()] };
            requests("A request for 1 KiB, each on a connection of its own, 50 at once", request, vec![(H2O, 0.85)])
        }
        Scene::Medium => {
            let request = Request { file: MEDIUM, connections: 10, fields: vec![] };
            requests("A request for 100 KiB, 10 connections", request, vec![(DARKHTTPD, 0.85)])
        }
        Scene::Large => {
            let request = Request { file: LARGE, connections: 4, fields: vec![] };
            requests("A request for 10 MiB, 4 connections", request, PEERS.map(|name| (name, 1.10)).to_vec())
        }
        Scene::Memory => Box::new(memory),
        Scene::Idle => Box::new(idle),
        Scene::Start => Box::new(start),
        Scene::Features => Box::new(features),
        Scene::Hostile => Box::new(hostile),
    };
    vec![make]
}

/// A table of what such a request costs.
fn requests(title: &'static str, request: Request, bars: Vec<(&'static str, f64)>) -> Make {
    Box::new(move |bench, subjects| {
        let bar = |peer| bars.iter().find(|(name, _)| *name == peer).map(|(_, bar)| *bar);
        let cases =
            cases::cases(subjects, &PEERS.map(|peer| (peer, bar(peer))), |subject| cost(bench, subject, &request));
        bench.table(title, "us per request", Ratio::OursByOther, &cases).map(Some)
    })
}

/// What a request costs a server, which is started for it.
fn cost(bench: &Bench, subject: &Subject, request: &Request) -> Result<Sample> {
    let server = subject.start(bench.cores[0])?;
    load::verify(server.port, request.file)?;
    // wrk knows whole seconds only.
    let seconds = if bench.quick { 1 } else { 2 };
    cases::cost(server.id(), usize::MAX, || {
        load::wrk(server.port, request.file.0, request.connections, seconds, &request.fields)
    })
}

/// The memory of a server that has answered once.
fn memory(bench: &Bench, subjects: &[Subject]) -> Result<Option<Table>> {
    let mut cases = cases::cases(subjects, &PEERS.map(|name| (name, None)), |subject| {
        let server = subject.start(bench.cores[0])?;
        load::verify(server.port, SMALL)?;
        measure::settle(server.id(), usize::MAX)?;
        Ok(Sample { figure: measure::shared_out_bytes(server.id())? as f64 / 1024.0, rate: None })
    });
    cases[0].bar = Some(MOST_MEMORY_KIB);
    let title = "Memory with nothing to do, what is shared with others divided among them (PSS)";
    bench.table(title, "KiB", Ratio::OursByOther, &cases).map(Some)
}

/// The memory that an idle connection costs, each of which has had an answer.
fn idle(bench: &Bench, subjects: &[Subject]) -> Result<Option<Table>> {
    // Ours accepts no connection for which it couldn't open a file, too.
    let room = |connections: usize| make_room(2 * connections as u64);
    let connections = IDLE_CONNECTIONS.into_iter().find(|it| room(*it).is_ok());
    let Some(connections) = connections else { return room(IDLE_CONNECTIONS[0]).map(|()| None) };
    let connections = bench.crowd(connections);
    let mut cases = cases::cases(subjects, &PEERS.map(|name| (name, None)), move |subject| {
        let count = peers::most_idle(subject.name, connections);
        let server = subject.start(bench.cores[0])?;
        load::verify(server.port, SMALL)?;
        measure::settle(server.id(), usize::MAX)?;
        let before = measure::memory_bytes(server.id())?;
        let mut open = Vec::with_capacity(count);
        for number in 1..=count {
            let mut connection = Connection::open(server.port)?;
            connection.get(SMALL.0, &[]).with_context(|| format!("on connection {number}"))?;
            open.push(connection);
        }
        measure::settle(server.id(), usize::MAX)?;
        let more = measure::memory_bytes(server.id())?.saturating_sub(before);
        for (number, connection) in open.iter_mut().enumerate().step_by(count.div_ceil(100)) {
            connection.get(SMALL.0, &[]).with_context(|| format!("again on connection {}", number + 1))?;
        }
        Ok(Sample { figure: more as f64 / count as f64, rate: None })
    });
    cases[0].bar = Some(MOST_IDLE_BYTES);
    let title = "Memory of the process for an idle connection";
    let title = format!("{title}, of {} (darkhttpd 1,000, nginx 500, http.server 200)", grouped(connections as u64));
    bench.table(&title, "bytes", Ratio::OursByOther, &cases).map(Some)
}

/// The time from the command to the end of the first answer. What starts the server, setpriv(1) and taskset(1), is part of it.
fn start(bench: &Bench, subjects: &[Subject]) -> Result<Option<Table>> {
    let mut cases = cases::cases(subjects, &PEERS.map(|name| (name, None)), |subject| {
        let began = Instant::now();
        let server = subject.start(bench.cores[0])?;
        load::verify(server.port, SMALL)?;
        Ok(Sample { figure: began.elapsed().as_secs_f64() * 1000.0, rate: None })
    });
    cases[0].bar = Some(MOST_START_MS);
    bench.table("From the command to the first answer", "ms", Ratio::OursByOther, &cases).map(Some)
}

/// What ours does besides, and what that costs.
fn features(bench: &Bench, _subjects: &[Subject]) -> Result<Option<Table>> {
    let log = bench.workshop.0.join("access.log");
    let plain = peers::ours_with(bench, &[])?;
    let logging = peers::ours_with(bench, &["--log", &log.to_string_lossy()])?;
    let careful = peers::ours_with(bench, &["--no-cache"])?;
    let etag = {
        let server = plain.start(bench.cores[0])?;
        Connection::open(server.port)?.get(SMALL.0, &[])?.etag.context("an answer of ours has no ETag")?
    };
    let case = |name: &str, subject: &Subject, file, status: u16, field: &str| {
        let fields: Vec<String> = Some(field.to_owned()).filter(|it| !it.is_empty()).into_iter().collect();
        let (subject, request) = (subject.clone(), Request { file, connections: 50, fields });
        let measure = move || {
            expect(bench, &subject, &request, status)?;
            cost(bench, &subject, &request)
        };
        Case { name: name.to_owned(), measure: Some(Box::new(measure)), bar: None }
    };
    let cases = [
        case("1 KiB, plainly", &plain, SMALL, 200, ""),
        case("a line in the log", &logging, SMALL, 200, ""),
        case("not modified (304)", &plain, SMALL, 304, &format!("If-None-Match: {etag}")),
        case("1 KiB of 100 (206)", &plain, MEDIUM, 206, "Range: bytes=2048-3071"),
        case("compressed neighbour", &plain, SMALL, 200, "Accept-Encoding: gzip"),
        case("--no-cache", &careful, SMALL, 200, ""),
    ];
    let title = "What else ours does: a request on one of 50 connections that stay";
    bench.table(title, "us per request", Ratio::OtherByFirst, &cases).map(Some)
}

/// How long a good client of ours waits for an answer, each on a connection of its own, while others do their worst.
fn hostile(bench: &Bench, _subjects: &[Subject]) -> Result<Option<Table>> {
    make_room(2 * hostile::MANY as u64)?;
    let subject = peers::ours_with(bench, &[])?;
    let mut cases = Vec::new();
    for (name, nuisance) in Nuisance::ALL {
        for (what, percent, bar) in [("median", 50, Some(MOST_MEDIAN_MS)), ("worst", 100, None)] {
            let subject = subject.clone();
            let measure = move || {
                let mut times = hostile::times_beside(bench, &subject, nuisance)?;
                times.sort_by(f64::total_cmp);
                Ok(Sample { figure: times[(times.len() - 1) * percent / 100], rate: None })
            };
            cases.push(Case { name: format!("{name}: {what}"), measure: Some(Box::new(measure)), bar });
        }
    }
    bench.table("A good client's time to an answer of 1 KiB beside hostile ones", "ms", Ratio::None, &cases).map(Some)
}

/// Makes sure that such a request is answered as it should be.
///
/// Errors: it isn't.
fn expect(bench: &Bench, subject: &Subject, request: &Request, status: u16) -> Result<()> {
    let server = subject.start(bench.cores[0])?;
    let answer = Connection::open(server.port)?.get(request.file.0, &request.fields)?;
    ensure!(answer.status == status, "the answer is {} instead of {status}", answer.status);
    Ok(())
}
