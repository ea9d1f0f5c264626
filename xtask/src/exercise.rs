//! Exercises: a crate with something taken out, and a test that tells when it's back.
//!
//! Each is a file `crates/NAME/exercises/EXERCISE.diff`. Applied to a copy of the crate, it makes the exercise's start; what
//! stands before the diff says what to do and which tests tell when it's done. `cargo xtask ci` sees to it that each start
//! compiles without a warning and that its tests fail there. That they pass in the end, the crate itself shows.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::programs;

/// One exercise, as its file describes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Exercise {
    /// The name of its file, without its end.
    pub name: String,
    /// What to do, in a sentence.
    task: String,
    /// What helps.
    hint: String,
    /// The tests that tell when it's done.
    pub tests: Vec<String>,
    /// The files of the crate that it changes.
    files: Vec<String>,
    file: PathBuf,
}

/// The exercises of a program, by name.
///
/// Errors: one can't be read or doesn't say what it has to.
pub fn all(program: &str) -> Result<Vec<Exercise>> {
    let directory = crate::root().join("crates").join(program).join("exercises");
    let entries = fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut exercises = Vec::new();
    for entry in entries {
        let file = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        if file.extension().is_some_and(|extension| extension == "diff") {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            exercises.push(read(file, &text)?);
        }
    }
    exercises.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(exercises)
}

/// The exercise of a program with this name.
///
/// Errors: there is none; it says which there are.
pub fn find(program: &str, name: &str) -> Result<Exercise> {
    let mut exercises = all(program)?;
    let names: Vec<String> = exercises.iter().map(|exercise| exercise.name.clone()).collect();
    match names.iter().position(|known| known == name) {
        Some(index) => Ok(exercises.swap_remove(index)),
        None => bail!("{program} has no exercise {name}; it has {}", names.join(", ")),
    }
}

fn read(file: PathBuf, text: &str) -> Result<Exercise> {
    let header: Vec<&str> = text.lines().take_while(|line| !line.starts_with("--- ")).collect();
    let values = |key: &str| -> Vec<String> {
        header.iter().filter_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned()).collect()
    };
    let (task, tests) = (values("Exercise:").join(" "), values("Test:"));
    ensure!(!task.is_empty() && !tests.is_empty(), "{} lacks a line 'Exercise:' or 'Test:'", file.display());
    let hint = header.iter().filter(|line| !line.starts_with("Exercise:") && !line.starts_with("Test:"));
    let hint = hint.copied().collect::<Vec<_>>().join("\n").trim().to_owned();
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let files = text.lines().filter_map(|line| line.strip_prefix("+++ b/")).map(str::to_owned).collect();
    Ok(Exercise { name, task, hint, tests, files, file })
}

impl fmt::Display for Exercise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exercise: {}\n\n{}", self.task, self.hint)
    }
}

impl Exercise {
    /// The files of the crate in which something is to do.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Turns a copy of the crate into the exercise's start.
    ///
    /// Errors: the diff doesn't fit the crate any more; git is missing.
    pub fn apply(&self, copy: &Path) -> Result<()> {
        let mut git = Command::new("git");
        // Outside of any repository git applies to the directory it's in; inside of one it would look from the top.
        git.current_dir(copy).env("GIT_CEILING_DIRECTORIES", copy.parent().unwrap_or(copy));
        ensure!(programs::succeeds(git.arg("apply").arg(&self.file))?, "cannot apply {}", self.file.display());
        Ok(())
    }

    /// Sees to it that the start, in `copy`, compiles without a warning and fails each of the tests. `cargo` makes a cargo
    /// command for that directory.
    ///
    /// Errors: it doesn't, and how.
    pub fn check_start(&self, cargo: impl Fn() -> Command) -> Result<()> {
        let name = &self.name;
        let built = cargo().args(["test", "--no-run"]).output().context("cannot start cargo")?;
        let said = String::from_utf8_lossy(&built.stderr);
        ensure!(built.status.success() && !said.contains("warning: "), "{name} does not begin clean:\n{said}");
        for test in &self.tests {
            // All targets are built and asked; one of them has the test.
            let run = cargo().args(["test", "--no-fail-fast", "--", "--exact", test]).output();
            let run = run.context("cannot start cargo")?;
            let said = String::from_utf8_lossy(&run.stdout);
            ensure!(
                said.contains(&format!("test {test} ... FAILED")),
                "{name}: {test} does not fail at the start:\n{said}"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exercise_says_what_to_do_and_how_to_tell() {
        let text = "Exercise: Mind the gap.\nTest: the_gap\nTest: a::b\n\nA hint.\n\n--- a/src/x.rs\n+++ b/src/x.rs\nTest: not this\n";
        let exercise = read("some/gap.diff".into(), text).unwrap();
        assert_eq!((exercise.name.as_str(), exercise.task.as_str()), ("gap", "Mind the gap."));
        assert_eq!(
            (exercise.hint.as_str(), &exercise.tests[..]),
            ("A hint.", &["the_gap".to_owned(), "a::b".to_owned()][..])
        );
        assert_eq!(exercise.files(), ["src/x.rs"]);
        assert!(read("x.diff".into(), "Test: a\n--- a\n").is_err());
    }
}
