//! What the tracing code costs while it is off, in instructions, which valgrind counts to the last one: with it, and without.
//!
//! There is no option to build a server without it, and none is wanted. But a program can be copied; and in the copy one
//! condition that is false for good makes the compiler leave out the rest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::load::Clients;
use super::peers;
use crate::bench::Bench;
use crate::bench::cases::{Case, Ratio, Sample};
use crate::bench::subjects::{OURS, Subject};
use crate::bench::table::{Row, Table};
use crate::bench::workshop::works;
use crate::programs::Executables;
use crate::{lab, programs};

/// The program that is copied, and the condition in its copy of `common`.
const PROGRAM: &str = "tcp-echo-server";
const SWITCH: (&str, &str, &str) = ("common/src/trace.rs", "if ON.load(Ordering::Relaxed) { Some", "if false { Some");
/// So many echoes more make so many instructions more; what the start costs is in neither.
const ECHOES: [u64; 2] = [500, 2_500];
/// What is off must not be measurable. A processor does 50 instructions in about 15 ns, half a hundredth of what an echo costs;
/// less than several hundredths no measurement of time can tell from noise.
const MOST_INSTRUCTIONS: f64 = 50.0;

/// Counts; None: valgrind isn't here.
pub fn table(bench: &Bench, _subjects: &[Subject]) -> Result<Option<Table>> {
    if !works("valgrind", &["--version"]) {
        return bench.skip("the tracing code: valgrind is not here; to have it: apt install valgrind").map(|()| None);
    }
    let place = lab::Place::of("trace");
    place.clear()?;
    let copy = place.0.join("copy");
    lab::copy(PROGRAM, &copy)?;
    let with = build(bench, &copy, "with-trace")?;
    let (file, switch, off) = SWITCH;
    let path = copy.join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(text.matches(switch).count() == 1, "cannot find in crates/{file} what turns the trace on: {switch}");
    fs::write(&path, text.replace(switch, off)).with_context(|| format!("cannot write {}", path.display()))?;
    let without = build(bench, &copy, "without-trace")?;

    let case = |name: &str, program: &Path| -> Result<Case> {
        let executables = Executables::from([(PROGRAM.to_owned(), program.to_owned())]);
        let options = ["--prefix", "", "--workers", "1"];
        let subject = peers::ours_with(&executables, &bench.workshop, OURS, &options)?;
        let measure = move || Ok(Sample { figure: instructions(bench, &subject)?, rate: None });
        Ok(Case { name: name.to_owned(), measure: Some(Box::new(measure)), bar: None })
    };
    let cases = [case("without", &without)?, case("with, off", &with)?];
    let title = "The tracing code: instructions of our program for an echo of 64 bytes, the kernel's not counted";
    let mut table = bench.table(title, "instructions", Ratio::OtherByFirst, &cases)?;
    let pairs = table.rows[0].samples.iter().zip(&table.rows[1].samples);
    let samples = pairs.map(|(without, with)| with - without).collect();
    let bar = Some(MOST_INSTRUCTIONS);
    table.rows.push(Row { name: "difference".to_owned(), samples, bar, ..Row::default() });
    Ok(Some(table))
}

/// Builds the copy on all processors, and puts its program aside.
fn build(bench: &Bench, copy: &Path, name: &str) -> Result<PathBuf> {
    // Where other copies are built too, so that the crates of others are built once for all times.
    let target = lab::target();
    let (options, profile): (&[&str], _) = if bench.smoke { (&[], "debug") } else { (&["--release"], "release") };
    let mut command = std::process::Command::new("taskset");
    command.args(["-c", &bench.all_cores()]).arg(programs::cargo().get_program()).current_dir(copy);
    command.args(["build", "--quiet", "--package", PROGRAM, "--target-dir"]).arg(&target).args(options);
    ensure!(programs::succeeds(command.env("CARGO_PROFILE_RELEASE_LTO", "thin"))?, "cannot build the copy");
    let program = bench.workshop.0.join(name);
    fs::copy(target.join(profile).join(PROGRAM), &program).context("cannot copy what was built")?;
    Ok(program)
}

/// How many instructions of its own the server needs for an echo.
fn instructions(bench: &Bench, subject: &Subject) -> Result<f64> {
    let [few, many] = ECHOES;
    let [less, more] = [count(bench, subject, few)?, count(bench, subject, many)?];
    Ok((more as f64 - less as f64) / (many - few) as f64)
}

/// The instructions of a whole run with so many echoes.
fn count(bench: &Bench, subject: &Subject, echoes: u64) -> Result<u64> {
    let counted = bench.workshop.0.join("counted");
    let file = format!("--callgrind-out-file={}", counted.display());
    let core = bench.cores[0].to_string();
    let server = subject.start_under(&["taskset", "-c", &core, "valgrind", "--tool=callgrind", &file])?;
    let mut clients = Clients::connect(server.port, 1)?;
    for _ in 0..echoes {
        clients.greet(64)?;
    }
    drop(clients);
    server.stop()?;
    let text = fs::read_to_string(&counted).with_context(|| format!("cannot read {}", counted.display()))?;
    total(&text).context("cannot understand what valgrind counted")
}

/// The line of the whole run in a file of callgrind's. See "Callgrind Format Specification" in valgrind's manual.
fn total(text: &str) -> Option<u64> {
    let mut totals = text.lines().filter_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    totals.next_back()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_in_the_last_line_of_its_kind() {
        assert_eq!(total("events: Ir\nsummary: 12\nfn=(1) main\n5 6\n\ntotals: 18\n"), Some(18));
        assert_eq!(total("events: Ir\n"), None);
    }
}
