//! What a document says must be so: its links lead somewhere, and the files and functions it names are there.

use super::{Finding, rust};

/// A document longer than it may be.
pub fn too_long(path: &str, text: &str, most_lines: usize) -> Option<Finding> {
    let lines = text.lines().count();
    (lines > most_lines).then(|| Finding::new(path, lines, format!("has {lines} lines, and may have {most_lines}")))
}

/// Relative links whose target isn't there. `exists` is asked about paths from the root of the workspace.
pub fn broken_links(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut findings = Vec::new();
    for (number, line) in prose(text) {
        for target in links(&without_code(line)) {
            let file = target.split('#').next().unwrap_or_default();
            let elsewhere = file.is_empty() || file.contains("://") || file.starts_with("mailto:");
            let from_root = if directory.is_empty() { file.to_owned() } else { format!("{directory}/{file}") };
            if !elsewhere && !exists(&from_root) {
                findings.push(Finding::new(path, number, format!("links to {target}, which isn't there")));
            }
        }
    }
    findings
}

/// Paths between backticks that aren't there, and `path::name` where the file has no such function, type or module.
/// `read` is asked for paths from the root of the workspace; a directory is an empty text.
pub fn stale_names(path: &str, text: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(text) {
        for span in line.split('`').skip(1).step_by(2) {
            let (file, name) = span.split_once("::").unwrap_or((span, ""));
            if !is_path(file, read) {
                continue;
            }
            let Some(text) = read(file) else {
                findings.push(Finding::new(path, number, format!("names {file}, which isn't there")));
                continue;
            };
            // Of `Type::method`, both must be there.
            let code = rust::code_only(&text);
            let missing = name.split("::").filter(|part| !part.is_empty() && !rust::defines(&code, part));
            findings
                .extend(missing.map(|part| Finding::new(path, number, format!("names {part}, which {file} hasn't"))));
        }
    }
    findings
}

/// Whether the words between two backticks are meant as a path of this workspace: a source file, or something below one of
/// our directories. `text/html` and `http://localhost:2000` aren't.
fn is_path(words: &str, read: &dyn Fn(&str) -> Option<String>) -> bool {
    let plain = !words.contains(char::is_whitespace) && !words.contains("://") && !words.starts_with('/');
    let first = words.split_once('/').map(|(first, _)| first);
    plain && first.is_some_and(|first| words.ends_with(".rs") || (!first.is_empty() && read(first).is_some()))
}

/// The lines outside of fenced code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        (!fence && !in_code).then_some((index + 1, line))
    })
}

/// A line without what stands between backticks, which is no link.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

/// The targets of a line's links: `[words](target)` and `[words]: target`.
fn links(line: &str) -> Vec<String> {
    let mut targets: Vec<String> =
        line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()).map(str::to_owned).collect();
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        targets.extend(target.split_whitespace().next().map(str::to_owned));
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Option<String> {
        match path {
            "crates" | "crates/a" => Some(String::new()),
            "crates/a/src/x.rs" => Some("pub struct Echo;\nimpl Echo { fn serve() {} } // fn old".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn a_name_that_is_gone_is_found() {
        let text = "| `crates/a/src/x.rs::serve` | `crates/a/src/x.rs::Echo::serve` | `crates/a/` |\n\
                    `crates/a/src/x.rs::old`\n`crates/b/src/y.rs`, `crate/z.rs` and `crates/c`\n";
        let found: Vec<String> = stale_names("L.md", text, &|path| read(path.trim_end_matches('/')))
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = [
            "L.md:2: names old, which crates/a/src/x.rs hasn't",
            "L.md:3: names crates/b/src/y.rs, which isn't there",
            "L.md:3: names crate/z.rs, which isn't there",
            "L.md:3: names crates/c, which isn't there",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_only_looks_like_a_path_is_left_alone() {
        let text =
            "`text/html`, `http://localhost:2000/x.rs`, `/usr/bin/python`, `x.rs`, `a b/c.rs`\n```\n`no/y.rs`\n```\n";
        assert_eq!(stale_names("L.md", text, &read), []);
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        let text = "[a](x.md) [b](../y.md#part) [c](https://example.org/z) [d](#here) `[e](no.md)`\n[f]: gone.md\n";
        let exists = |path: &str| path == "docs/x.md";
        let found: Vec<String> = broken_links("docs/L.md", text, &exists).iter().map(ToString::to_string).collect();
        let expected = [
            "docs/L.md:1: links to ../y.md#part, which isn't there",
            "docs/L.md:2: links to gone.md, which isn't there",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_document_may_have_so_many_lines() {
        assert_eq!(too_long("A.md", "a\nb\n", 2), None);
        assert!(too_long("A.md", "a\nb\nc\n", 2).is_some());
    }
}
