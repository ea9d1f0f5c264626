//! `cargo xtask compare`: the designs of our server under the same load, on this machine: what each costs, and where each
//! breaks. It is what chapter 30 of Stevens' "UNIX Network Programming" does for the designs of its day.

use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::bench::cases::{Case, Ratio};
use crate::bench::subjects::Subject;
use crate::bench::table::{Row, Table, grouped};
use crate::bench::tcp::load::Clients;
use crate::bench::tcp::{self, peers, scenes};
use crate::bench::{Bench, Pace, make_room, measure};
use crate::programs;

/// The designs, from the lecture's to the server's usual one.
const DESIGNS: [&str; 3] = ["iterative", "threads", "events"];
/// How long the first client is silent while the second waits, and after how long a client counts as not served.
const SILENCE: Duration = Duration::from_secs(1);
/// How many clients come and stay; with --quick a fifth of them, which is still more than `threads` serves unless told to.
const IDLE_CONNECTIONS: usize = 10_000;
const QUICK_SHARE: usize = 5;

/// See what each design of our TCP server costs, and where it breaks
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    pace: Pace,
}

/// Measures the designs one beside the other, and prints it.
///
/// Errors: this is not Linux; a program can't be built; a server can't be started.
pub fn run(options: &Options) -> Result<ExitCode> {
    let bench = tcp::open(options.pace)?;
    let crowd_size = if bench.quick { IDLE_CONNECTIONS / QUICK_SHARE } else { IDLE_CONNECTIONS };
    make_room(crowd_size as u64)?;
    let most = (crowd_size + 1000).to_string();
    let subject = |design, bounds: &[&str]| {
        let arguments = [&["--prefix", "", "--design", design], bounds].concat();
        peers::ours_with(&bench.executables, &bench.workshop, design, &arguments)
    };
    let raised: [&str; 2] = ["--max-connections", &most];
    let bounds = |design| if design == "threads" { &raised[..] } else { &[] };
    let subjects = DESIGNS.into_iter().map(|design| subject(design, bounds(design))).collect::<Result<Vec<_>>>()?;
    // As it is when nobody raises its bound, which is there because a thread for each client costs so much.
    let bounded = subject("threads", &[])?;
    bench.introduce();
    subjects.iter().for_each(|subject| println!("  {}", subject.shown()));

    for connections in [1, 10, 100, 1000] {
        print!("\n{}", echoes(&bench, &subjects, connections)?.text());
    }
    println!("\nA second client, while the first is connected and silent");
    for subject in &subjects {
        println!("  {:<9}  {}", subject.name, second_client(&bench, subject)?);
    }
    println!("\n{} clients that have had an echo and stay", grouped(crowd_size as u64));
    for subject in &subjects {
        println!("  {:<9}  {}", subject.name, crowd(&bench, subject, crowd_size)?);
    }
    println!("  {:<9}  at its usual limit: {}", bounded.name, crowd(&bench, &bounded, crowd_size)?);
    println!("\nThe verdicts of tcp-echo-client check");
    for subject in &subjects {
        println!("  {:<9}  {}", subject.name, verdicts(&bench, subject)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// What an echo costs; of a design that serves one client at a time, only for one.
fn echoes(bench: &Bench, subjects: &[Subject], connections: usize) -> Result<Table> {
    // The last design is the first line, to which the others are compared.
    let cases: Vec<Case> = subjects
        .iter()
        .rev()
        .filter(|subject| connections == 1 || subject.name != "iterative")
        .map(|subject| Case {
            name: subject.name.to_owned(),
            measure: Some(Box::new(move || scenes::echo_cost(bench, subject, connections, 64, 0))),
            bar: None,
        })
        .collect();
    let plural = if connections == 1 { "" } else { "s" };
    let title = format!("An echo of 64 bytes, {connections} connection{plural}");
    let mut table = bench.table(&title, "us per echo", Ratio::OtherByFirst, &cases)?;
    if connections > 1 {
        let note = "serves one client at a time: all but one would wait".to_owned();
        table.rows.push(Row { name: "iterative".to_owned(), note, ..Default::default() });
    }
    Ok(table)
}

/// How long a client waits for its echo while another is connected and silent.
fn second_client(bench: &Bench, subject: &Subject) -> Result<String> {
    let server = subject.start(bench.cores[0])?;
    let first = Clients::connect_while_answered(server.port, 1, SILENCE);
    let mut second = Clients::connect(server.port, 1)?;
    let (gone, is_gone) = channel::<()>();
    let took = thread::scope(|scope| {
        scope.spawn(move || {
            // Silent until the second has its echo, but not for ever.
            let _ = is_gone.recv_timeout(SILENCE);
            drop(first);
        });
        let began = Instant::now();
        second.greet(64)?;
        drop(gone);
        anyhow::Ok(began.elapsed())
    })?;
    let until = if took >= SILENCE { ": until the first has gone" } else { "" };
    Ok(format!("waits {:.1} ms{until}", took.as_secs_f64() * 1000.0))
}

/// How many clients at once are served, and what memory each costs.
fn crowd(bench: &Bench, subject: &Subject, size: usize) -> Result<String> {
    let server = subject.start(bench.cores[0])?;
    measure::settle(server.id(), usize::MAX)?;
    let before = measure::memory_bytes(server.id())?;
    let clients = Clients::connect_while_answered(server.port, size, SILENCE);
    measure::settle(server.id(), usize::MAX)?;
    let more = measure::memory_bytes(server.id())?.saturating_sub(before);
    let count = clients.count() as u64;
    let each = format!("{} bytes of memory each", grouped(more / count.max(1)));
    Ok(match clients.count() {
        count if count == size => format!("all are served; {each}"),
        1 => "breaks at client 2, who waits until the first has gone".to_owned(),
        _ => {
            format!("breaks at client {}, who has no answer within {SILENCE:?}; until then {each}", grouped(count + 1))
        }
    })
}

/// What the project's own conformance test finds, with each point that isn't met.
fn verdicts(bench: &Bench, subject: &Subject) -> Result<String> {
    let server = subject.start(bench.cores[0])?;
    let program = programs::get(&bench.executables, "tcp-echo-client")?;
    let mut command = Command::new(program);
    command.args(["check", "127.0.0.1", &server.port.to_string(), "--prefix", ""]).stdin(Stdio::null());
    let output = command.output().context("cannot start tcp-echo-client")?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(summary(&String::from_utf8_lossy(&output.stdout), output.status.success(), said.trim()))
}

/// Counts the lines of a test's report in the Test Anything Protocol, and quotes those that are not ok.
fn summary(report: &str, passed: bool, said: &str) -> String {
    let count = report.lines().filter(|line| line.starts_with("ok ")).count();
    let wrong: Vec<&str> = report.lines().filter(|line| line.starts_with("not ok ")).collect();
    match (passed, wrong.is_empty()) {
        (true, true) => match report.lines().filter(|line| line.contains(" # SKIP ")).count() {
            0 => format!("{count} of {count} ok"),
            skipped => format!("{} of {count} ok, {skipped} skipped", count - skipped),
        },
        (false, true) => format!("{count} ok, and then it failed: {said}"),
        _ => format!("{count} of {} ok\n             {}", count + wrong.len(), wrong.join("\n             ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ok_is_quoted() {
        assert_eq!(summary("TAP version 14\n1..2\nok 1 - a\nok 2 - b\n", true, ""), "2 of 2 ok");
        let text = summary("ok 1 - a\nnot ok 2 - serves two\n  ---\n", false, "");
        assert_eq!(text, "1 of 2 ok\n             not ok 2 - serves two");
        assert_eq!(summary("ok 1 - a\nok 2 - b # SKIP no time\n", true, ""), "1 of 2 ok, 1 skipped");
        assert_eq!(summary("", false, "no server"), "0 ok, and then it failed: no server");
    }
}
