//! A response to bytes: the status line, the fields, and where the content comes from.

use std::ops::Range;
use std::sync::Arc;

use crate::options::Show;
use crate::outgoing::Extent;
use crate::page::{self, HTML};
use crate::representation::{Content, Representation, SMALL_BYTES};
use crate::request::Persistence;
use crate::status::Status;

/// What a request is answered with.
pub struct Response {
    pub status: Status,
    /// The fields that not every response has, each with its line end.
    fields: String,
    /// A file, or a part of one, or a page. None: nothing can come, and no length is told: RFC 9110, section 8.6.
    content: Option<Extent>,
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
        Response { status, fields: String::new(), content: None }
    }

    /// A response that says no more than its status.
    pub fn of_status(status: Status) -> Response {
        let page = Representation::of_page(page::saying(status.text()), None, HTML, "");
        Response::of_file(status, &Arc::new(page))
    }

    /// A file, or a page.
    pub fn of_file(status: Status, file: &Arc<Representation>) -> Response {
        Response::of_part(status, file, 0..file.length)
    }

    /// A part of a file.
    pub fn of_part(status: Status, file: &Arc<Representation>, range: Range<u64>) -> Response {
        Response { content: Some(Extent { file: Arc::clone(file), range }), ..Response::empty(status) }
    }

    /// The client has it already: which version, and for how long it may keep it, but nothing about what is in it.
    pub fn not_modified(file: &Representation) -> Response {
        Response { fields: file.version_fields.clone(), ..Response::empty(Status::NOT_MODIFIED) }
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
        for text in ["HTTP/1.1 ", self.status.text(), "\r\nDate: ", date, "\r\n", &constant.fields] {
            out.extend_from_slice(text.as_bytes());
        }
        if let Some(content) = &self.content {
            for text in ["Content-Length: ", &content.length().to_string(), "\r\n"] {
                out.extend_from_slice(text.as_bytes());
            }
        }
        let [version, what, offer]: [&str; 3] = match &self.content {
            None => ["", "", ""],
            Some(Extent { file, .. }) if [Status::OK, Status::PARTIAL_CONTENT].contains(&self.status) => {
                [&file.version_fields, &file.content_fields, &file.offer_fields]
            }
            // A page that says what is wrong is no version of anything, even if it is a file.
            Some(Extent { file, .. }) => [&constant.cache_control, &file.content_fields, ""],
        };
        let of_connection = match persistence {
            Persistence::Kept => "",
            Persistence::KeptOnRequest => "Connection: keep-alive\r\n",
            Persistence::Closed => "Connection: close\r\n",
        };
        for text in [version, what, offer, &self.fields, of_connection, "\r\n"] {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// The length of the content, in bytes: of all that is promised to follow the head of a reply to GET.
    pub fn length(&self) -> u64 {
        self.content.as_ref().map_or(0, Extent::length)
    }

    /// Writes the content behind the head if it is small; returns what is to be sent from where it is.
    pub fn write_content(self, out: &mut Vec<u8>) -> Option<Extent> {
        let content = self.content?;
        match &content.file.content {
            Content::Bytes(bytes) if content.length() <= SMALL_BYTES => {
                out.extend_from_slice(&bytes[content.range.start as usize..content.range.end as usize]);
                None
            }
            Content::Bytes(_) | Content::File(_) => Some(content),
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
