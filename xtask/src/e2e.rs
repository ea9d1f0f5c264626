//! `cargo xtask e2e`: the tests that run several programs together, against the exact files just built.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::programs;

/// How the tests learn where the programs are: a JSON object, name -> absolute path.
const VARIABLE: &str = "E2E_PROGRAMS";

/// Build all programs and test them together
#[derive(Args)]
pub struct Options {
    /// Given to the test program: part of a test's name, or options such as --nocapture
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds, then tests. The exit status is that of the tests.
///
/// Errors: as [`check`].
pub fn run(options: &Options) -> Result<ExitCode> {
    Ok(if check(&options.arguments)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the tests pass.
///
/// Errors: a program can't be built, or the tests can't be started.
fn check(arguments: &[OsString]) -> Result<bool> {
    programs::succeeds(command()?.args(arguments))
}

/// The test program, with the programs as they have just been built.
///
/// Errors: a program can't be built.
pub fn command() -> Result<Command> {
    let executables = programs::build(&programs::FIVE)?;
    let object = serde_json::to_string(&executables).context("cannot write down where the programs are")?;
    let mut command = programs::cargo();
    command.env(VARIABLE, object).args(["test", "--package", "e2e", "--"]);
    Ok(command)
}
