//! `cargo xtask bench tcp` and its kin: what our servers cost, beside a yardstick and each peer that is installed.
//!
//! The server has one processor and the clients another. The servers take turns, so that what else the machine does hits
//! all of them alike, and what is compared is processor time, of which that takes the least. Each round starts its servers
//! anew; a figure is the median of the rounds, and a ratio the median of the rounds' own ratios.

pub mod cases;
pub mod client;
pub mod measure;
pub mod smoke;
pub mod subjects;
pub mod table;
pub mod tcp;
mod udp;
mod web;
pub mod workshop;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::programs::{self, Executables};
use cases::Make;
use subjects::Lineup;
use table::Table;
use workshop::Workshop;

/// Descriptors that are not connections: enough for all that either side has open besides.
const OTHER_DESCRIPTORS: u64 = 200;

/// In a test, so many operations instead of a millisecond, and at least so many on a connection: what they cost is more than
/// what comes and goes with the connections, and than the hundredth of a second that ended threads are accounted in.
const SMOKE_PER_MS: usize = 80;
const SMOKE_PER_CONNECTION: usize = 20;

/// Measure our servers against others
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Tcp(tcp::Options),
    Udp(udp::Options),
    Web(web::Options),
}

// Not a doc comment: clap would take it for that of the subcommand.
// How to measure, whatever it is.
#[derive(Args)]
pub struct Rounds {
    #[command(flatten)]
    pace: Pace,

    /// Also write every sample to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Also write one table to FILE, as Markdown: a line for each server, and a column for each scene that compares them
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

// How thoroughly.
#[derive(Args, Clone, Copy)]
pub struct Pace {
    /// Rounds; each measures everybody once [default: 5, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: Option<u16>,

    /// Shorter and fewer rounds, for a first look
    #[arg(long)]
    quick: bool,

    /// Ours and the yardsticks only, as they are built without optimization, once: a test of the bench, not of the programs
    #[arg(long, hide = true, conflicts_with_all = ["runs", "quick"])]
    smoke: bool,
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
    /// Whether it is the bench that is tested. Then nothing may depend on how fast the machine is, nor on what is installed.
    pub smoke: bool,
}

/// Measures what was asked for and prints it, table by table.
///
/// Errors: this is not Linux; a program can't be built; our own server can't be measured.
pub fn run(options: &Options) -> Result<ExitCode> {
    match &options.what {
        What::Tcp(options) => tcp::run(options),
        What::Udp(options) => udp::run(options),
        What::Web(options) => web::run(options),
    }
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
    pub fn new(pace: Pace, packages: &[&str], examples: &[&str]) -> Result<Bench> {
        let Pace { runs, quick, smoke } = pace;
        let runs = runs.map_or(if quick { 3 } else { 5 }, usize::from);
        let (runs, quick) = if smoke { (1, true) } else { (runs, quick) };
        let all_cores = measure::cores()?;
        let options: &[&str] = if smoke { &[] } else { &["--release"] };
        let executables = programs::build_as(options, packages, examples)?;
        let workshop = Workshop::open()?;
        let cores = [all_cores[0], all_cores[all_cores.len() - 1]];
        let (core, own) = (cores[1].to_string(), std::process::id().to_string());
        let pinned = workshop::works("taskset", &["-a", "-c", "-p", &core, &own]);
        ensure!(pinned, "cannot measure without taskset(1), which is in util-linux");
        let time = Duration::from_millis(if quick { 250 } else { 1000 });
        Ok(Bench { executables, workshop, cores, all_cores, runs, time, quick, smoke })
    }

    /// Prints who is compared, and then table by table, which it returns as the exit status: whether no bar is missed.
    /// `figures`: what they are.
    ///
    /// Errors: our own server can't be measured; the report can't be written.
    fn report(&self, lineup: &Lineup, figures: &str, makes: Vec<Make>, to: &Rounds) -> Result<ExitCode> {
        self.introduce();
        let width = lineup.subjects.iter().map(|subject| subject.name.len()).max().unwrap_or(0);
        for subject in &lineup.subjects {
            println!("  {:<width$}  {}", subject.name, subject.shown());
        }
        lineup.missing.iter().for_each(|line| println!("  {line}"));
        println!("{figures}");
        let mut tables = Vec::new();
        for make in makes {
            let Some(table) = make(self, &lineup.subjects)? else { continue };
            print!("\n{}", table.text());
            tables.push(table);
        }
        let write =
            |path: &Path, text| fs::write(path, text).with_context(|| format!("cannot write {}", path.display()));
        if let Some(path) = &to.markdown {
            write(path, table::markdown(&tables))?;
        }
        if let Some(path) = &to.json {
            let command = |it: &subjects::Subject| json!({ "name": it.name, "command": it.shown() });
            let report = json!({
                "schema": 1, "machine": measure::machine(&self.all_cores), "runs": self.runs,
                "servers": lineup.subjects.iter().map(command).collect::<Vec<_>>(), "missing": lineup.missing,
                "tables": tables.iter().map(Table::json).collect::<Vec<_>>(),
            });
            write(path, format!("{report:#}\n"))?;
        }
        Ok(if conclude(&tables) || self.smoke { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

    /// What ends a load, as the option of a client of ours and its value: the time, or in a test a number of operations.
    pub fn limit(&self, time: Duration, connections: usize) -> [String; 2] {
        let ms = time.as_millis() as usize;
        let (option, value) = match self.smoke {
            true => ("--count", (ms * SMOKE_PER_MS).max(connections * SMOKE_PER_CONNECTION).to_string()),
            false => ("--duration", format!("{ms}ms")),
        };
        [option.to_owned(), value]
    }

    /// So many idle connections, senders and the like; in a test a tenth of them.
    pub fn crowd(&self, count: usize) -> usize {
        if self.smoke { count / 10 } else { count }
    }

    /// Says that something is left out, and how to have it.
    ///
    /// Errors: the bench is tested in the continuous integration, where everything that it takes has to be there.
    fn skip(&self, what: &str) -> Result<()> {
        ensure!(!self.smoke || std::env::var_os("CI").is_none(), "not to be skipped in CI: {what}");
        println!("\nskipped: {what}");
        Ok(())
    }

    /// All processors, as taskset(1) wants them.
    fn all_cores(&self) -> String {
        self.all_cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
    }
}

/// Makes sure of so many connections or other descriptors at once, here and in the servers to come.
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
    // Only root can raise the hard limit as well.
    let limit = if hard >= needed { format!("--nofile={needed}:") } else { format!("--nofile={needed}:{needed}") };
    let raised = workshop::works("prlimit", &["--pid", &own, &limit]);
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
