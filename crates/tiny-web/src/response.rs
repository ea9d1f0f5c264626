//! A request to its response: a status, some fields, and what comes after them.

use std::time::SystemTime;

use httpdate::fmt_http_date;

use crate::folder::{FileToSend, Folder, Found};
use crate::page;
use crate::path::LocalPath;
use crate::request::{Method, Persistence, Request};
use crate::status::Status;

/// What there is to see.
pub enum Site {
    /// The lecture's page, at `/`.
    Lecture,
    /// The files of a folder.
    Folder(Folder),
}

/// What a request is answered with.
pub struct Response {
    status: Status,
    date: SystemTime,
    fields: Vec<(&'static str, String)>,
    pub content: Content,
}

/// What comes after the head, unless it was a HEAD that asked.
pub enum Content {
    Page(String),
    File(FileToSend),
}

/// Answers a request that is well-formed: first the method is looked at, then the target, then what is there.
pub fn answer(request: &Request, site: &Site) -> Response {
    match request.method {
        Method::Get | Method::Head => {}
        Method::Other => return Response::of_status(Status::MethodNotAllowed).with("Allow", "GET, HEAD".to_owned()),
        Method::Unknown => return Response::of_status(Status::NotImplemented),
    }
    show(&request.target, site).unwrap_or_else(Response::of_status)
}

/// The page or file that a target names.
///
/// Errors: the status to say instead.
fn show(target: &str, site: &Site) -> Result<Response, Status> {
    let path = LocalPath::of_target(target)?;
    match site {
        Site::Lecture if path.is_root() => Ok(Response::of_page(Status::Ok, page::LECTURE.to_owned())),
        Site::Lecture => Err(Status::NotFound),
        Site::Folder(folder) => match folder.find(&path)? {
            Found::File(file) => Ok(Response::of_file(file, SystemTime::now())),
            Found::FolderWithoutSlash => {
                Ok(Response::of_status(Status::MovedPermanently).with("Location", path.folder_target()))
            }
        },
    }
}

impl Response {
    /// A response that says no more than its status.
    pub fn of_status(status: Status) -> Response {
        Response::of_page(status, page::of_status(status))
    }

    fn of_page(status: Status, page: String) -> Response {
        let fields = vec![("Content-Type", "text/html; charset=utf-8".to_owned())];
        Response { status, date: SystemTime::now(), fields, content: Content::Page(page) }
    }

    fn of_file(file: FileToSend, date: SystemTime) -> Response {
        let mut fields = vec![("Content-Type", file.content_type.clone())];
        // A file may be dated in the future, a response may not: RFC 9110, section 8.8.2.1. Nor is there a way to write a
        // date before 1970 that httpdate knows.
        if let Some(modified) = file.modified.filter(|&modified| modified >= SystemTime::UNIX_EPOCH) {
            fields.push(("Last-Modified", fmt_http_date(modified.min(date))));
        }
        Response { status: Status::Ok, date, fields, content: Content::File(file) }
    }

    fn with(mut self, name: &'static str, value: String) -> Response {
        self.fields.push((name, value));
        self
    }

    /// The bytes that come first: status line, fields, empty line. They are the same for GET and HEAD. RFC 9112, section 4.
    pub fn head(&self, persistence: Persistence) -> Vec<u8> {
        let date = fmt_http_date(self.date.max(SystemTime::UNIX_EPOCH));
        let mut head = format!("HTTP/1.1 {} {}\r\nDate: {date}\r\n", self.status.code(), self.status.reason());
        let mut field = |name: &str, value: &str| {
            // None of the values can have a line end in it, or a client could write our head for us.
            debug_assert!(!value.contains(['\r', '\n', '\0']));
            head += &format!("{name}: {value}\r\n");
        };
        for (name, value) in &self.fields {
            field(name, value);
        }
        field("Content-Length", &self.length().to_string());
        // The type is what we say it is, whatever the content looks like.
        field("X-Content-Type-Options", "nosniff");
        match persistence {
            Persistence::Kept => {}
            Persistence::KeptOnRequest => field("Connection", "keep-alive"),
            Persistence::Closed => field("Connection", "close"),
        }
        head += "\r\n";
        head.into_bytes()
    }

    /// The length of the content, in bytes: of all that is promised to follow the head of a reply to GET.
    fn length(&self) -> u64 {
        match &self.content {
            Content::Page(page) => page.len() as u64,
            Content::File(file) => file.length,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn file(modified: Option<SystemTime>) -> FileToSend {
        let content_type = "text/plain; charset=utf-8".to_owned();
        FileToSend { file: tempfile::tempfile().unwrap(), length: 5, content_type, modified }
    }

    fn last_modified(modified: Option<SystemTime>, now: SystemTime) -> Option<String> {
        let response = Response::of_file(file(modified), now);
        response.fields.into_iter().find(|(name, _)| *name == "Last-Modified").map(|(_, value)| value)
    }

    #[test]
    fn a_head_has_a_status_line_the_true_length_and_an_empty_line_at_its_end() {
        let head = String::from_utf8(Response::of_file(file(None), SystemTime::now()).head(Persistence::Kept)).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nDate: "), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        assert_eq!(head.matches("Content-Length: 5\r\n").count(), 1, "{head}");
        assert!(!head.contains("Connection:"), "{head}");
    }

    #[test]
    fn a_file_of_the_future_was_modified_now() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let expected = Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned());
        assert_eq!(last_modified(Some(now + Duration::from_secs(3600)), now), expected);
        assert_eq!(last_modified(Some(now), now), expected);
    }

    #[test]
    fn a_file_from_before_1970_has_no_date() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(last_modified(Some(before), SystemTime::now()), None);
        assert_eq!(last_modified(None, SystemTime::now()), None);
    }
}
