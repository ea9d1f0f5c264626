//! Whether the benches still work: every scene of each, once and short, with unoptimized programs, for ours and the yardsticks.
//! No figure is judged, and so no bar: only that each can be measured, and that it comes to an end.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What is tried.
const TRIES: [&[&str]; 4] = [&["bench", "tcp"], &["bench", "udp"], &["bench", "web"], &["compare"]];
/// Much longer than any of them takes on a busy machine; in seconds, for timeout(1).
const PATIENCE: &str = "300";

/// Tries each, as a process of its own: a bench keeps to one processor.
///
/// Errors: one fails, or doesn't end; with what it printed.
pub fn check() -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("skipped: the benches are for Linux");
        return Ok(());
    }
    let own = std::env::current_exe().context("cannot find this program")?;
    for arguments in TRIES {
        let name = arguments.join(" ");
        println!("{name}");
        let mut command = Command::new("timeout");
        command.args(["--kill-after", "5", PATIENCE]).arg(&own).args(arguments).arg("--smoke").stdin(Stdio::null());
        let output = command.output().context("cannot start timeout(1)")?;
        let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "cannot {name}: {}\n{printed}{said}", output.status);
        printed.lines().filter(|line| line.starts_with("skipped: ")).for_each(|line| println!("{line}"));
    }
    Ok(())
}
