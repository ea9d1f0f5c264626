//! A file as it is sent, and what is said of it: RFC 9110 calls the two together a representation.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use httpdate::fmt_http_date;

use crate::coding::Coding;
use crate::condition::Validators;

/// A file, or a page of the server's own.
pub struct Representation {
    pub content: Content,
    /// So much is promised, and so much is sent.
    pub length: u64,
    /// What a client's preconditions are held against.
    pub validators: Validators,
    /// The fields that say which version this is, and for how long: they go with 304 too.
    pub version_fields: String,
    /// The fields that say what may be asked about it another time: they go with the whole and with parts. Last-Modified is
    /// among them, since the ETag says more, and goes with 304 alone: RFC 9110, section 15.4.5.
    pub offer_fields: String,
    /// The fields that say what it is, to those who don't have it yet.
    pub content_fields: String,
}

/// Files up to here are read, and sent with their head at once. For larger ones, the kernel's own copying is cheaper.
pub const SMALL_BYTES: u64 = 32 * 1024;

/// Where the bytes are.
pub enum Content {
    Bytes(Vec<u8>),
    File(File),
}

/// The fields of a file that don't come from the file.
pub struct Manner<'a> {
    /// The type of what is in it.
    pub content_type: &'a str,
    /// How it is compressed.
    pub coding: Option<&'static Coding>,
    /// Whether other clients are sent another file.
    pub varies: bool,
    /// For how long it may be kept.
    pub cache_control: &'a str,
}

impl Representation {
    /// A page of the server's own. With an `etag` it never changes. Without one, it was made a moment ago and will be made anew
    /// in another: it has no version.
    pub fn of_page(page: String, etag: Option<String>, content_type: &str, cache_control: &str) -> Representation {
        let manner = Manner { content_type, coding: None, varies: false, cache_control };
        let (length, validators) = (page.len() as u64, Validators { etag, modified: None });
        Representation::new(Content::Bytes(page.into_bytes()), length, validators, &manner)
    }

    /// A file, whose metadata these are.
    pub fn of_file(content: Content, metadata: &Metadata, now: SystemTime, manner: &Manner) -> Representation {
        let length = match &content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File(_) => metadata.len(),
        };
        let coding = manner.coding.map_or("", |coding| coding.suffix);
        let nanoseconds = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        let etag = format!("\"{nanoseconds:x}-{length:x}{coding}\"");
        // HTTP has no way to write a date before 1970.
        let seconds = u64::try_from(metadata.mtime()).ok();
        let modified = seconds.map(|seconds| (SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).min(now));
        Representation::new(content, length, Validators { etag: Some(etag), modified }, manner)
    }

    fn new(content: Content, length: u64, validators: Validators, manner: &Manner) -> Representation {
        let field =
            |name: &str, value: Option<&str>| value.map_or(String::new(), |value| format!("{name}: {value}\r\n"));
        let etag = validators.etag.as_deref();
        let vary = manner.varies.then_some("Accept-Encoding");
        let modified = validators.modified.map(fmt_http_date);
        Representation {
            version_fields: field("ETag", etag) + manner.cache_control + &field("Vary", vary),
            offer_fields: field("Accept-Ranges", etag.and(Some("bytes")))
                + &field("Last-Modified", modified.as_deref()),
            content_fields: field("Content-Type", Some(manner.content_type))
                + &field("Content-Encoding", manner.coding.map(|coding| coding.name)),
            content,
            length,
            validators,
        }
    }
}

/// What comes behind the names of texts that browsers would save rather than show, had they the type that is theirs, if there
/// is one at all.
const SOURCES: &str = "bash bat cts diff go hs java jsonl kt lock lua md mts nix patch pl proto ps1 py rb rs rst sh sql \
    swift tex toml ts tsx vue yaml yml zig zsh";

/// The type that a file's name promises. Text is taken for UTF-8, as nearly all is today.
pub fn content_type(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let guess = match extension.as_str() {
        // Modules: RFC 9239, section 7.
        "cjs" | "mjs" => "text/javascript",
        source if SOURCES.split(' ').any(|known| known == source) => "text/plain",
        _ => mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream"),
    };
    if guess.starts_with("text/") { format!("{guess}; charset=utf-8") } else { guess.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_promise_types() {
        let table = [
            ("a.html", "text/html; charset=utf-8"),
            ("a.HTML", "text/html; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.png", "image/png"),
            ("a.json", "application/json"),
            ("a.wasm", "application/wasm"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.ts", "text/plain; charset=utf-8"),
            ("a.SH", "text/plain; charset=utf-8"),
            ("a.rs", "text/plain; charset=utf-8"),
            ("a.md", "text/plain; charset=utf-8"),
            ("a.log", "text/plain; charset=utf-8"),
            ("a.unheard-of", "application/octet-stream"),
            ("a.", "application/octet-stream"),
            ("Makefile", "application/octet-stream"),
        ];
        for (name, expected) in table {
            assert_eq!(content_type(Path::new(name)), expected, "{name}");
        }
    }

    fn of_file_at(modified: SystemTime, now: SystemTime) -> Representation {
        let file = tempfile::tempfile().unwrap();
        file.set_modified(modified).unwrap();
        let manner = Manner { content_type: "text/plain", coding: None, varies: false, cache_control: "" };
        Representation::of_file(Content::Bytes(Vec::new()), &file.metadata().unwrap(), now, &manner)
    }

    #[test]
    fn a_file_of_the_future_was_modified_now_and_one_from_before_1970_has_no_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(of_file_at(now + Duration::from_secs(3600), now).validators.modified, Some(now));
        assert_eq!(of_file_at(now, now).validators.modified, Some(now));
        assert_eq!(of_file_at(SystemTime::UNIX_EPOCH - Duration::from_secs(1), now).validators.modified, None);
    }

    #[test]
    fn another_version_has_another_etag() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let (one, other) = (of_file_at(now, now), of_file_at(now + Duration::from_nanos(1), now));
        assert_ne!(one.validators.etag, other.validators.etag);
        assert_eq!(one.validators.modified, Some(now));
    }
}
