//! A response to bytes: the status line, the fields, and where the content comes from.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use crate::folder::SMALL_BYTES;
use crate::options::Show;
use crate::outgoing::Rest;
use crate::page::{self, HTML};
use crate::representation::{Content, Representation};
use crate::request::Persistence;
use crate::status::Status;

/// What a request is answered with.
pub struct Response {
    pub status: Status,
    /// The fields that not every response has, each with its line end.
    fields: String,
    pub body: Body,
}

/// What comes after the head, unless it was a HEAD that asked.
pub enum Body {
    /// Nothing can come, and no length is told: RFC 9110, section 8.6.
    None,
    Page(String),
    Part(Arc<Representation>, Range<u64>),
}

/// What stands in the head of every response.
pub struct Constant {
    /// `Server`, and what the user wants to be said.
    fields: String,
    /// For what the server makes itself.
    cache_control: String,
}

impl Constant {
    /// As the user wants it. The type is what we say it is, whatever the content looks like: `nosniff`.
    pub fn new(show: &Show) -> Constant {
        let usual = [
            ("Server", "tiny-web", !show.no_server_header),
            ("X-Content-Type-Options", "nosniff", true),
            ("Access-Control-Allow-Origin", "*", show.cors),
            ("Access-Control-Expose-Headers", "*", show.cors),
        ];
        let mut fields = String::new();
        for (name, value, is_wanted) in usual {
            if is_wanted && !show.says(name) {
                fields += &format!("{name}: {value}\r\n");
            }
        }
        for (name, value) in &show.headers {
            fields += &format!("{name}: {value}\r\n");
        }
        Constant { fields, cache_control: show.cache_control(None) }
    }
}

impl Response {
    /// A response with no content.
    pub fn empty(status: Status) -> Response {
        Response { status, fields: String::new(), body: Body::None }
    }

    /// A response that says no more than its status.
    pub fn of_status(status: Status) -> Response {
        let body = Body::Page(page::saying(status.text()));
        Response { body, ..Response::empty(status) }.with("Content-Type", HTML)
    }

    /// A file, or a part of it.
    pub fn of_file(status: Status, file: Arc<Representation>, part: Range<u64>) -> Response {
        Response { status, fields: String::new(), body: Body::Part(file, part) }
    }

    /// The client has it already: which version, and for how long it may keep it, but nothing about what is in it.
    pub fn not_modified(file: &Representation) -> Response {
        Response { status: Status::NOT_MODIFIED, fields: file.version_fields.clone(), body: Body::None }
    }

    /// The same with one more field, whose value the server has made itself.
    pub fn with(mut self, name: &str, value: &str) -> Response {
        // What comes from a request is encoded long before it gets here. Should that ever fail, no line of a head may
        // become two.
        debug_assert!(!value.contains(['\r', '\n', '\0']));
        self.fields += &format!("{name}: {value}\r\n");
        self
    }

    /// Writes the head, with its empty line.
    pub fn write_head(&self, out: &mut Vec<u8>, date: &str, constant: &Constant, persistence: Persistence) {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(self.status.text().as_bytes());
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(constant.fields.as_bytes());
        if !matches!(self.body, Body::None) {
            // Writing to memory can't fail.
            let _ = write!(out, "Content-Length: {}\r\n", self.length());
        }
        out.extend_from_slice(self.fields.as_bytes());
        match &self.body {
            Body::None => {}
            Body::Page(_) => out.extend_from_slice(constant.cache_control.as_bytes()),
            Body::Part(file, _) => {
                // The folder's page for what is not there is no version of that, and is kept as all such pages are.
                let is_missing = self.status == Status::NOT_FOUND;
                let version = if is_missing { &constant.cache_control } else { &file.version_fields };
                out.extend_from_slice(version.as_bytes());
                out.extend_from_slice(file.content_fields.as_bytes());
                if !is_missing {
                    out.extend_from_slice(file.offer_fields.as_bytes());
                }
            }
        }
        match persistence {
            Persistence::Kept => {}
            Persistence::KeptOnRequest => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            Persistence::Closed => out.extend_from_slice(b"Connection: close\r\n"),
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Writes the content behind the head if it is small; returns what is to be sent from where it is.
    pub fn write_body(self, out: &mut Vec<u8>) -> Option<Rest> {
        match self.body {
            Body::None => {}
            Body::Page(page) => out.extend_from_slice(page.as_bytes()),
            Body::Part(file, part) => match &file.content {
                Content::Bytes(bytes) if part.end - part.start <= SMALL_BYTES => {
                    out.extend_from_slice(&bytes[part.start as usize..part.end as usize]);
                }
                Content::Bytes(_) | Content::File(_) => return Some(Rest { file, part }),
            },
        }
        None
    }

    /// The length of the content, in bytes: of all that is promised to follow the head of a reply to GET.
    pub fn length(&self) -> u64 {
        match &self.body {
            Body::None => 0,
            Body::Page(page) => page.len() as u64,
            Body::Part(_, part) => part.end - part.start,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn head(response: &Response, persistence: Persistence) -> String {
        let constant =
            Constant { fields: "Server: x\r\n".to_owned(), cache_control: "Cache-Control: no-cache\r\n".to_owned() };
        let mut out = Vec::new();
        response.write_head(&mut out, DATE, &constant, persistence);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_head_has_a_status_line_the_true_length_and_an_empty_line_at_its_end() {
        let head = head(&Response::of_status(Status::OK), Persistence::Kept);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: x\r\n"), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        let length = format!("Content-Length: {}\r\n", page::saying("200 OK").len());
        assert_eq!(head.matches(&length).count(), 1, "{head}");
        assert!(!head.contains("Connection:"), "{head}");
    }

    #[test]
    fn where_no_content_can_come_none_is_announced() {
        for status in [Status::NO_CONTENT, Status::NOT_MODIFIED] {
            let head = head(&Response::empty(status), Persistence::Closed);
            assert!(!head.contains("Content-"), "{head}");
            assert!(head.contains("Connection: close\r\n"), "{head}");
        }
    }

    proptest! {
        #[test]
        fn no_response_is_split(target in "/(\\PC|[\r\n]|%0[dD]|%0[aA]){0,20}") {
            if let Ok(path) = crate::path::LocalPath::of_target(&target, true) {
                let response = Response::of_status(Status::MOVED_PERMANENTLY).with("Location", &path.folder_target());
                let head = head(&response, Persistence::Kept);
                let lines: Vec<&str> = head.split("\r\n").collect();
                prop_assert!(lines.iter().all(|line| !line.contains(['\r', '\n'])));
                prop_assert_eq!(lines.iter().filter(|line| line.is_empty()).count(), 2, "only at the end: {}", head);
                prop_assert_eq!(lines.len(), 9, "{}", head);
            }
        }
    }
}
