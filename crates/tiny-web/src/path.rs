//! The target of a request to a path below the root: the names on the way down, and nothing that leads up or out.
//!
//! This is the first of two doors. The second is in `folder.rs`, which opens the path by descriptors below the root's, so
//! that no link and no race leads out either.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use crate::authority::{is_authority, is_well_encoded};
use crate::status::Status;

/// What has to be written as `%XX` in a redirect: all but RFC 3986's "unreserved" characters, and the slashes between names.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A way down from the root: `/a b/c`, a slash before each name, and one at the end if the target had one, as a folder's does.
/// The names are decoded. None is empty, `.` or `..`, or has a slash, a backslash or a NUL in it. So however a target is spelt,
/// it has one path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalPath(Vec<u8>);

impl LocalPath {
    /// Takes a target apart: `/a%20b/c?query`, or the same behind `http://host`. The query is dropped. Two slashes count
    /// as one, as they do in the file system.
    ///
    /// Errors: 400 for what isn't a path, a wrong `%XX`, and a NUL; 404 for what is a path, but never to be found: `.` and
    /// `..`, other names that begin with a dot unless there are `dotfiles`, and names with a backslash or an encoded slash;
    /// 421 for `https://`.
    pub fn of_target(target: &str, dotfiles: bool) -> Result<LocalPath, Status> {
        if target.as_bytes().contains(&b'#') {
            return Err(Status::BAD_REQUEST);
        }
        let without_query = target.split_once('?').map_or(target, |(before, _query)| before);
        let encoded_path = strip_authority(without_query)?;
        let mut path = Vec::with_capacity(encoded_path.len());
        // All are looked at before one is refused: a path that is malformed anywhere is malformed.
        let mut is_refused = false;
        // Split first, decode then, and only once: an encoded slash separates nothing.
        for encoded in encoded_path.as_bytes().split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            let name = decode(encoded).ok_or(Status::BAD_REQUEST)?;
            is_refused |= !is_shown(&name, path.is_empty(), dotfiles);
            path.push(b'/');
            path.extend_from_slice(&name);
        }
        if encoded_path.ends_with('/') {
            path.push(b'/');
        }
        if is_refused { Err(Status::NOT_FOUND) } else { Ok(LocalPath(path)) }
    }

    /// The path itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The names on the way down.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// Whether the target ended with a slash.
    pub fn has_slash(&self) -> bool {
        self.0.ends_with(b"/")
    }

    /// Whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.0 == b"/"
    }

    /// The path as the system wants it, relative to the root. A file name is bytes.
    pub fn below_root(&self) -> &Path {
        let end = self.0.len() - usize::from(self.has_slash());
        Path::new(if self.is_root() { OsStr::new(".") } else { OsStr::from_bytes(&self.0[1..end]) })
    }

    /// The target for this path as a folder. It begins with one slash and no more, so that no browser takes the first name
    /// for another host's, and is built from the decoded names.
    pub fn folder_target(&self) -> String {
        let slash = if self.has_slash() { "" } else { "/" };
        encode(&self.0).chain([slash]).collect()
    }
}

/// Whether a name is shown. What begins with a dot is somebody's private matter, but for `.well-known` at the top, which is
/// there for everybody: RFC 8615. `.` and `..` never are, nor is what has a slash in it, which was encoded and would be another
/// way to separate names, or a backslash, which some take for a slash.
pub fn is_shown(name: &[u8], is_top: bool, dotfiles: bool) -> bool {
    let may_be_dotted = (dotfiles && name != b"." && name != b"..") || (is_top && name == b".well-known");
    (may_be_dotted || !name.starts_with(b".")) && !name.contains(&b'/') && !name.contains(&b'\\')
}

/// `http://host/path` to `/path`, which every server has to understand: RFC 9112, section 3.2.2. A host
/// there has to be: RFC 9110, section 4.2.1. And what is to be had over TLS alone is not to be had here: section 7.4.
fn strip_authority(target: &str) -> Result<&str, Status> {
    if target.starts_with('/') {
        return Ok(target);
    }
    let (scheme, rest) = target.split_once("://").ok_or(Status::BAD_REQUEST)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let has_host = !authority.is_empty() && !authority.starts_with(':') && is_authority(authority.as_bytes());
    match scheme.to_ascii_lowercase().as_str() {
        "http" if has_host => Ok(if path.is_empty() { "/" } else { path }),
        "https" if has_host => Err(Status::MISDIRECTED_REQUEST),
        _ => Err(Status::BAD_REQUEST),
    }
}

/// Names as part of a target, or of a link.
pub fn encode(names: &[u8]) -> impl Iterator<Item = &str> {
    percent_encode(names, RESERVED)
}

