//! `cargo xtask ci`: everything that the continuous integration checks, step by step.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::bench::smoke;
use crate::{demo, e2e, lab, programs, second_try, tidy};

/// Check everything that the continuous integration checks
#[derive(Args)]
pub struct Options {
    /// Only this step
    #[arg(long, value_enum, value_name = "STEP")]
    only: Option<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The sources are formatted
    Format,
    /// The lints find nothing
    Clippy,
    /// The documentation builds without a warning
    Docs,
    /// The invariants of ARCHITECTURE.md that a command can check
    Tidy,
    /// The tests of each crate; up to three that fail are tried once more, alone, and told
    Test,
    /// The demonstration shows what it should
    Demo,
    /// The tests that run several programs together; with a second try, too
    E2e,
    /// Each program can be copied, and passes its tests where it lands
    Labs,
    /// Each exercise begins without a warning, and its tests fail
    Exercises,
    /// Each scene of the benches, and the comparison of the designs, ends and has a figure for ours; whatever it is
    Bench,
    /// A minute of bytes that nobody would think of, where cargo-fuzz and a nightly compiler are there
    Fuzz,
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether the step succeeds. What it finds wrong it has then said; what is to be known though it succeeds is in the remark.
    ///
    /// Errors: what it needs is not there; or what is wrong, in one line.
    fn run(self, remark: &mut String) -> Result<bool> {
        match self {
            Step::Format => cargo("fmt --all --check"),
            Step::Clippy => cargo("clippy --workspace --all-targets --locked -- -D warnings"),
            Step::Docs => programs::succeeds(programs::cargo().env("RUSTDOCFLAGS", "-D warnings").args([
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
                "--locked",
            ])),
            Step::Tidy => tidy::check(),
            Step::Test => second_try::pass(
                || {
                    let mut tests = programs::cargo();
                    tests.args("test --workspace --exclude e2e --locked --no-fail-fast --".split(' '));
                    Ok(tests)
                },
                remark,
            ),
            Step::Demo => demo::check::check().map(|()| true),
            Step::E2e => second_try::pass(e2e::command, remark),
            Step::Labs => lab::check().map(|()| true),
            Step::Exercises => lab::check_exercises().map(|()| true),
            Step::Bench => smoke::check().map(|()| true),
            Step::Fuzz => fuzz(),
        }
    }
}

/// Runs all steps, whatever becomes of each, and then says how each went.
///
/// Errors: none; a step that can't be run has failed.
pub fn run(options: &Options) -> Result<ExitCode> {
    let steps: Vec<Step> = match options.only {
        Some(step) => vec![step],
        None => Step::value_variants().to_vec(),
    };
    let mut lines = Vec::new();
    let mut all_ok = true;
    for step in steps {
        println!("\n--- {}", step.name());
        let began = Instant::now();
        let mut remark = String::new();
        let ok = step.run(&mut remark).unwrap_or_else(|error| {
            eprintln!("xtask: {error:#}");
            false
        });
        let line = summary(ok, &step.name(), began.elapsed(), &remark);
        println!("{line}");
        lines.push(line);
        all_ok &= ok;
    }
    if lines.len() > 1 {
        println!("\n{}", lines.join("\n"));
    }
    Ok(if all_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(ok: bool, step: &str, took: Duration, remark: &str) -> String {
    let line = format!("{:<6}  {step:<9} {:>7.1} s  {remark}", if ok { "ok" } else { "FAILED" }, took.as_secs_f64());
    line.trim_end().to_owned()
}

/// What is fuzzed of tiny-web, and for how long each.
const FUZZ_TARGETS: [&str; 5] = ["head", "body", "path", "range", "condition"];
const FUZZ_SECONDS: u32 = 12;

/// Errors: cargo can't be started.
fn fuzz() -> Result<bool> {
    // rustup's cargo, which knows of other compilers; the one that runs us doesn't.
    let cargo = || {
        let mut cargo = Command::new("cargo");
        cargo.env_remove("RUSTUP_TOOLCHAIN").args(["+nightly", "fuzz"]);
        cargo
    };
    let there = cargo().arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: to have it, `rustup toolchain install nightly` and `cargo install --locked cargo-fuzz`");
        return Ok(true);
    }
    let directory = crate::root().join("crates/tiny-web");
    let limit = format!("-max_total_time={FUZZ_SECONDS}");
    for target in FUZZ_TARGETS {
        if !programs::succeeds(cargo().current_dir(&directory).args(["run", target, "--", &limit, "-verbosity=0"]))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn cargo(arguments: &str) -> Result<bool> {
    programs::succeeds(programs::cargo().args(arguments.split(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_summary_are_aligned() {
        assert_eq!(summary(true, "clippy", Duration::from_millis(12_300), ""), "ok      clippy       12.3 s");
        assert_eq!(summary(false, "e2e", Duration::from_secs(100), ""), "FAILED  e2e         100.0 s");
        assert_eq!(summary(true, "e2e", Duration::from_secs(100), "but"), "ok      e2e         100.0 s  but");
    }
}
