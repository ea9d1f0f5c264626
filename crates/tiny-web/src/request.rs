//! Bytes to a request, strictly. Who reads a request otherwise than the proxy in front of it can be made to see a second
//! request that the proxy did not ("request smuggling", RFC 9112, section 11.2): so in doubt, the answer is 400.
//!
//! `httparse` knows the grammar of fields. It is a parser and not a server: it takes a lone line feed for the end of a
//! line, doesn't look at Host, Content-Length and Transfer-Encoding, and has one error for a version that is malformed and
//! one that is merely not ours. Line ends, limits, the request line and the framing are therefore decided here, in this
//! order: syntax, Host, lengths. What the method and the target mean comes later, in `site.rs`.

use memchr::memchr3;

use crate::authority::is_authority;
use crate::status::Status;

/// What a request may have of everything.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest request line, in bytes. RFC 9112 asks for 8,000 at least; browsers stay far below.
    pub request_line: usize,
    /// The longest head, in bytes.
    pub head: usize,
    /// The most fields of a head.
    pub fields: usize,
    /// The longest body to read past, in bytes. No method here wants one, but a client may send a small one by mistake.
    pub body: u64,
}

/// Room for the fields of a head: more than browsers send, cookies and all.
pub const MOST_FIELDS: usize = 128;
type Room<'a> = [httparse::Header<'a>; MOST_FIELDS];
pub const NO_FIELDS: Room<'static> = [httparse::EMPTY_HEADER; MOST_FIELDS];

impl Limits {
    /// Much more than browsers send, and still little to keep.
    pub const USUAL: Limits =
        Limits { request_line: 16 * 1024, head: 64 * 1024, fields: MOST_FIELDS, body: 1024 * 1024 };
}

/// What a client asks for, and how to find the request after it.
pub struct Request<'a> {
    /// A token: names of methods have capitals and small letters.
    pub method: &'a str,
    /// As it came: printable ASCII but `"`, `<` and `>`, at least one byte, and nothing else is known of it.
    pub target: &'a str,
    /// What the connection is for afterwards.
    pub persistence: Persistence,
    /// What comes before the next request.
    pub body: Body,
    /// The client waits for a word before it sends the body.
    pub expects_continue: bool,
    pub fields: Fields<'a>,
}

/// Whether the client wants to use the connection again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// HTTP/1.1: yes, unless one of the two says no.
    Kept,
    /// HTTP/1.0: yes, if both say so.
    KeptOnRequest,
    Closed,
}

/// What lies between a head and the next. It is read past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes, often none.
    Bytes(u64),
    /// Chunks: see `body.rs`.
    Chunked,
}

/// Finds the end of a head as its bytes arrive, and looks at each of them once.
#[derive(Default)]
pub struct HeadEnd {
    seen: usize,
    /// Where the line begins that has not ended yet.
    line: usize,
    /// Whether there is one before it that is not empty.
    has_line: bool,
}

/// Whether these first bytes belong to a request already. A client may send one empty line before it, as some did after
/// a body: RFC 9112, section 2.2.
pub fn has_begun(input: &[u8]) -> bool {
    !b"\r\n".starts_with(input)
}

impl HeadEnd {
    /// The length of the head that `input` begins with, its empty line included; None: that has not arrived yet. `input`
    /// is what it was at the last call, and more.
    ///
    /// Errors: 400 for a CR or an LF without the other, or a NUL; 414 and 431 for too much.
    pub fn find(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Status> {
        loop {
            // Nothing can be wrong with the other bytes.
            let special = memchr3(b'\r', b'\n', 0, &input[self.seen..]);
            self.seen = special.map_or(input.len(), |ahead| self.seen + ahead);
            let (length, of_line) = (self.seen + usize::from(special.is_some()), self.line + limits.request_line);
            if !self.has_line && length > of_line && of_line < limits.head {
                return Err(Status::URI_TOO_LONG);
            } else if length >= limits.head {
                return Err(Status::FIELDS_TOO_LARGE);
            }
            match input[self.seen..] {
                [] | [b'\r'] => return Ok(None),
                [b'\r', b'\n', ..] => {}
                _ => return Err(Status::BAD_REQUEST),
            }
            let (is_empty, next) = (self.seen == self.line, self.seen + 2);
            if is_empty && self.has_line {
                return Ok(Some(next));
            } else if is_empty && self.line > 0 {
                return Err(Status::BAD_REQUEST);
            }
            (self.has_line, self.line, self.seen) = (!is_empty, next, next);
        }
    }
}

/// Reads a whole head, as [`HeadEnd`] found it.
///
/// Errors: the status to refuse it with. No other request can be told from what follows.
pub fn read<'a>(head: &'a [u8], room: &'a mut Room<'a>, limits: &Limits) -> Result<Request<'a>, Status> {
    let line = first_line(head);
    let (method, target, minor) = request_line(line)?;
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    let fields = head.get(line.len() + 2..).unwrap_or_default();
    let fields = match httparse::parse_headers(fields, &mut room[..limits.fields]) {
        Ok(httparse::Status::Complete((_, fields))) => Fields(fields),
        Err(httparse::Error::TooManyHeaders) => return Err(Status::FIELDS_TOO_LARGE),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Status::BAD_REQUEST),
    };
    check_host(&fields, minor)?;
    let body = body(&fields, minor, limits)?;
    let expects_continue = body != Body::Bytes(0) && minor > 0 && fields.lists("expect", b"100-continue");
    let persistence = if method == "CONNECT" { Persistence::Closed } else { persistence(&fields, minor) };
    Ok(Request { method, target, persistence, body, expects_continue, fields })
}

