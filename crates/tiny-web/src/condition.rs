//! "Only if it has changed": the preconditions of a request, RFC 9110, section 13.
//!
//! A client that has a page already names the version that it has, by the ETag or the date that came with it. Which of the
//! four fields counts when there are several is section 13.2.2, and [`verdict`] is that section's list.

use std::time::{Duration, SystemTime};

use crate::request::Fields;
use crate::status::Status;

/// What a version of a file is known by.
pub struct Validators {
    /// In its quotes, and always a strong one.
    pub etag: Option<String>,
    /// In whole seconds, and not in the future: RFC 9110, section 8.8.2.1.
    pub modified: Option<SystemTime>,
}

/// Weighs the preconditions of a GET or a HEAD: 304 or 412. None: answer as if there were none.
pub fn verdict(fields: &Fields, current: &Validators) -> Option<Status> {
    let etag = current.etag.as_deref();
    let has = |name: &str| fields.values(name).next().is_some();
    let date = |name: &str| fields.only(name).and_then(parse_date).zip(current.modified);
    // Steps 1 and 2.
    let fails = if has("if-match") {
        !matches(fields, "if-match", etag, false)
    } else {
        date("if-unmodified-since").is_some_and(|(since, modified)| modified > since)
    };
    // Steps 3 and 4.
    let has_it = if has("if-none-match") {
        matches(fields, "if-none-match", etag, true)
    } else {
        date("if-modified-since").is_some_and(|(since, modified)| modified <= since)
    };
    if fails { Some(Status::PRECONDITION_FAILED) } else { has_it.then_some(Status::NOT_MODIFIED) }
}

/// Step 5: whether `If-Range`, if there is one, lets `Range` count. It takes a strong validator: a weak ETag never matches,
/// nor does a date so young that the file may have changed twice in its second.
pub fn range_counts(fields: &Fields, current: &Validators, now: SystemTime) -> bool {
    let mut values = fields.values("if-range");
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) if value.starts_with(b"\"") => Some(value) == current.etag.as_ref().map(String::as_bytes),
        (Some(value), None) => parse_date(value).zip(current.modified).is_some_and(|(date, modified)| {
            date == modified && now.duration_since(modified).is_ok_and(|age| age > Duration::from_secs(1))
        }),
        _ => false,
    }
}

/// Whether one of a list of ETags, or `*`, is the current one. Weakly compared, `W/` makes no difference; strongly, a weak
/// one matches nothing: section 8.8.3.2.
fn matches(fields: &Fields, name: &str, etag: Option<&str>, weakly: bool) -> bool {
    let is_it = |(is_weak, tag): (bool, &[u8])| etag.map(str::as_bytes) == Some(tag) && (weakly || !is_weak);
    fields.values(name).any(|value| value == b"*" || entity_tags(value).any(is_it))
}

/// `1#entity-tag`, where a tag may have commas in it; ends at the first thing that is none. Each is weak or not.
fn entity_tags(mut list: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    std::iter::from_fn(move || {
        let start = list.iter().position(|byte| !b" \t,".contains(byte))?;
        let rest = &list[start..];
        let (is_weak, tag) = rest.strip_prefix(b"W/").map_or((false, rest), |tag| (true, tag));
        let length = 2 + tag.strip_prefix(b"\"")?.iter().position(|&byte| byte == b'"')?;
        list = &tag[length..];
        Some((is_weak, &tag[..length]))
    })
}

/// A date. One that can't be read is as good as none.
fn parse_date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{self, Limits, NO_FIELDS};

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sunday, 06-Nov-94 08:49:38 GMT";

    fn modified() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn with<T>(fields: &str, then: impl FnOnce(&Fields, &Validators) -> T) -> T {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        let mut room = NO_FIELDS;
        let request = request::read(head.as_bytes(), &mut room, &Limits::USUAL).expect(fields);
        then(&request.fields, &Validators { etag: Some("\"a,b\"".to_owned()), modified: Some(modified()) })
    }

    #[test]
    fn preconditions_and_what_they_come_to() {
        let (failed, not_modified) = (Some(Status::PRECONDITION_FAILED), Some(Status::NOT_MODIFIED));
        let table = [
            ("X: y".to_owned(), None),
            ("If-None-Match: \"a,b\"".to_owned(), not_modified),
            ("If-None-Match: W/\"a,b\"".to_owned(), not_modified),
            ("If-None-Match: \"x\", W/\"y\" ,, \"a,b\"".to_owned(), not_modified),
            ("If-None-Match: \"x\"\r\nIf-None-Match: \"a,b\"".to_owned(), not_modified),
            ("If-None-Match: *".to_owned(), not_modified),
            ("If-None-Match: \"a\"".to_owned(), None),
            ("If-None-Match: a,b".to_owned(), None),
            ("If-None-Match: \"a,b".to_owned(), None),
            ("If-None-Match: w/\"a,b\"".to_owned(), None),
            (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {MODIFIED}"), None),
            (format!("If-Modified-Since: {MODIFIED}"), not_modified),
            (format!("If-Modified-Since: {AFTER}"), not_modified),
            (format!("If-Modified-Since: {BEFORE}"), None),
            (format!("If-Modified-Since: {AFTER}\r\nIf-Modified-Since: {AFTER}"), None),
            ("If-Modified-Since: yesterday".to_owned(), None),
            ("If-Match: \"a,b\"".to_owned(), None),
            ("If-Match: *".to_owned(), None),
            ("If-Match: W/\"a,b\"".to_owned(), failed),
            ("If-Match: \"x\"".to_owned(), failed),
            (format!("If-Match: \"a,b\"\r\nIf-Unmodified-Since: {BEFORE}"), None),
            (format!("If-Unmodified-Since: {BEFORE}"), failed),
            (format!("If-Unmodified-Since: {MODIFIED}"), None),
            ("If-Unmodified-Since: tomorrow".to_owned(), None),
            ("If-Match: \"x\"\r\nIf-None-Match: \"a,b\"".to_owned(), failed),
            ("If-Match: \"a,b\"\r\nIf-None-Match: \"a,b\"".to_owned(), not_modified),
        ];
        for (fields, expected) in table {
            assert_eq!(with(&fields, verdict), expected, "{fields}");
        }
    }

    #[test]
    fn a_range_counts_only_for_the_version_that_the_client_has() {
        let table = [
            ("X: y", true),
            ("If-Range: \"a,b\"", true),
            ("If-Range: \"x\"", false),
            ("If-Range: W/\"a,b\"", false),
            ("If-Range: Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("If-Range: Sun, 06 Nov 1994 08:49:38 GMT", false),
            ("If-Range: *", false),
            ("If-Range: \"a,b\"\r\nIf-Range: \"a,b\"", false),
        ];
        for (fields, expected) in table {
            let later = modified() + Duration::from_secs(60);
            assert_eq!(with(fields, |fields, current| range_counts(fields, current, later)), expected, "{fields}");
        }
        let dated = format!("If-Range: {MODIFIED}");
        assert!(!with(&dated, |fields, current| range_counts(fields, current, modified())), "it may change again");
    }
}
