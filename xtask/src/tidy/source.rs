//! What holds for every Rust file.

use super::{Finding, rust};

/// The lecture's calls. What makes two of them belongs into a program, where a reader looks for it.
const THIRTEEN: [&str; 13] = [
    "socket", "bind", "listen", "accept", "connect", "read", "write", "recv", "send", "recvfrom", "sendto", "shutdown",
    "close",
];
/// Longer than this, a file no longer fits in one sitting.
const MOST_LINES: usize = 300;
/// Marks of what isn't finished, found in code only.
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];
/// One more, found in comments as well. Written so that this file doesn't contain it.
const FIX_ME: &str = concat!("FIX", "ME");

/// All that is wrong with a Rust file.
pub fn check(path: &str, text: &str, is_crate_root: bool) -> Vec<Finding> {
    let code = rust::code_only(text);
    let mut findings: Vec<Finding> = has_no_header(path, text).into_iter().collect();
    findings.extend(is_unfinished(path, text, &code));
    findings.extend(is_long(path, text));
    if is_crate_root {
        findings.extend(may_be_unsafe(path, &code));
    }
    let are_tests = path.ends_with("/tests.rs");
    if path.starts_with("crates/common/src/") && path != "crates/common/src/berkeley.rs" && !are_tests {
        findings.extend(hides_a_sequence(path, &code));
    }
    findings
}

fn has_no_header(path: &str, text: &str) -> Option<Finding> {
    (!text.starts_with("//!")).then(|| Finding::new(path, 1, "doesn't begin with `//!`, what the file is for"))
}

fn is_unfinished(path: &str, text: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, (line, code)) in text.lines().zip(code.lines()).enumerate() {
        let marks = UNFINISHED.into_iter().filter(|mark| code.contains(mark));
        for mark in marks.chain(line.contains(FIX_ME).then_some(FIX_ME)) {
            findings.push(Finding::new(path, index + 1, format!("isn't finished: {mark}")));
        }
    }
    findings
}

fn is_long(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let what = || format!("{lines} lines: more than {MOST_LINES} are hard to read in one sitting");
    (lines > MOST_LINES).then(|| Finding::remark(path, lines, what()))
}

fn may_be_unsafe(path: &str, code: &str) -> Option<Finding> {
    (!code.contains("#![forbid(unsafe_code)]")).then(|| Finding::new(path, 1, "has no `#![forbid(unsafe_code)]`"))
}

fn hides_a_sequence(path: &str, code: &str) -> Vec<Finding> {
    // Tests are at the end of a file, or in one of their own, and may do what they like.
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut findings = Vec::new();
    for function in rust::functions(code) {
        let calls: usize = THIRTEEN.iter().map(|name| rust::count_calls(function.body, name)).sum();
        if calls > 1 {
            let what = format!("{} makes {calls} of the thirteen calls: that is a program's part", function.name);
            findings.push(Finding::new(path, function.line, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(path, text, true).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_file_has_nothing_wrong() {
        let good = "//! What it is for.\n#![forbid(unsafe_code)]\n// \"todo!\" in a comment or a string is nothing\n";
        assert_eq!(findings("a.rs", good), [""; 0]);
    }

    #[test]
    fn a_file_without_header_or_promise_is_found() {
        let expected =
            ["a.rs:1: doesn't begin with `//!`, what the file is for", "a.rs:1: has no `#![forbid(unsafe_code)]`"];
        assert_eq!(findings("a.rs", "fn main() {}\n// #![forbid(unsafe_code)]\n"), expected);
    }

    #[test]
    fn what_is_not_finished_is_found() {
        let text = format!("//! X\n#[ignore = \"slow\"]\nfn a() {{ todo!() }} // {FIX_ME}\n");
        let found: Vec<usize> = is_unfinished("a.rs", &text, &rust::code_only(&text)).iter().map(|f| f.line).collect();
        assert_eq!(found, [2, 3, 3]);
    }

    #[test]
    fn a_helper_that_makes_two_calls_is_found() {
        let code = "fn open() {\n let s = socket(); // bind(\n}\nfn both() {\n let s = berkeley::socket();\n bind(&s);\n}\n\
                    #[cfg(test)]\nmod tests {\n fn t() { socket(); bind(); }\n}";
        let found = hides_a_sequence("a.rs", &rust::code_only(code));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "a.rs:4: both makes 2 of the thirteen calls: that is a program's part");
    }

    #[test]
    fn a_long_file_is_only_a_remark() {
        let long = "//! X\n".repeat(MOST_LINES + 1);
        assert!(is_long("a.rs", &long).is_some_and(|finding| finding.is_remark));
    }
}
