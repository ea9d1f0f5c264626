//! Where the programs are: ours as they have just been built, and other people's; and what becomes of a test without them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The executable of one of our programs, or of the example `browser`, as it has just been built.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| match std::env::var("E2E_PROGRAMS") {
        Ok(json) => serde_json::from_str(&json).expect("E2E_PROGRAMS maps names to paths"),
        Err(_) => build(),
    });
    built.get(name).unwrap_or_else(|| panic!("{name} is not among the programs that were built: {built:?}")).clone()
}

/// Builds all programs and returns what cargo says it has built: a file that lies around may be an old one.
fn build() -> HashMap<String, PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--bins", "--examples", "--message-format=json-render-diagnostics"]);
    for name in ["tcp-echo-server", "tcp-echo-client", "udp-echo-server", "udp-echo-client", "tiny-web"] {
        command.args(["--package", name]);
    }
    let output = command.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "the programs don't build");
    let messages = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let messages = messages.map(|line| serde_json::from_slice::<serde_json::Value>(line).expect("cargo speaks JSON"));
    messages
        .filter_map(|message| {
            Some((message["target"]["name"].as_str()?.to_owned(), message["executable"].as_str()?.into()))
        })
        .collect()
}

/// A command for `program`, which dies with the test that starts it, even if the test is killed.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    let works = || Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).status().is_ok_and(|s| s.success());
    if !*SETPRIV.get_or_init(works) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// The path of somebody else's program. Without it, a test is skipped, aloud; in CI that is a failure.
pub fn peer(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// The path of somebody else's program that has several names; see [`peer`].
pub fn any_peer(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut files = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = files.find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("none of {names:?} is installed"));
    }
    found
}

/// Says that a test is skipped, and why. In CI, where everything has to be there, it fails instead.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "not to be skipped in CI: {why}");
    // Not println!, which the test runner would swallow.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
