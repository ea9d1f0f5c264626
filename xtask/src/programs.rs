//! Builds the programs and tells which files came of it, as cargo itself says: a file found by its name may be a stale one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The lecture's five programs; each is a package of the same name.
pub const FIVE: [&str; 5] = ["tcp-echo-server", "tcp-echo-client", "udp-echo-server", "udp-echo-client", "tiny-web"];

/// The example of `tiny-web` that plays the browser.
pub const BROWSER: &str = "browser";

/// Name of a program -> the file just built.
pub type Executables = BTreeMap<String, PathBuf>;

/// A message of cargo's, as far as it matters here. See "External tools" in the Cargo book.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// The cargo that runs this, or the one on the search path.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(crate::root());
    cargo
}

/// Builds these packages' programs, and the browser if `tiny-web` is among them.
///
/// Errors: cargo can't be started, or a build fails; cargo has then said why on stderr.
pub fn build(packages: &[&str]) -> Result<Executables> {
    let examples: &[&str] = if packages.contains(&"tiny-web") { &[BROWSER] } else { &[] };
    build_as(&[], packages, examples)
}

/// Builds these packages' programs and examples, with these options of cargo's.
///
/// Errors: as [`build`].
pub fn build_as(options: &[&str], packages: &[&str], examples: &[&str]) -> Result<Executables> {
    let mut command = cargo();
    command.args(["build", "--bins", "--message-format=json-render-diagnostics"]).args(options);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    command.args(examples.iter().flat_map(|example| ["--example", example]));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let stdout = child.stdout.take().context("cannot read what cargo says")?;
    let mut executables = Executables::new();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cannot read what cargo says")?;
        executables.extend(executable(&line));
    }
    ensure!(child.wait().context("cannot wait for cargo")?.success(), "cannot build {}", packages.join(", "));
    Ok(executables)
}

/// The program that a line of cargo's is about, if it is about one.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Message = serde_json::from_str(line).ok()?;
    (message.reason == "compiler-artifact").then_some((message.target?.name, message.executable?))
}

/// One of the executables.
///
/// Errors: cargo built no such program.
pub fn get<'a>(executables: &'a Executables, name: &str) -> Result<&'a Path> {
    match executables.get(name) {
        Some(path) => Ok(path),
        None => bail!("cannot find {name} among the programs that cargo built"),
    }
}

/// Whether a command succeeds.
///
/// Errors: it can't be started.
pub fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_artifact_that_can_be_run_is_a_program() {
        let program = r#"{"reason":"compiler-artifact","target":{"name":"a","kind":["bin"]},"executable":"/t/a"}"#;
        assert_eq!(executable(program), Some(("a".to_owned(), PathBuf::from("/t/a"))));
        let library = r#"{"reason":"compiler-artifact","target":{"name":"c","kind":["lib"]},"executable":null}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(executable("not of cargo's"), None);
    }
}
