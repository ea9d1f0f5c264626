//! `cargo xtask lab`: copies one program to a place of its own, as the start of an exercise; and checks that each can be.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::exercise;
use crate::programs::{self, FIVE};

/// What every program needs beside it.
const COMMON: &str = "common";
/// Directories that aren't part of a crate.
const NOT_COPIED: [&str; 1] = ["target"];

/// Copy one program, with what it needs, to a directory of its own
#[derive(Args)]
pub struct Options {
    /// Which program
    #[arg(value_name = "NAME", required_unless_present = "check", value_parser = PossibleValuesParser::new(FIVE))]
    name: Option<String>,

    /// Where to; it must not exist yet [default: lab/NAME]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Begin this exercise: the copy lacks something, and a test tells when it's back
    #[arg(long, value_name = "EXERCISE", requires = "name")]
    exercise: Option<String>,

    /// Copy all five to a temporary place and see that each builds and passes its tests there
    #[arg(long, conflicts_with = "name")]
    check: bool,
}

/// Copies one program, or checks that all can be copied.
///
/// Errors: the directory exists, or can't be written; a copy doesn't build, or fails its tests.
pub fn run(options: &Options) -> Result<ExitCode> {
    let Some(name) = options.name.as_deref().filter(|_| !options.check) else {
        check()?;
        return Ok(ExitCode::SUCCESS);
    };
    let exercise = options.exercise.as_deref().map(|exercise| exercise::find(name, exercise)).transpose()?;
    let directory = match (&options.directory, &exercise) {
        (Some(directory), _) => directory.clone(),
        (None, None) => crate::root().join("lab").join(name),
        (None, Some(exercise)) => crate::root().join("lab").join(format!("{name}-{}", exercise.name)),
    };
    copy(name, &directory)?;
    let own = directory.join(name);
    if let Some(exercise) = &exercise {
        exercise.apply(&own)?;
        println!("{exercise}\n");
    }
    let here = std::env::current_dir().unwrap_or_default();
    let own = own.strip_prefix(here).unwrap_or(&own);
    println!("Your own {name}, and a copy of what it needs. Next:\n");
    println!("    cd {}\n    cargo run -- --trace\n    cargo test", own.display());
    if let Some(exercise) = &exercise {
        println!("\nLook for \"Your turn\" in {}. It's done when this passes:\n", exercise.files().join(" and "));
        for test in &exercise.tests {
            println!("    cargo test {test}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes `directory` a small workspace of `common` and this program. The lock file keeps the versions that were tested;
/// the manifest is there because cargo would otherwise look for one further up, and find this workspace's.
///
/// Errors: the directory exists, or can't be written.
pub fn copy(name: &str, directory: &Path) -> Result<()> {
    ensure!(
        !directory.exists(),
        "cannot copy {name} to {}: it exists already; move it away, or name another directory",
        directory.display()
    );
    let root = crate::root();
    for part in [COMMON, name] {
        copy_directory(&root.join("crates").join(part), &directory.join(part))?;
    }
    for file in ["Cargo.lock", "rustfmt.toml"] {
        copy_file(&root.join(file), &directory.join(file))?;
    }
    let manifest = format!(
        "# Makes this directory a workspace of its own: {name} and what it needs.\n\
         [workspace]\nresolver = \"3\"\nmembers = [\"{name}\", \"{COMMON}\"]\n"
    );
    let path = directory.join("Cargo.toml");
    fs::write(&path, manifest).with_context(|| format!("cannot write {}", path.display()))
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make the directory {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if !path.is_dir() {
            copy_file(&path, &to)?;
        } else if !NOT_COPIED.iter().any(|name| entry.file_name() == *name) {
            copy_directory(&path, &to)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display())).map(drop)
}

/// Proves for each program that its copy builds and passes its tests: once as this command copies it, and once as
/// `cp -r` would, with no manifest and no lock file beside it.
///
/// Errors: one of them doesn't.
pub fn check() -> Result<()> {
    let place = Place::of("labs");
    place.clear()?;
    let (labs, plain) = (place.0.join("lab"), place.0.join("plain"));
    let crates = crate::root().join("crates");
    // All copies first: somebody may be at work on the originals.
    copy_directory(&crates.join(COMMON), &plain.join(COMMON))?;
    for name in FIVE {
        copy(name, &labs.join(name))?;
        copy_directory(&crates.join(name), &plain.join(name))?;
    }
    let mut failures = Vec::new();
    for name in FIVE {
        println!("cargo xtask lab {name}");
        failures.extend(cargo_there("test", &labs.join(name).join(name)).err());
        println!("cp -r crates/{COMMON} crates/{name}");
        failures.extend(cargo_there("test", &plain.join(name)).err());
    }
    all_well(&failures)
}

/// Proves for each exercise that it begins as it says: without a warning, and with its tests failing.
///
/// Errors: one of them doesn't.
pub fn check_exercises() -> Result<()> {
    let place = Place::of("exercises");
    place.clear()?;
    // All programs at once: a test that fails mostly waits for something that doesn't come.
    let outcomes = thread::scope(|scope| {
        let place = &place;
        let running = FIVE.map(|name| scope.spawn(move || check_exercises_of(name, &place.0.join(name))));
        running.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("the check itself has failed"))))
    });
    let failures: Vec<anyhow::Error> = outcomes.into_iter().filter_map(Result::err).collect();
    all_well(&failures)
}

fn check_exercises_of(name: &str, copied: &Path) -> Result<()> {
    copy(name, copied)?;
    let own = copied.join(name);
    for exercise in exercise::all(name)? {
        // Each begins with the crate as it is; what it needs beside it needn't be built again.
        fs::remove_dir_all(&own).with_context(|| format!("cannot remove {}", own.display()))?;
        copy_directory(&crate::root().join("crates").join(name), &own)?;
        exercise.apply(&own).and_then(|()| exercise.check_start(|| cargo(&own))).with_context(|| name.to_owned())?;
        println!("cargo xtask lab {name} --exercise {}", exercise.name);
    }
    Ok(())
}

fn all_well(failures: &[anyhow::Error]) -> Result<()> {
    let failures: Vec<String> = failures.iter().map(|error| format!("{error:#}")).collect();
    ensure!(failures.is_empty(), "{}", failures.join("\nxtask: "));
    Ok(())
}

/// A cargo command for a copy, sharing what is built with the other copies.
fn cargo(directory: &Path) -> Command {
    let mut cargo = programs::cargo();
    cargo.current_dir(directory).env("CARGO_TARGET_DIR", target());
    cargo
}

/// Runs `cargo build` or `cargo test` in a copy: without the network if that suffices to build it, and else with it.
fn cargo_there(command: &str, directory: &Path) -> Result<()> {
    let mut first = cargo(directory);
    first.args(["build", "--all-targets", "--offline"]);
    let offline = programs::succeeds(first.stdout(Stdio::null()).stderr(Stdio::null()))?;
    if !programs::succeeds(cargo(directory).args(["--quiet", command]).args(offline.then_some("--offline")))? {
        bail!("cannot {command} the copy in {}", directory.display());
    }
    Ok(())
}

/// One directory for what is built of all the copies, so that most of it is built once.
pub fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from);
    crate::root().join(target).join("labs")
}

/// A temporary directory, removed at the end.
pub struct Place(pub PathBuf);

impl Place {
    /// The same each time: what cargo built there the last time is still good. Not in the workspace: cargo would see it.
    pub fn of(what: &str) -> Place {
        let mut hasher = DefaultHasher::new();
        crate::root().hash(&mut hasher);
        Place(std::env::temp_dir().join(format!("xtask-{what}-{:016x}", hasher.finish())))
    }

    pub fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.0.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_exists_is_not_touched() {
        let error = copy("tiny-web", &crate::root()).unwrap_err().to_string();
        assert!(error.contains("it exists already"), "{error}");
    }

    #[test]
    fn a_copy_has_the_crate_and_what_it_needs_but_nothing_that_was_built() {
        let place = Place(std::env::temp_dir().join(format!("xtask-test-{}", std::process::id())));
        let (from, to) = (place.0.join("from"), place.0.join("to"));
        fs::create_dir_all(from.join("target/debug")).unwrap();
        fs::create_dir_all(from.join("src")).unwrap();
        fs::write(from.join("src/main.rs"), "fn main() {}").unwrap();
        copy_directory(&from, &to).unwrap();
        assert!(to.join("src/main.rs").exists());
        assert!(!to.join("target").exists());
    }
}
