//! Our clients' `load`, which the echo servers are asked by: it checks every byte, and tells how many echoes there were.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::cases::Done;
use crate::programs::{self, Executables};

/// How long a server may take to connect or to reply: more than any that works on loopback needs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `load` of the program of this name with these options.
///
/// Errors: it fails, because a reply is lost, late or wrong; with what it said.
pub fn load(executables: &Executables, program: &str, port: u16, options: &[&str]) -> Result<Done> {
    let mut client = Command::new(programs::get(executables, program)?);
    client.args(["load", "127.0.0.1", &port.to_string(), "--json"]).args(options);
    client.args(["--timeout", &format!("{}s", PATIENCE.as_secs())]);
    let output = client.stdin(Stdio::null()).output().with_context(|| format!("cannot start {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let why = said.lines().next().unwrap_or("it does not say why");
    ensure!(output.status.success(), "{}", why.trim_start_matches(program).trim_start_matches(": "));
    done(&output.stdout).context("cannot understand what the load printed")
}

fn done(json: &[u8]) -> Option<Done> {
    let report: serde_json::Value = serde_json::from_slice(json).ok()?;
    let count = report["account"]["received"].as_u64()?;
    let elapsed_ns = report["elapsed_ns"].as_u64()?.max(1);
    Some(Done { count, rate: count as f64 * 1e9 / elapsed_ns as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_tells_how_many_echoes_there_were() {
        let told = done(br#"{"elapsed_ns":500000000,"account":{"sent":7,"received":6}}"#).unwrap();
        assert_eq!((told.count, told.rate), (6, 12.0));
        assert!(done(b"{}").is_none());
    }
}
