//! How a request went, as a number for programs and a phrase for people (RFC 9110, section 15).

/// The statuses that this server gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Here it is.
    Ok = 200,
    /// Nothing to show, and that is all right.
    NoContent = 204,
    /// Here is the part that was asked for.
    PartialContent = 206,
    /// It's a folder: the same with a slash.
    MovedPermanently = 301,
    /// The client has it already.
    NotModified = 304,
    /// Not HTTP, or not clearly so.
    BadRequest = 400,
    /// It's there, but the system doesn't let us read it.
    Forbidden = 403,
    /// No such page.
    NotFound = 404,
    /// A method that HTTP has and this server hasn't.
    MethodNotAllowed = 405,
    /// The rest of the request didn't come.
    RequestTimeout = 408,
    /// Not what the client takes it for.
    PreconditionFailed = 412,
    /// A body too large to be read past.
    ContentTooLarge = 413,
    /// A request line too long.
    UriTooLong = 414,
    /// There is no such part.
    RangeNotSatisfiable = 416,
    /// A head too large.
    FieldsTooLarge = 431,
    /// Our trouble, not the client's.
    InternalServerError = 500,
    /// A method or a transfer coding that nobody here knows.
    NotImplemented = 501,
    /// Something has run out; later perhaps.
    ServiceUnavailable = 503,
    /// Not HTTP/1.
    VersionNotSupported = 505,
}

impl Status {
    /// The number.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The phrase.
    pub fn reason(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::NoContent => "No Content",
            Status::PartialContent => "Partial Content",
            Status::MovedPermanently => "Moved Permanently",
            Status::NotModified => "Not Modified",
            Status::BadRequest => "Bad Request",
            Status::Forbidden => "Forbidden",
            Status::NotFound => "Not Found",
            Status::MethodNotAllowed => "Method Not Allowed",
            Status::RequestTimeout => "Request Timeout",
            Status::PreconditionFailed => "Precondition Failed",
            Status::ContentTooLarge => "Content Too Large",
            Status::UriTooLong => "URI Too Long",
            Status::RangeNotSatisfiable => "Range Not Satisfiable",
            Status::FieldsTooLarge => "Request Header Fields Too Large",
            Status::InternalServerError => "Internal Server Error",
            Status::NotImplemented => "Not Implemented",
            Status::ServiceUnavailable => "Service Unavailable",
            Status::VersionNotSupported => "HTTP Version Not Supported",
        }
    }
}
