//! `cargo xtask bench tcp`: what an echo costs our server, a bare epoll loop, and each peer that is installed.
//!
//! The server has one processor and the clients another. The servers take turns, so that what else the machine does hits
//! all of them alike, and what is compared is processor time, of which that takes the least. Each round starts its servers
//! anew; a figure is the median of the rounds, and a ratio the median of the rounds' own ratios.

mod callgrind;
pub mod load;
pub mod measure;
pub mod peers;
pub mod scenes;
pub mod table;

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::programs::{self, Executables};
use peers::{Subject, Workshop};
use table::{Row, Table};

/// Descriptors that are not connections: enough for all that either side has open besides.
const OTHER_DESCRIPTORS: u64 = 200;

/// Measure our servers against others
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Tcp(TcpOptions),
}

/// Measure tcp-echo-server against other TCP echo servers
///
/// It takes about a quarter of an hour. The exit status is 1 when a bar is missed. The machine should have nothing else to do.
#[derive(Args)]
struct TcpOptions {
    /// Rounds; each measures every server once [default: 5, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: Option<u16>,

    /// Shorter and fewer rounds, for a first look
    #[arg(long)]
    quick: bool,

    /// Measure only this
    #[arg(long, value_enum, value_name = "NAME")]
    only: Option<Scene>,

    /// Also write every sample to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scene {
    /// Messages to and fro on 50 and 500 connections
    Echo,
    /// The same on 1,000 connections, and beside 9,000 that are idle
    Scale,
    /// Memory for 10,000 idle connections
    Idle,
    /// Connect, one message, close
    Churn,
    /// 512 MiB on one connection, both ways
    Bulk,
    /// The lecture's prefix, and none
    Prefix,
    /// Instructions with the tracing code and without it
    Trace,
}

/// What the measurements need.
pub struct Bench {
    pub executables: Executables,
    pub workshop: Workshop,
    /// The processor for the server, and the one for the clients.
    pub cores: [usize; 2],
    /// All processors that there are, for programs that are built.
    all_cores: Vec<usize>,
    pub runs: usize,
    /// How long one measurement takes.
    pub time: Duration,
    pub quick: bool,
}

/// What one measurement gives: the figure, and operations in a second of the clock on the wall.
pub struct Sample {
    pub figure: f64,
    pub rate: Option<f64>,
}

/// Something to measure, a line of a table.
pub struct Case<'a> {
    pub name: String,
    /// None: the server isn't there.
    pub measure: Option<Box<dyn Fn() -> Result<Sample> + 'a>>,
    pub bar: Option<f64>,
}

/// What the ratios of a table are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ratio {
    /// Ours, the first line's figure, by each other one's.
    OursByOther,
    /// Each other line's figure by the first one's.
    OtherByFirst,
}

