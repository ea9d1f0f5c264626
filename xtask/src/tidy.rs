//! `cargo xtask tidy`: the invariants of ARCHITECTURE.md that a command can check. Each is a function from a file's text to
//! what is wrong with it.

mod document;
mod manifest;
mod rust;
mod source;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;

use crate::programs;

/// Directories whose files aren't ours.
const NOT_OURS: [&str; 3] = ["target", "lab", ".git"];
/// The documents that must be there, and how many lines they may have.
const DOCUMENTS: [(&str, usize); 3] = [("README.md", 150), ("ARCHITECTURE.md", 120), ("LECTURE.md", usize::MAX)];

/// Check the invariants of ARCHITECTURE.md that a command can check
#[derive(Args)]
pub struct Options {}

/// Something that isn't as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// From the root of the workspace, with `/` on every system.
    path: String,
    line: usize,
    what: String,
    /// Only worth a thought: no reason to fail.
    is_remark: bool,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, what: what.into(), is_remark: false }
    }

    fn remark(path: &str, line: usize, what: impl Into<String>) -> Finding {
        Finding { is_remark: true, ..Finding::new(path, line, what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remark = if self.is_remark { "remark: " } else { "" };
        write!(f, "{}:{}: {remark}{}", self.path, self.line, self.what)
    }
}

/// Checks, and says what was found.
///
/// Errors: as [`check`].
pub fn run(_options: &Options) -> Result<ExitCode> {
    Ok(if check()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether everything is as it should be. What isn't, is printed with its file and line.
///
/// Errors: a file can't be read, or cargo can't tell the crates.
pub fn check() -> Result<bool> {
    let root = crate::root();
    let mut findings = Vec::new();
    let mut files = Vec::new();
    find_files(&root, &mut files)?;
    files.sort();
    let roots = crate_roots()?;
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let path = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().replace('\\', "/");
        if path.ends_with("/Cargo.toml") {
            findings.extend(manifest::check(&path, &text));
        } else if path.ends_with(".rs") {
            findings.extend(source::check(&path, &text, roots.contains(file)));
        } else if path.ends_with(".md") {
            findings.extend(document::broken_links(&path, &text, &exists(&root)));
        }
    }
    for (name, most_lines) in DOCUMENTS {
        match fs::read_to_string(root.join(name)) {
            Ok(text) => findings.extend(document::too_long(name, &text, most_lines)),
            Err(_) => findings.push(Finding::new(name, 1, "this document is missing")),
        }
    }
    if let Ok(text) = fs::read_to_string(root.join("LECTURE.md")) {
        findings.extend(document::stale_names("LECTURE.md", &text, &read(&root)));
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    let wrong = findings.iter().filter(|finding| !finding.is_remark).count();
    println!("{} files, {wrong} to put right", files.len());
    Ok(wrong == 0)
}

/// Whether a path, from the root, is there.
fn exists(root: &Path) -> impl Fn(&str) -> bool {
    move |path| root.join(path).exists()
}

/// What a path, from the root, has: the text of a file, nothing for a directory. None: it isn't there.
fn read(root: &Path) -> impl Fn(&str) -> Option<String> {
    move |path| {
        let path = root.join(path);
        if path.is_dir() { Some(String::new()) } else { fs::read_to_string(path).ok() }
    }
}

/// All manifests, Rust files and documents of ours.
fn find_files(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !NOT_OURS.contains(&&*name) {
                find_files(&path, files)?;
            }
        } else if name == "Cargo.toml" || name.ends_with(".rs") || name.ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    src_path: PathBuf,
}

/// The first file of every crate of the workspace: libraries, programs, examples, tests.
fn crate_roots() -> Result<Vec<PathBuf>> {
    let output = programs::cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "cannot list the crates: {}", String::from_utf8_lossy(&output.stderr).trim());
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cannot understand cargo metadata")?;
    Ok(metadata.packages.into_iter().flat_map(|package| package.targets).map(|target| target.src_path).collect())
}