/// The request line of a head, as it came.
pub fn first_line(head: &[u8]) -> &[u8] {
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    head.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or(head)
}

/// `method SP request-target SP HTTP-version`, and the version's second digit. RFC 9112, section 3.
fn request_line(line: &[u8]) -> Result<(&str, &str, u8), Status> {
    let mut words = line.splitn(4, |&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Status::BAD_REQUEST);
    };
    if !is_token(method) || target.is_empty() || !target.iter().copied().all(is_of_target) {
        return Err(Status::BAD_REQUEST);
    }
    let (Ok(method), Ok(target)) = (std::str::from_utf8(method), std::str::from_utf8(target)) else {
        return Err(Status::BAD_REQUEST);
    };
    // HTTP-version = "HTTP/" DIGIT "." DIGIT. A minor version that doesn't exist yet is to be read as our highest.
    match version.strip_prefix(b"HTTP/") {
        Some([b'1', b'.', minor @ b'0'..=b'9']) => Ok((method, target, (minor - b'0').min(1))),
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => Err(Status::VERSION_NOT_SUPPORTED),
        _ => Err(Status::BAD_REQUEST),
    }
}

/// What a URI may have in it, and what browsers leave in it all the same: ``\ ^ ` { | }``. RFC 3986, section 2, and the
/// "percent-encode sets" of <https://url.spec.whatwg.org>.
fn is_of_target(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>".contains(&byte)
}

/// token = 1*tchar
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_of_token)
}

/// tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
pub fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// The fields of a head.
pub struct Fields<'a>(&'a [httparse::Header<'a>]);

impl<'a> Fields<'a> {
    /// The values of all fields of this name, in their order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.trim_ascii())
    }

    /// The value of a field that may come once.
    pub fn only(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// The words of a list, `1#token`.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.values(name).flat_map(|value| value.split(|&byte| byte == b',')).map(|word| word.trim_ascii())
    }

    /// Whether a list has this word, in capitals or small letters.
    fn lists(&self, name: &str, wanted: &[u8]) -> bool {
        self.list(name).any(|word| word.eq_ignore_ascii_case(wanted))
    }

    /// Whether none of the fields makes the reply depend on what the client has already, or wants less than all.
    pub fn ask_for_all(&self) -> bool {
        let conditional = |name: &str| name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("if-"));
        !self.0.iter().any(|field| conditional(field.name) || field.name.eq_ignore_ascii_case("range"))
    }
}

/// HTTP/1.1 has exactly one Host, HTTP/1.0 at most one, and it is `uri-host [ ":" port ]` or empty. RFC 9112, section 3.2.
fn check_host(fields: &Fields, minor: u8) -> Result<(), Status> {
    let mut hosts = fields.values("host");
    match (hosts.next(), hosts.next()) {
        (None, _) if minor == 0 => Ok(()),
        (Some(host), None) if is_authority(host) => Ok(()),
        _ => Err(Status::BAD_REQUEST),
    }
}

/// How long the body is: RFC 9112, section 6.3, with everything refused that two readers could take in two ways. Such is a
/// length as well as a coding, and a coding from a client of HTTP/1.0, which can't know the field.
fn body(fields: &Fields, minor: u8, limits: &Limits) -> Result<Body, Status> {
    let mut lengths = fields.values("content-length");
    let codings: Vec<&[u8]> = fields.list("transfer-encoding").collect();
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    // In a list nothing between two commas counts for nothing, but not every reader of this one knows that.
    let is_another = |coding: &&[u8]| !coding.is_empty() && !is_chunked(coding);
    match (&codings[..], lengths.next(), lengths.next()) {
        ([], None, _) => Ok(Body::Bytes(0)),
        ([], Some(digits), None) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            // A number that doesn't fit is too large whatever it is.
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX);
            if length > limits.body { Err(Status::CONTENT_TOO_LARGE) } else { Ok(Body::Bytes(length)) }
        }
        ([before @ .., last], None, _) if minor > 0 && is_chunked(last) && before.iter().all(is_another) => {
            if before.is_empty() { Ok(Body::Chunked) } else { Err(Status::NOT_IMPLEMENTED) }
        }
        _ => Err(Status::BAD_REQUEST),
    }
}

/// RFC 9112, section 9.3.
fn persistence(fields: &Fields, minor: u8) -> Persistence {
    match minor {
        _ if fields.lists("connection", b"close") => Persistence::Closed,
        0 if fields.lists("connection", b"keep-alive") => Persistence::KeptOnRequest,
        0 => Persistence::Closed,
        _ => Persistence::Kept,
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
