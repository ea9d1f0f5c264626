//! `cargo xtask lab`: copies one program to a place of its own, as the start of an exercise; and checks that each can be.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::ci;
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
    let directory = match &options.directory {
        Some(directory) => directory.clone(),
        None => crate::root().join("lab").join(name),
    };
    copy(name, &directory)?;
    let own = directory.join(name);
    let own = std::env::current_dir().ok().and_then(|here| own.strip_prefix(here).ok()).unwrap_or(&own);
    println!("Your own {name} is in {}. Next:\n", directory.display());
    println!("    cd {}\n    cargo run -- --trace\n    cargo test", own.display());
    Ok(ExitCode::SUCCESS)
}

/// Makes `directory` a small workspace of `common` and this program. The lock file keeps the versions that were tested;
/// the manifest is there because cargo would otherwise look for one further up, and find this workspace's.
fn copy(name: &str, directory: &Path) -> Result<()> {
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
    // The same place each time: what cargo built there the last time is still good. Not in the workspace: cargo would see it.
    let mut hasher = DefaultHasher::new();
    crate::root().hash(&mut hasher);
    let place = Place(std::env::temp_dir().join(format!("xtask-lab-{:016x}", hasher.finish())));
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
        failures.extend(cargo_there("build", &plain.join(name)).err());
    }
    let failures: Vec<String> = failures.iter().map(|error| format!("{error:#}")).collect();
    ensure!(failures.is_empty(), "{}", failures.join("\nxtask: "));
    Ok(())
}

/// Runs `cargo build` or `cargo test` in a copy: without the network if that suffices to build it, and else with it.
fn cargo_there(command: &str, directory: &Path) -> Result<()> {
    let cargo = |arguments: &[&str]| {
        let mut cargo = programs::cargo();
        cargo.current_dir(directory).env("CARGO_TARGET_DIR", target()).arg("--quiet").args(arguments);
        cargo
    };
    let mut first = cargo(&["build", "--all-targets", "--offline"]);
    let offline = ci::succeeds(first.stdout(Stdio::null()).stderr(Stdio::null()))?;
    if !ci::succeeds(cargo(&[command]).args(offline.then_some("--offline")))? {
        bail!("cannot {command} the copy in {}", directory.display());
    }
    Ok(())
}

/// One directory for what is built of all the copies, so that most of it is built once.
fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from);
    crate::root().join(target).join("labs")
}

/// A temporary directory, removed at the end.
struct Place(PathBuf);

impl Place {
    fn clear(&self) -> Result<()> {
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
