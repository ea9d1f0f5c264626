//! The memory of our server under a flood of datagrams whose senders don't exist, each with an address of its own: what it
//! remembers of senders must not grow with them.
//!
//! A forged sender takes a raw socket, and the replies must hit nobody: so it is done in a network of its own, by a script.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::peers::{self, SIMPLE};
use crate::bench::Bench;
use crate::bench::subjects::{OURS, PORT, Subject};
use crate::bench::table::{Row, Table, grouped};
use crate::bench::workshop::works;

/// The port of the server, in a network where there is no other.
const SERVER_PORT: &str = "2000";
/// How many senders there are. A tenth of them is more than any table of the server's has room for.
const SENDERS: usize = 1_000_000;
const SENDERS_QUICK: usize = 200_000;
/// A page or two more than after the first tenth are no growth.
const MOST: f64 = 1.05;
/// unshare(1) makes the network; and who isn't root is it in there.
const AS_ROOT: [&str; 2] = ["unshare", "--net"];
const AS_ANYBODY: [&str; 3] = ["unshare", "--net", "--map-root-user"];

/// Bytes of memory at three points of a flood.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    at_rest: u64,
    after_a_tenth: u64,
    after_all: u64,
}

/// Measures each design once: it is a matter of bytes, not of time. None: there can be no such network here.
pub fn table(bench: &Bench, _subjects: &[Subject]) -> Result<Option<Table>> {
    let can = |unshare: &&[&str]| works(unshare[0], &[&unshare[1..], &["ip", "link", "set", "lo", "up"]].concat());
    let Some(unshare) = [&AS_ROOT[..], &AS_ANYBODY[..]].into_iter().find(can) else {
        let how = "it takes root or user namespaces, and ip(8); to have it: apt install iproute2";
        return bench.skip(&format!("the flood: {how}")).map(|()| None);
    };
    if !works("python3", &["--version"]) {
        return bench.skip("the flood: python3 is not here; to have it: apt install python3").map(|()| None);
    }
    let script = bench.workshop.write("flood.py", include_str!("peers/flood.py"))?;
    let senders = bench.crowd(if bench.quick { SENDERS_QUICK } else { SENDERS }) as u64;
    let mut rows = Vec::new();
    for (name, design) in [(OURS, "batch"), (SIMPLE, "simple")] {
        let subject = peers::ours_guarded(bench, name, design)?;
        let used = flood(bench, unshare, &script, &subject, senders)?;
        let row = |when: &str, bytes: u64| Row {
            name: format!("{name}, {when}"),
            samples: vec![bytes as f64 / 1024.0],
            ..Row::default()
        };
        rows.push(row("at rest", used.at_rest));
        rows.push(row(&format!("after {}", grouped(senders / 10)), used.after_a_tenth));
        let ratios = vec![used.after_all as f64 / used.after_a_tenth as f64];
        rows.push(Row { ratios, bar: Some(MOST), ..row(&format!("after {}", grouped(senders)), used.after_all) });
    }
    let title = "Memory of the process under a flood of datagrams, each from another address".to_owned();
    Ok(Some(Table { title, unit: "KiB", ratio: "it / line above", rows }))
}

fn flood(bench: &Bench, unshare: &[&str], script: &str, subject: &Subject, senders: u64) -> Result<Used> {
    let mut command = Command::new(unshare[0]);
    command.args(&unshare[1..]).args(["python3", script, SERVER_PORT, &senders.to_string()]);
    command.args(["taskset", "-c", &bench.cores[0].to_string()]);
    command.args(subject.command.iter().map(|word| word.replace(PORT, SERVER_PORT)));
    let output = command.stdin(Stdio::null()).output().context("cannot start python3")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cannot flood {}: {}", subject.name, said.trim());
    used(&output.stdout).context("cannot understand what flood.py printed")
}

fn used(json: &[u8]) -> Option<Used> {
    let report: Value = serde_json::from_slice(json).ok()?;
    let bytes = |name: &str| report[name].as_u64();
    Some(Used { at_rest: bytes("at_rest")?, after_a_tenth: bytes("after_a_tenth")?, after_all: bytes("after_all")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_tells_three_figures() {
        let told = used(br#"{"at_rest": 4096, "after_a_tenth": 8192, "after_all": 8193}"#);
        assert_eq!(told, Some(Used { at_rest: 4096, after_a_tenth: 8192, after_all: 8193 }));
        assert_eq!(used(br#"{"at_rest": 4096}"#), None);
    }
}
