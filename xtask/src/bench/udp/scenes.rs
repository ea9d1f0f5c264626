//! What is measured, and the bars: what our server may cost at most.

use anyhow::Result;

use super::peers::{ASYNCIO, GO, INETD, PLAIN, PYTHON, SIMPLE, XINETD};
use super::{Scene, flood};
use crate::bench::cases::{self, Make, Ratio, Sample};
use crate::bench::subjects::Subject;
use crate::bench::table::Table;
use crate::bench::{Bench, client};

/// The most that ours may cost of what each of the others does, in the order of the tables; some scenes have bars of their own.
///
/// xinetd is asked one datagram at a time only: whatever else has come while it answers one, it throws away.
const BARS: [(&str, Option<f64>); 7] = [
    (PLAIN, Some(1.05)),
    (SIMPLE, None),
    (GO, Some(0.75)),
    (PYTHON, Some(0.55)),
    (ASYNCIO, Some(0.55)),
    (XINETD, None),
    (INETD, None),
];

/// A load on the servers.
#[derive(Clone, Copy)]
struct Load {
    flows: u32,
    /// Datagrams under way on each flow.
    window: u32,
    bytes: u32,
    /// So many are handed to the kernel as one.
    train: u32,
}

/// What belongs to a scene.
pub fn tables(scene: Scene) -> Vec<Make> {
    let plain = |bar| move |name: &str, _: Option<f64>| (name == PLAIN).then_some(bar);
    match scene {
        // The same number under way in both, no more than fits the receive buffer that a socket has unasked.
        Scene::Flows => vec![
            Box::new(|bench, subjects| {
                let load = Load { flows: 1, window: 64, bytes: 64, train: 1 };
                table(bench, subjects, "A datagram of 64 bytes, one client, 64 under way", load, |_, bar| bar)
            }),
            Box::new(|bench, subjects| {
                let load = Load { flows: 16, window: 4, bytes: 64, train: 1 };
                table(bench, subjects, "A datagram of 64 bytes, 16 clients, 4 under way of each", load, |_, bar| bar)
            }),
        ],
        Scene::Trains => vec![Box::new(move |bench, subjects| {
            let load = Load { flows: 1, window: 64, bytes: 1200, train: 32 };
            table(bench, subjects, "A datagram of 1,200 bytes, in trains of 32, 64 under way", load, plain(0.5))
        })],
        Scene::PingPong => vec![Box::new(move |bench, subjects| {
            let load = Load { flows: 1, window: 1, bytes: 64, train: 1 };
            table(bench, subjects, "A datagram of 64 bytes, one at a time", load, plain(1.1))
        })],
        Scene::Flood => vec![Box::new(flood::table)],
    }
}

/// A line for ours and each other one. `bar`: the most that ours may cost of what the one of this name does, whose usual bar
/// it is told.
fn table(
    bench: &Bench,
    subjects: &[Subject],
    title: &str,
    load: Load,
    bar: impl Fn(&str, Option<f64>) -> Option<f64>,
) -> Result<Option<Table>> {
    let fair = BARS.iter().filter(|(name, _)| *name != XINETD || load.window == 1);
    let peers: Vec<_> = fair.map(|(name, usual)| (*name, bar(name, *usual))).collect();
    let cases = cases::cases(subjects, &peers, move |subject| cost(bench, subject, load));
    bench.table(title, "us per datagram", Ratio::OursByOther, &cases).map(Some)
}

/// What a datagram costs under a load.
fn cost(bench: &Bench, subject: &Subject, load: Load) -> Result<Sample> {
    let server = subject.start(bench.cores[0])?;
    let [flows, window, bytes, train] = [load.flows, load.window, load.bytes, load.train].map(|it| it.to_string());
    let send = |time| {
        let options = ["--flows", &flows, "--window", &window, "--size", &bytes, "--train", &train, "--prefix", ""];
        let limit = bench.limit(time, load.flows as usize);
        let options = [&options[..], &[&limit[0], &limit[1]]].concat();
        client::load(&bench.executables, "udp-echo-client", server.port, &options)
    };
    send(bench.time / 10)?;
    cases::cost(server.id(), subject.at_rest(), || send(bench.time))
}