/// Decodes `%XX`, once. None: there's a `%` without two digits, or a NUL.
fn decode(name: &[u8]) -> Option<Cow<'_, [u8]>> {
    let decoded: Cow<[u8]> = percent_decode(name).into();
    (is_well_encoded(name) && !decoded.contains(&0)).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    /// What becomes of a target: the path below the root, with its slash, or the status that refuses it.
    fn outcome(target: &str) -> String {
        match LocalPath::of_target(target, false) {
            Ok(path) => {
                let slash = if path.has_slash() && !path.is_root() { "/" } else { "" };
                format!("{}{slash}", path.below_root().display())
            }
            Err(status) => status.code().to_owned(),
        }
    }

    #[test]
    fn targets_and_what_becomes_of_them() {
        let table = [
            ("/", "."),
            ("/?a=/../b", "."),
            ("/index.html", "index.html"),
            ("/a/b.txt?x=%zz", "a/b.txt"),
            ("/a/", "a/"),
            ("/a%20b/%C3%A9", "a b/é"),
            ("/100%25", "100%"),
            ("/%2525", "%25"),
            ("//evil.example", "evil.example"),
            ("/a//b///", "a/b/"),
            ("/a...b", "a...b"),
            ("http://localhost:2000/a", "a"),
            ("HTTP://[::1]:2000", "."),
            ("http://localhost?a", "."),
            ("/http://evil.example/", "http:/evil.example/"),
            ("/..", "404"),
            ("/../etc/passwd", "404"),
            ("/a/../../etc/passwd", "404"),
            ("/a/..", "404"),
            ("/./a", "404"),
            ("/...", "404"),
            ("/.git/config", "404"),
            ("/.well-known/x", ".well-known/x"),
            ("/.well-known/.x", "404"),
            ("/a/.well-known/x", "404"),
            ("/%2egit/config", "404"),
            ("/%2e%2e/etc/passwd", "404"),
            ("/.%2E/etc/passwd", "404"),
            ("/%252e%252e/etc/passwd", "%2e%2e/etc/passwd"),
            ("/..%2fetc/passwd", "404"),
            ("/a%2fb", "404"),
            ("/a%2F..%2F..%2Fetc", "404"),
            ("/a\\..\\b", "404"),
            ("/a%5c..%5cb", "404"),
            ("/a%00.txt", "400"),
            ("/../%00", "400"),
            ("/%", "400"),
            ("/%4", "400"),
            ("/%zz", "400"),
            ("/%%41", "400"),
            ("/%+1", "400"),
            ("/a#b", "400"),
            ("*", "400"),
            ("a", "400"),
            ("?", "400"),
            ("..", "400"),
            ("localhost:2000", "400"),
            ("ftp://localhost/a", "400"),
            ("https://localhost/a", "421"),
            ("HTTPS://localhost", "421"),
            ("https:///a", "400"),
            ("https://localhost/#", "400"),
            ("http:///a", "400"),
            ("http://:80/a", "400"),
            ("http://a@b/c", "400"),
            ("http://[::1/c", "400"),
        ];
        for (target, expected) in table {
            assert_eq!(outcome(target), expected, "{target}");
        }
    }

    #[test]
    fn however_a_target_is_spelt_it_has_one_path() {
        let table = [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("///a//%62", "/a/b"),
            ("/%61/b//", "/a/b/"),
            ("http://localhost:2000", "/"),
            ("http://localhost/a/b", "/a/b"),
            ("/a%2525", "/a%25"),
            ("/a%3Fb", "/a?b"),
        ];
        for (target, expected) in table {
            assert_eq!(LocalPath::of_target(target, false), Ok(LocalPath(expected.as_bytes().to_vec())), "{target}");
        }
    }

    #[test]
    fn dot_files_are_shown_on_request_and_what_leads_up_never() {
        for (target, expected) in
            [("/.git/config", Some(".git/config")), ("/...", Some("...")), ("/.", None), ("/a/..", None)]
        {
            let path = LocalPath::of_target(target, true);
            assert_eq!(path.as_ref().ok().map(LocalPath::below_root), expected.map(Path::new), "{target}");
        }
    }

    #[test]
    fn a_redirect_stays_here() {
        let table = [
            ("/", "/"),
            ("/a", "/a/"),
            ("//evil.example", "/evil.example/"),
            ("///evil.example//b", "/evil.example/b/"),
            ("/%0d%0aSet-Cookie:x", "/%0D%0ASet%2DCookie%3Ax/"),
            ("/a%3Fb%23c%25d", "/a%3Fb%23c%25d/"),
            ("/%22%3E%3Cscript%3E", "/%22%3E%3Cscript%3E/"),
        ];
        for (target, expected) in table {
            assert_eq!(
                LocalPath::of_target(target, false).unwrap().folder_target(),
                expected.replace("%2D", "-"),
                "{target}"
            );
        }
    }

    /// Targets made of what has led out of other servers' roots.
    fn hostile() -> impl Strategy<Value = String> {
        let parts =
            ["/", "..", ".", "%2e", "%2E", "%2f", "%5c", "\\", "%25", "%00", "a", "é", "//", "?", "#", ":", "c:"];
        prop::collection::vec(prop::sample::select(parts.to_vec()), 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_root(target in prop_oneof![hostile(), "\\PC*", "/\\PC*", "/[ -~]*"]) {
            if let Ok(path) = LocalPath::of_target(&target, false) {
                let below = path.below_root();
                if !path.is_root() {
                    prop_assert!(below.components().all(|part| matches!(part, Component::Normal(_))), "{below:?}");
                    prop_assert_eq!(below.components().count(), path.names().count());
                }
                let folder = path.folder_target();
                prop_assert!(folder.starts_with('/') && !folder.starts_with("//") && folder.ends_with('/'));
                prop_assert!(folder.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'));
                // And the redirect leads to the same place, with its slash.
                let again = LocalPath::of_target(&folder, false).unwrap();
                prop_assert!(again.has_slash() && again.below_root() == below);
            }
        }
    }
}