/// Measures what was asked for and prints it, table by table.
///
/// Errors: this is not Linux; a program can't be built; our own server can't be measured.
pub fn run(options: &Options) -> Result<ExitCode> {
    let What::Tcp(options) = &options.what;
    let runs = options.runs.map(usize::from).unwrap_or(if options.quick { 3 } else { 5 });
    let bench = Bench::new(runs, options.quick)?;
    let ours = peers::ours(&bench.executables, &bench.workshop)?;
    let (others, missing) = peers::others(&bench.executables, &bench.workshop)?;
    bench.introduce();
    let subjects: Vec<Subject> = std::iter::once(ours).chain(others).collect();
    for subject in &subjects {
        println!("  {:<12}  {}", subject.name, subject.shown());
    }
    missing.iter().for_each(|line| println!("  {line}"));
    println!("us: microseconds of the server's processor time, the kernel's on its behalf included");

    let scenes = options.only.map_or(Scene::value_variants().to_vec(), |only| vec![only]);
    let mut tables = Vec::new();
    for scene in scenes {
        for make in scenes::tables(scene) {
            let Some(table) = make(&bench, &subjects)? else { continue };
            print!("\n{}", table.text());
            tables.push(table);
        }
    }
    if let Some(path) = &options.json {
        let commands: Vec<_> = subjects.iter().map(|it| json!({ "name": it.name, "command": it.shown() })).collect();
        let all: Vec<_> = tables.iter().map(Table::json).collect();
        let report = json!({
            "schema": 1, "machine": measure::machine(&bench.all_cores), "runs": runs,
            "servers": commands, "missing": missing, "tables": all,
        });
        fs::write(path, format!("{report:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if conclude(&tables) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says how many bars are met, and which are not. Returns whether none is missed.
fn conclude(tables: &[Table]) -> bool {
    let rows = || tables.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row)));
    let count = |verdict| rows().filter(|(_, row)| row.is_met() == verdict && row.bar.is_some()).count();
    let [met, missed, unknown] = [Some(true), Some(false), None].map(count);
    println!("\n{met} bars met, {missed} missed, {unknown} not measured");
    for (table, row) in rows().filter(|(_, row)| row.is_met() == Some(false)) {
        println!("  missed: {}: {}", table.title, row.name);
    }
    missed == 0
}

impl Bench {
    /// Builds the programs, and keeps this process to a processor of its own.
    ///
    /// Errors: this is not Linux; a build fails; taskset(1) is missing.
    pub fn new(runs: usize, quick: bool) -> Result<Bench> {
        let all_cores = measure::cores()?;
        let executables = programs::build_release(&["tcp-echo-server", "tcp-echo-client"], Some("bare_epoll"))?;
        let workshop = Workshop::open()?;
        let cores = [all_cores[0], all_cores[all_cores.len() - 1]];
        let (core, own) = (cores[1].to_string(), std::process::id().to_string());
        let pinned = peers::works("taskset", &["-a", "-c", "-p", &core, &own]);
        ensure!(pinned, "cannot measure without taskset(1), which is in util-linux");
        let time = Duration::from_millis(if quick { 250 } else { 1000 });
        Ok(Bench { executables, workshop, cores, all_cores, runs, time, quick })
    }

    /// Says what the figures are from.
    pub fn introduce(&self) {
        println!("{}", measure::machine(&self.all_cores).join("\n"));
        let [server, clients] = self.cores;
        if server == clients {
            println!("servers and clients share processor {server}: the rates are half of what they could be");
        } else {
            println!("servers on processor {server}, clients on processor {clients}; median of {} rounds", self.runs);
        }
    }

    /// All processors, as taskset(1) wants them.
    fn all_cores(&self) -> String {
        self.all_cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
    }

    /// Measures the cases in turn, round by round. One that fails in the first round is not measured
    /// again, and its line says why.
    ///
    /// Errors: the first case fails, to which the others are compared.
    pub fn table(&self, title: &str, unit: &'static str, ratio: Ratio, cases: &[Case]) -> Result<Table> {
        let row = |case: &Case| Row { name: case.name.clone(), bar: case.bar, ..Row::default() };
        let mut rows: Vec<Row> = cases.iter().map(row).collect();
        for round in 1..=self.runs {
            let mut first = f64::NAN;
            for (at, (case, row)) in cases.iter().zip(&mut rows).enumerate() {
                let has_hope = round == 1 || !row.samples.is_empty();
                let Some(measure) = case.measure.as_ref().filter(|_| has_hope) else { continue };
                progress(&format!("{title}: round {round}, {}", case.name));
                let sample = match measure() {
                    Ok(sample) => sample,
                    Err(error) if at == 0 => return Err(error.context(format!("cannot measure {}", case.name))),
                    Err(error) => {
                        row.note = format!("{error:#}");
                        continue;
                    }
                };
                row.samples.push(sample.figure);
                row.rates.extend(sample.rate);
                match ratio {
                    _ if at == 0 => first = sample.figure,
                    Ratio::OursByOther => row.ratios.push(first / sample.figure),
                    Ratio::OtherByFirst => row.ratios.push(sample.figure / first),
                }
            }
        }
        progress("");
        let head = if ratio == Ratio::OursByOther { "ours / it" } else { "it / first" };
        Ok(Table { title: title.to_owned(), unit, ratio: head, rows })
    }
}

/// What is going on, on a terminal; "" takes it away.
fn progress(text: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{text}");
    }
}

/// Makes sure of so many connections at once, here and in the servers to come.
///
/// Errors: the limit on descriptors is too low; it says what to do.
pub fn make_room(connections: u64) -> Result<()> {
    let needed = connections + OTHER_DESCRIPTORS;
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    let limits: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap_or(u64::MAX)).take(2).collect();
    let [soft, hard] = limits[..] else { bail!("cannot tell the limit on descriptors") };
    if soft >= needed {
        return Ok(());
    }
    let own = std::process::id().to_string();
    let limit = format!("--nofile={hard_or_needed}:", hard_or_needed = needed.min(hard));
    let raised = hard >= needed && peers::works("prlimit", &["--pid", &own, &limit]);
    ensure!(raised, "cannot have {needed} descriptors, only {soft} of {hard}: raise the limit with ulimit -n {needed}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn there_is_room_for_a_few_connections_and_not_for_any_number() {
        make_room(1).unwrap();
        assert!(make_room(u64::MAX / 2).unwrap_err().to_string().contains("ulimit -n"));
    }
}
