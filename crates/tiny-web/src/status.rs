//! How a request went, as a number for programs and a phrase for people (RFC 9110, section 15).

/// One of the statuses that this server gives, as it stands in a status line: `404 Not Found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(&'static str);

impl Status {
    /// Here it is.
    pub const OK: Status = Status("200 OK");
    /// Nothing to show, and that is all right.
    pub const NO_CONTENT: Status = Status("204 No Content");
    /// Here is the part that was asked for.
    pub const PARTIAL_CONTENT: Status = Status("206 Partial Content");
    /// It's a folder: the same with a slash.
    pub const MOVED_PERMANENTLY: Status = Status("301 Moved Permanently");
    /// The client has it already.
    pub const NOT_MODIFIED: Status = Status("304 Not Modified");
    /// Not HTTP, or not clearly so.
    pub const BAD_REQUEST: Status = Status("400 Bad Request");
    /// It's there, but the system doesn't let us read it.
    pub const FORBIDDEN: Status = Status("403 Forbidden");
    /// No such page.
    pub const NOT_FOUND: Status = Status("404 Not Found");
    /// A method that HTTP has and this server hasn't.
    pub const METHOD_NOT_ALLOWED: Status = Status("405 Method Not Allowed");
    /// The rest of the request didn't come.
    pub const REQUEST_TIMEOUT: Status = Status("408 Request Timeout");
    /// Not what the client takes it for.
    pub const PRECONDITION_FAILED: Status = Status("412 Precondition Failed");
    /// A body too large to be read past.
    pub const CONTENT_TOO_LARGE: Status = Status("413 Content Too Large");
    /// A request line too long.
    pub const URI_TOO_LONG: Status = Status("414 URI Too Long");
    /// There is no such part.
    pub const RANGE_NOT_SATISFIABLE: Status = Status("416 Range Not Satisfiable");
    /// To be had over another connection: `https`.
    pub const MISDIRECTED_REQUEST: Status = Status("421 Misdirected Request");
    /// A head too large.
    pub const FIELDS_TOO_LARGE: Status = Status("431 Request Header Fields Too Large");
    /// Our trouble, not the client's.
    pub const INTERNAL_SERVER_ERROR: Status = Status("500 Internal Server Error");
    /// A method or a transfer coding that nobody here knows.
    pub const NOT_IMPLEMENTED: Status = Status("501 Not Implemented");
    /// Something has run out; later perhaps.
    pub const SERVICE_UNAVAILABLE: Status = Status("503 Service Unavailable");
    /// Not HTTP/1.
    pub const VERSION_NOT_SUPPORTED: Status = Status("505 HTTP Version Not Supported");

    /// Both together.
    pub fn text(self) -> &'static str {
        self.0
    }

    /// The number, in its three digits.
    pub fn code(self) -> &'static str {
        &self.0[..3]
    }

    /// The phrase.
    pub fn reason(self) -> &'static str {
        &self.0[4..]
    }
}
