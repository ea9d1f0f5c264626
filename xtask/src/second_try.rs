//! Tests on a machine that others use too: a few that fail among the others are tried once more, alone, and told by name.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::programs;

/// If more tests than this fail, it is not for what else the machine does.
const SECOND_TRIES: usize = 3;

/// Whether all tests pass that the command, which ends in `--`, runs; of what passed only at the second try, the remark has the
/// names.
///
/// Errors: the command can't be made or started.
pub fn pass(command: impl Fn() -> Result<Command>, remark: &mut String) -> Result<bool> {
    let (all_passed, failed) = failures(&mut command()?)?;
    if all_passed || failed.is_empty() || failed.len() > SECOND_TRIES {
        return Ok(all_passed);
    }
    let passes = programs::succeeds(command()?.args(["--exact", "--test-threads=1"]).args(&failed))?;
    if passes {
        *remark = format!("failed among the others, but passed alone: {}", failed.join(" "));
    }
    Ok(passes)
}

/// Runs tests, and shows what they print. Returns whether all pass, and the names of those that don't.
fn failures(command: &mut Command) -> Result<(bool, Vec<String>)> {
    let mut tests = command.stdout(Stdio::piped()).spawn().context("cannot start the tests")?;
    let mut failed = Vec::new();
    for line in tests.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).split(b'\n')) {
        let line = line.context("cannot read what the tests print")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        failed.extend(failed_test(&line).map(str::to_owned));
    }
    Ok((tests.wait().context("cannot wait for the tests")?.success(), failed))
}

/// The test that a line of a test program says has failed.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_of_a_test_that_has_failed_is_taken_for_one() {
        assert_eq!(failed_test("test tcp::the_lecture ... FAILED"), Some("tcp::the_lecture"));
        for other in ["test tcp::the_lecture ... ok", "test result: FAILED. 1 passed; 1 failed", "tcp::the_lecture"] {
            assert_eq!(failed_test(other), None);
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_has_failed_is_known_by_name() {
        let mut script = Command::new("sh");
        script.args(["-c", "echo 'test a ... ok'; echo 'test b::c ... FAILED'; exit 101"]);
        assert_eq!(failures(&mut script).unwrap(), (false, vec!["b::c".to_owned()]));
    }
}
