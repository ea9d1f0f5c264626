//! Who asks: our client's `load` beside the least that can be done (`examples/bare_load.rs` of `tcp-echo-client`) and Go's
//! way, against the same server: ours, which it is to drive to its limit, and the bare one, which no server is faster than. Of
//! the three only the bare loop doesn't look at what comes back.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::LOAD_YARDSTICK;
use super::load;
use super::peers::BARE;
use crate::bench::cases::{Case, Done, Make, Ratio, Sample};

use crate::bench::subjects::{OURS, Subject};
use crate::bench::table::Table;
use crate::bench::workshop::works;
use crate::bench::{Bench, make_room, measure};
use crate::programs;

const BYTES: usize = 64;

/// What is compared, and the most that ours may have of what the bare loop and Go's generator have.
#[derive(Clone, Copy)]
struct Figure {
    what: &'static str,
    bars: [f64; 2],
    is_processor_time: bool,
}

const FIGURES: [Figure; 2] = [
    Figure { what: "the generator's processor time", bars: [1.15, 1.0], is_processor_time: true },
    Figure { what: "time until the next", bars: [1.0, 1.0], is_processor_time: false },
];

/// Both figures, for each server and for few connections and many.
pub fn tables() -> Vec<Make> {
    let against = [(OURS, 50), (OURS, 500), (BARE, 50)];
    let makes = against.into_iter().flat_map(|(server, connections)| FIGURES.map(|it| (server, connections, it)));
    makes.map(|(server, many, it)| Box::new(move |b: &_, s: &_| table(b, s, server, many, it)) as Make).collect()
}

fn table(
    bench: &Bench,
    subjects: &[Subject],
    server: &str,
    connections: usize,
    figure: Figure,
) -> Result<Option<Table>> {
    make_room(connections as u64)?;
    let server = subjects.iter().find(|subject| subject.name == server).context("cannot do without a server")?;
    let bare = programs::get(&bench.executables, LOAD_YARDSTICK)?;
    let go = go(bench)?;
    let case = |name: &str, generator: Option<&Path>, bar| {
        let generator = generator.map(Path::to_owned);
        let run = move || measure(bench, server, generator.as_deref(), connections, figure.is_processor_time);
        Case { name: name.to_owned(), measure: Some(Box::new(run)), bar }
    };
    let mut cases = vec![case("our load", None, None), case("bare loop", Some(bare), Some(figure.bars[0]))];
    cases.push(match &go {
        Some(go) => case("Go", Some(go), Some(figure.bars[1])),
        None => Case { name: "Go".to_owned(), measure: None, bar: Some(figure.bars[1]) },
    });
    let (asked, what) = (if server.name == OURS { "our server" } else { server.name }, figure.what);
    let title = format!("Who asks {asked}, {connections} connections, echoes of {BYTES} bytes: {what}");
    bench.table(&title, "us per echo", Ratio::OursByOther, &cases).map(Some)
}

/// Go's generator, if there is a Go that builds it.
fn go(bench: &Bench) -> Result<Option<PathBuf>> {
    if bench.smoke {
        return Ok(None);
    }
    let program = bench.workshop.0.join("load-go");
    let source = bench.workshop.write("load.go", include_str!("peers/load.go"))?;
    let is_built = program.exists() || works("go", &["build", "-o", &program.to_string_lossy(), &source]);
    Ok(is_built.then_some(program))
}

/// Lets a generator work, ours or another; what an echo takes of its processor's time, its start included, or of time.
fn measure(
    bench: &Bench,
    server: &Subject,
    generator: Option<&Path>,
    connections: usize,
    is_processor_time: bool,
) -> Result<Sample> {
    let server = server.start(bench.cores[0])?;
    let ms = bench.time.as_millis().to_string();
    let before = measure::children_ns()?;
    let done = match generator {
        Some(program) => {
            another(program, &[&server.port.to_string(), &connections.to_string(), &BYTES.to_string(), &ms])?
        }
        None => load::load(bench, "", server.port, connections, BYTES, bench.limit(bench.time, connections))?,
    };
    let spent_ns = measure::children_ns()? - before;
    ensure!(done.count > 0 && done.rate > 0.0, "not one echo in {ms} ms");
    let processor_us = spent_ns as f64 / 1000.0 / done.count as f64;
    Ok(Sample { figure: if is_processor_time { processor_us } else { 1e6 / done.rate }, rate: Some(done.rate) })
}

fn another(program: &Path, arguments: &[&str]) -> Result<Done> {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output().context("cannot start the generator")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    done(&String::from_utf8_lossy(&output.stdout)).context("cannot understand what the generator printed")
}

/// `1234 echoes, 567 a second`
fn done(line: &str) -> Option<Done> {
    let (count, rate) = line.trim().strip_suffix(" a second")?.split_once(" echoes, ")?;
    Some(Done { count: count.parse().ok()?, rate: rate.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_tells_how_many_echoes_there_were() {
        let told = done("1234 echoes, 567 a second\n").unwrap();
        assert_eq!((told.count, told.rate), (1234, 567.0));
        assert!(done("no echoes").is_none());
    }
}
