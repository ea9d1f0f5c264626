//! Whether the benches still work: a short scene of each, once, with unoptimized programs and whatever peers are here. No
//! figure is judged, and so no bar: only that there is one for ours, and that it comes to an end.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What is tried, and what begins the line that must have a figure.
const TRIES: [(&[&str], &str); 6] = [
    (&["bench", "tcp", "--only", "prefix"], "none"),
    (&["bench", "tcp", "--only", "load"], "ours"),
    (&["bench", "udp", "--only", "ping-pong"], "ours"),
    (&["bench", "web", "--only", "small"], "ours"),
    (&["bench", "web", "--only", "hostile"], "alone: median"),
    (&["compare"], "events"),
];
/// Longer than any of them takes on a busy machine; in seconds, for timeout(1).
const PATIENCE: &str = "180";

/// Tries each, as a process of its own: a bench keeps to one processor.
///
/// Errors: one fails, doesn't end or has no figure for ours; with what it printed.
pub fn check() -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("skipped: the benches are for Linux");
        return Ok(());
    }
    let own = std::env::current_exe().context("cannot find this program")?;
    for (arguments, ours) in TRIES {
        let name = arguments.join(" ");
        println!("{name}");
        let mut command = Command::new("timeout");
        command.args(["--kill-after", "5", PATIENCE]).arg(&own).args(arguments);
        command.args(["--quick", "--runs", "1", "--unoptimized"]).stdin(Stdio::null());
        let output = command.output().context("cannot start timeout(1)")?;
        let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // 1 is for a bar that is missed, too.
        let is_over = matches!(output.status.code(), Some(0 | 1)) && !said.contains("xtask: ");
        ensure!(is_over, "cannot {name}: {}\n{printed}{said}", output.status);
        ensure!(has_figure(&printed, ours), "cannot {name}: no figure for {ours}\n{printed}{said}");
    }
    Ok(())
}

/// Whether a table has a line of this name with a figure in it.
fn has_figure(printed: &str, name: &str) -> bool {
    let figure = |line: &str| line.trim_start().strip_prefix(name)?.split_whitespace().next().map(str::to_owned);
    printed.lines().filter_map(figure).any(|word| word.replace(',', "").parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_table_has_a_figure_and_one_of_the_lineup_has_none() {
        assert!(has_figure("An echo\n            us\n  ours  1,004.5  3 - 4\n", "ours"));
        assert!(!has_figure("  ours  tcp-echo-server --port PORT\n  ours  -\n", "ours"));
    }
}
