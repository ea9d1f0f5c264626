//! What a manifest must have, so that its crate can be copied away and still builds.

use super::Finding;
use crate::programs::FIVE;

/// What every manifest has: nothing is inherited.
const LINES: [(&str, &str); 4] = [
    ("package", "edition = \"2024\""),
    ("package", "rust-version = \"1.88\""),
    ("lints.rust", "unsafe_code = \"forbid\""),
    ("lints.clippy", "all = { level = \"warn\", priority = -1 }"),
];

/// A line of a manifest, without its comment, with its number and the section that it stands in.
struct Line<'a> {
    number: usize,
    section: &'a str,
    text: &'a str,
}

/// All that is wrong with a manifest.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let lines = lines(text);
    let mut findings = misses_its_own_lines(path, &lines);
    if path.starts_with("crates/") {
        findings.extend(inherits(path, &lines));
        findings.extend(depends_on_a_neighbour(path, &lines));
    }
    if path == "crates/common/Cargo.toml" {
        findings.extend(could_be_published(path, &lines));
    }
    findings
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut section = "";
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let text = line.split(" #").next().unwrap_or_default().trim();
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim_matches(['[', ']']);
        }
        if !text.is_empty() && !text.starts_with('#') {
            lines.push(Line { number: index + 1, section, text });
        }
    }
    lines
}

fn misses_its_own_lines(path: &str, lines: &[Line]) -> Vec<Finding> {
    let has = |(section, text)| lines.iter().any(|line| line.section == section && line.text == text);
    let missing = LINES.into_iter().filter(|wanted| !has(*wanted));
    missing.map(|(section, text)| Finding::new(path, 1, format!("has no `{text}` under [{section}]"))).collect()
}

fn inherits(path: &str, lines: &[Line]) -> Vec<Finding> {
    let inherits = |line: &&Line| line.text.replace(' ', "").contains("workspace=true");
    let what = "inherits from the workspace: a copy of the crate couldn't";
    lines.iter().filter(inherits).map(|line| Finding::new(path, line.number, what)).collect()
}

/// The only dependency that is a path is `../common`, which has no version: it could be looked up on the registry, where
/// a stranger's crate has its name. And no program depends on another.
fn depends_on_a_neighbour(path: &str, lines: &[Line]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in lines.iter().filter(|line| line.section.contains("dependencies")) {
        let text = line.text.replace(' ', "");
        // `[dependencies.common]` has its name in the head, and `common = { … }` before the first sign.
        let head = line.section.split_once("dependencies.").map(|(_, name)| name);
        let name = head.unwrap_or_else(|| text.split(['=', '.']).next().unwrap_or_default());
        if FIVE.contains(&name) {
            findings.push(Finding::new(path, line.number, format!("depends on the program {name}")));
        }
        if text.contains("path=") && !text.contains("path=\"../common\"") {
            findings.push(Finding::new(path, line.number, "depends on a path other than ../common"));
        }
        if name == "common" && text.contains("version=") {
            findings.push(Finding::new(path, line.number, "gives a version of common, which the registry has too"));
        }
    }
    findings
}

fn could_be_published(path: &str, lines: &[Line]) -> Vec<Finding> {
    if lines.iter().any(|line| line.section == "package" && line.text == "publish = false") {
        return Vec::new();
    }
    vec![Finding::new(path, 1, "has no `publish = false`: the registry has a stranger's crate of this name")]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
        [package]\nname = \"x\"\nedition = \"2024\"\nrust-version = \"1.88\"\npublish = false\n\
        [dependencies]\ncommon = { path = \"../common\" }\n\
        [lints.rust]\nunsafe_code = \"forbid\"\n\
        [lints.clippy]\nall = { level = \"warn\", priority = -1 } # as everywhere\n";

    fn findings(text: &str) -> Vec<String> {
        check("crates/common/Cargo.toml", text)
            .iter()
            .map(|finding| format!("{}: {}", finding.line, finding.what))
            .collect()
    }

    #[test]
    fn a_good_manifest_has_nothing_wrong() {
        assert_eq!(findings(GOOD), [""; 0]);
    }

    #[test]
    fn what_a_copy_could_not_inherit_is_found() {
        let bad = GOOD.replace("edition = \"2024\"", "edition.workspace = true");
        let expected = [
            "1: has no `edition = \"2024\"` under [package]",
            "3: inherits from the workspace: a copy of the crate couldn't",
        ];
        assert_eq!(findings(&bad), expected);
    }

    #[test]
    fn a_lint_that_is_missing_is_found() {
        let bad = GOOD.replace("unsafe_code = \"forbid\"", "");
        assert_eq!(findings(&bad), ["1: has no `unsafe_code = \"forbid\"` under [lints.rust]"]);
    }

    #[test]
    fn a_dependency_on_a_program_is_found() {
        let bad = GOOD.replace("common = { path = \"../common\" }", "tiny-web = { path = \"../tiny-web\" }");
        let expected = ["7: depends on the program tiny-web", "7: depends on a path other than ../common"];
        assert_eq!(findings(&bad), expected);
    }

    #[test]
    fn a_version_of_common_is_found_in_both_notations() {
        let version = "gives a version of common, which the registry has too";
        let inline = GOOD.replace("{ path = \"../common\" }", "{ path = \"../common\", version = \"0.1\" }");
        assert_eq!(findings(&inline), [format!("7: {version}")]);
        let table = format!("{GOOD}[dependencies.common]\nversion = \"0.1\"\n");
        assert_eq!(findings(&table), [format!("13: {version}")]);
    }

    #[test]
    fn a_common_that_could_be_published_is_found() {
        let bad = GOOD.replace("publish = false", "");
        assert_eq!(findings(&bad).len(), 1);
    }
}
