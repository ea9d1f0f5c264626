//! The chores that Cargo alone can't express: `cargo xtask demo`, `bench`, `compare`, `e2e`, `ci`, `lab` and
//! `tidy`.
//!
//! Nothing here is part of the five programs, and none of them depends on it. It must stay quick to compile: it is built
//! before anything else is done.

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod compare;
mod demo;
mod e2e;
mod exercise;
mod lab;
mod programs;
mod second_try;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of this workspace
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    Demo(demo::Options),
    Bench(bench::Options),
    Compare(compare::Options),
    E2e(e2e::Options),
    Ci(ci::Options),
    Lab(lab::Options),
    Tidy(tidy::Options),
}

fn main() -> ExitCode {
    let done = match Options::parse().chore {
        Chore::Demo(options) => demo::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Compare(options) => compare::run(&options),
        Chore::E2e(options) => e2e::run(&options),
        Chore::Ci(options) => ci::run(&options),
        Chore::Lab(options) => lab::run(&options),
        Chore::Tidy(options) => tidy::run(&options),
    };
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}

/// The directory of the workspace: where this package's own is.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}
