//! The page that shows what is in a folder: a table that reads well without scripts, without colours, and aloud.

use std::fmt::Write;
use std::time::SystemTime;

use humantime::format_rfc3339_seconds;

use crate::path::{LocalPath, encode};

/// A line of the page.
pub struct Line {
    /// As the system has it: bytes.
    pub name: Vec<u8>,
    pub is_folder: bool,
    pub length: u64,
    pub modified: Option<SystemTime>,
}

/// What all pages begin with. `color-scheme` lets the browser choose dark or light; the icon keeps it from asking for one.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th { text-align: left } td, th { padding: .2rem 1rem .2rem 0 }
tr > :nth-child(2) { text-align: right; white-space: nowrap } tr > :nth-child(3) { white-space: nowrap }
tbody tr:hover { background: color-mix(in srgb, currentColor 10%, transparent) }
td:first-child { overflow-wrap: anywhere }
</style>
"#;

/// The page for these lines of a folder: folders first, then by name. `is_all`: there are no more.
pub fn page(folder: &LocalPath, mut lines: Vec<Line>, is_all: bool) -> String {
    lines.sort_by(|one, other| (!one.is_folder, &one.name).cmp(&(!other.is_folder, &other.name)));
    let mut title = "Files in /".to_owned();
    for name in folder.names() {
        title += &format!("{}/", escape(name));
    }
    let mut page = format!("{HEAD}<title>{title}</title></head>\n<body>\n<main>\n<h1>{title}</h1>\n<table>\n");
    page += "<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Size</th><th scope=\"col\">Modified</th></tr></thead>\n<tbody>\n";
    if !folder.is_root() {
        page += "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n";
    }
    for line in &lines {
        let (slash, size) = if line.is_folder { ("/", String::new()) } else { ("", size(line.length)) };
        let (link, name) = (encode(&line.name).collect::<String>(), escape(&line.name));
        // Writing to memory can't fail.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"{link}{slash}\">{name}{slash}</a></td><td>{size}</td><td>{}</td></tr>",
            time(line.modified)
        );
    }
    page += "</tbody>\n</table>\n";
    if lines.is_empty() {
        page += "<p>Nothing is in this folder.</p>\n";
    }
    if !is_all {
        page += "<p>There is more in this folder than is shown here.</p>\n";
    }
    page + "</main>\n</body>\n</html>\n"
}

/// A name as text of a page. What is no text shows as a replacement character; the link has the true name.
fn escape(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name).replace(|char: char| char.is_control() || turns(char), "\u{fffd}");
    let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    name.replace('"', "&quot;").replace('\'', "&#39;")
}

/// Whether a character has others written from right to left or from left to right. In a name it could make a program look
/// like a picture, or the next folder of a path like the one before. Unicode's UAX #9, section 2.
fn turns(char: char) -> bool {
    matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A size as people read it: exact below 1 KiB, with one decimal above. (`bytesize`, which reads the options, has the library of
/// mathematical functions loaded for this, and with it a third of a mebibyte for each server.)
fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut units = "KMGTPE".chars();
    // As it will be written: what is rounded up to 1024 of a unit is one of the next.
    while (size * 10.0).round() >= 10240.0 {
        size /= 1024.0;
        units.next();
    }
    format!("{size:.1} {}iB", units.next().unwrap_or('E'))
}

/// A time to the minute, for people and for programs. Before 1970, and after 9999, it can't be written.
fn time(modified: Option<SystemTime>) -> String {
    let modified = modified.filter(|modified| *modified >= SystemTime::UNIX_EPOCH);
    let mut text = String::new();
    // `1994-11-06T08:49:37Z`
    if modified.is_none_or(|modified| write!(text, "{}", format_rfc3339_seconds(modified)).is_err()) {
        return String::new();
    }
    let (day, time) = (&text[..10], &text[11..16]);
    format!("<time datetime=\"{day}T{time}Z\">{day} {time}</time> UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(target: &str) -> LocalPath {
        LocalPath::of_target(target, false).unwrap()
    }

    fn line(name: &[u8], is_folder: bool) -> Line {
        Line { name: name.to_vec(), is_folder, length: 1536, modified: Some(SystemTime::UNIX_EPOCH) }
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_524, "1023.9 KiB"),
            (1_048_525, "1.0 MiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn folders_come_first_and_names_are_escaped() {
        let lines = vec![line(b"b\"><script>'&.txt", false), line(b"z", true), line(b"a\xff\n", false)];
        let page = page(&folder("/<x>/"), lines, true);
        let page = page.replace("<time datetime=\"1970-01-01T00:00Z\">1970-01-01 00:00</time> UTC", "TIME");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("<tr><td>")).collect();
        assert_eq!(
            rows,
            [
                "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>",
                "<tr><td><a href=\"z/\">z/</a></td><td></td><td>TIME</td></tr>",
                "<tr><td><a href=\"a%FF%0A\">a\u{fffd}\u{fffd}</a></td><td>1.5 KiB</td><td>TIME</td></tr>",
                "<tr><td><a href=\"b%22%3E%3Cscript%3E%27%26.txt\">b&quot;&gt;&lt;script&gt;&#39;&amp;.txt</a></td><td>1.5 KiB</td><td>TIME</td></tr>",
            ]
        );
        assert!(page.contains("<h1>Files in /&lt;x&gt;/</h1>"));
    }

    #[test]
    fn the_top_leads_nowhere_up_and_what_is_missing_is_said() {
        assert!(!page(&folder("/"), Vec::new(), true).contains("../"));
        assert!(page(&folder("/"), Vec::new(), true).contains("Nothing is in this folder."));
        assert!(page(&folder("/"), vec![line(b"a", false)], false).contains("There is more in this folder"));
    }

    #[test]
    fn times_are_for_people_and_for_programs() {
        let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
        assert_eq!(time(Some(modified)), "<time datetime=\"1994-11-06T08:49Z\">1994-11-06 08:49</time> UTC");
        assert_eq!(time(None), "");
        let far = std::time::Duration::from_secs(300_000_000_000);
        assert_eq!(
            (time(Some(SystemTime::UNIX_EPOCH - far)), time(Some(SystemTime::UNIX_EPOCH + far))),
            Default::default()
        );
    }

    #[test]
    fn no_name_turns_what_is_around_it() {
        assert_eq!(escape("a\u{202e}gpj.exe".as_bytes()), "a\u{fffd}gpj.exe");
        assert_eq!(escape("\u{2067}\u{200f}\u{61c}".as_bytes()), "\u{fffd}\u{fffd}\u{fffd}");
        // Letters that are written from right to left, and what joins others, are names as any.
        assert_eq!(escape("שלום.txt\u{200d}".as_bytes()), "שלום.txt\u{200d}");
    }
}
