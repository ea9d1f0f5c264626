//! Bytes to a request, strictly. Who reads a request otherwise than the proxy in front of it can be made to see a second
//! request that the proxy did not ("request smuggling", RFC 9112, section 11.2): so in doubt, the answer is 400.
//!
//! `httparse` knows the grammar of fields. It is a parser and not a server: it takes a lone line feed for the end of a
//! line, doesn't look at Host, Content-Length and Transfer-Encoding, and has one error for a version that is malformed and
//! one that is merely not ours. Line ends, limits, the request line and the framing are therefore decided here, in this
//! order: syntax, Host, lengths. What the method and the target mean comes later, in `response.rs`.

use crate::status::Status;

/// The longest request line. RFC 9112 asks for 8,000 bytes at least; browsers stay far below.
const REQUEST_LINE_BYTES: usize = 16 * 1024;
/// The longest head, in bytes and in fields. Much more than browsers send, cookies and all, and still little to keep.
const HEAD_BYTES: usize = 64 * 1024;
const FIELDS: usize = 128;
/// The longest body to read past. No method here wants one, but a client may send a small one with its mistake.
const BODY_BYTES: u64 = 1024 * 1024;

/// What a client asks for, and how to find the request after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// As it came: printable ASCII, at least one byte, and nothing else is known of it.
    pub target: String,
    /// What the connection is for afterwards.
    pub persistence: Persistence,
    /// The bytes of the body, which come before the next request.
    pub body: Body,
}

/// The methods that HTTP has, by what they mean to a server that only shows pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    /// One of RFC 9110's or RFC 5789's others.
    Other,
    Unknown,
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

/// What lies between a head and the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes, often none. They are read past.
    Bytes(u64),
    /// It can't be told, or the client waits to be asked for it. No request can follow.
    Unread,
}

/// Finds the end of a head as its bytes arrive, and looks at each of them once.
#[derive(Default)]
pub struct HeadEnd {
    seen: usize,
    line: usize,
    lines: usize,
    after_cr: bool,
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
    pub fn find(&mut self, input: &[u8]) -> Result<Option<usize>, Status> {
        for (index, &byte) in input.iter().enumerate().skip(self.seen) {
            match (byte, self.after_cr) {
                (b'\n', true) => {
                    let is_empty = self.line + 1 == index;
                    if is_empty && self.line > 0 {
                        return if self.lines > 0 { Ok(Some(index + 1)) } else { Err(Status::BadRequest) };
                    }
                    self.lines += usize::from(!is_empty);
                    self.line = index + 1;
                }
                (b'\n', false) | (_, true) | (0, _) => return Err(Status::BadRequest),
                _ => {}
            }
            self.after_cr = byte == b'\r';
            if self.lines == 0 && index + 1 - self.line > REQUEST_LINE_BYTES {
                return Err(Status::UriTooLong);
            }
            if index + 1 >= HEAD_BYTES {
                return Err(Status::FieldsTooLarge);
            }
        }
        self.seen = input.len();
        Ok(None)
    }
}

/// Reads a whole head, as [`HeadEnd`] found it.
///
/// Errors: the status to refuse it with. No other request can be told from what follows.
pub fn read(head: &[u8]) -> Result<Request, Status> {
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    let end = head.windows(2).position(|two| two == b"\r\n").ok_or(Status::BadRequest)?;
    let (method, target, minor) = request_line(&head[..end])?;
    let mut room = [httparse::EMPTY_HEADER; FIELDS];
    let fields = match httparse::parse_headers(&head[end + 2..], &mut room) {
        Ok(httparse::Status::Complete((_, fields))) => Fields(fields),
        Err(httparse::Error::TooManyHeaders) => return Err(Status::FieldsTooLarge),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Status::BadRequest),
    };
    check_host(&fields, minor)?;
    let mut body = body(&fields, minor)?;
    if body != Body::Bytes(0) && minor > 0 && fields.list("expect").any(|word| word == "100-continue") {
        // It waits for a sign to go on, and the answer is one not to: RFC 9110, section 10.1.1.
        body = Body::Unread;
    }
    let mut persistence = persistence(&fields, minor);
    if body == Body::Unread || method == "CONNECT" {
        persistence = Persistence::Closed;
    }
    Ok(Request { method: Method::named(method), target: target.to_owned(), persistence, body })
}

/// `method SP request-target SP HTTP-version`, and the version's second digit. RFC 9112, section 3.
fn request_line(line: &[u8]) -> Result<(&str, &str, u8), Status> {
    let line = std::str::from_utf8(line).map_err(|_| Status::BadRequest)?;
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let [method, target, version] = words[..] else { return Err(Status::BadRequest) };
    // token = 1*( "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA )
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(Status::BadRequest);
    }
    if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Status::BadRequest);
    }
    // HTTP-version = "HTTP/" DIGIT "." DIGIT. A minor version that doesn't exist yet is to be read as our highest.
    match version.as_bytes() {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] => Ok((method, target, (minor - b'0').min(1))),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Status::VersionNotSupported),
        _ => Err(Status::BadRequest),
    }
}

/// The fields of a head.
struct Fields<'a>(&'a [httparse::Header<'a>]);

impl<'a> Fields<'a> {
    /// The values of all fields of this name, in their order.
    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.trim_ascii())
    }

    /// The words of a list, `1#token`, in small letters. What isn't ASCII can't be one of the words that matter here.
    fn list(&self, name: &str) -> impl Iterator<Item = String> {
        let words = self.values(name).flat_map(|value| value.split(|&byte| byte == b','));
        words.map(|word| word.trim_ascii().escape_ascii().to_string().to_ascii_lowercase())
    }
}

/// HTTP/1.1 has exactly one Host, HTTP/1.0 at most one, and it is `uri-host [ ":" port ]` or empty. RFC 9112, section 3.2.
fn check_host(fields: &Fields, minor: u8) -> Result<(), Status> {
    let hosts: Vec<&[u8]> = fields.values("host").collect();
    let is_good = match hosts[..] {
        [] => minor == 0,
        [host] => is_authority(host),
        _ => false,
    };
    if is_good { Ok(()) } else { Err(Status::BadRequest) }
}

/// `uri-host [ ":" port ]`: an address in brackets, or a name, of the bytes that RFC 3986, section 3.2.2 has for them.
pub fn is_authority(text: &[u8]) -> bool {
    let (host, after) = match text.iter().position(|&byte| byte == b']') {
        Some(end) if text[0] == b'[' => (&text[1..end], &text[end + 1..]),
        Some(_) => return false,
        None => text.split_at(text.iter().position(|&byte| byte == b':').unwrap_or(text.len())),
    };
    let in_brackets = text.starts_with(b"[");
    let is_of_host = |&byte: &u8| {
        byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte) || (in_brackets && byte == b':')
    };
    let is_port = after.is_empty() || (after[0] == b':' && after[1..].iter().all(u8::is_ascii_digit));
    host.iter().all(is_of_host) && is_port
}

/// How long the body is: RFC 9112, section 6.3, with everything refused that two readers could take in two ways.
fn body(fields: &Fields, minor: u8) -> Result<Body, Status> {
    let lengths: Vec<&[u8]> = fields.values("content-length").collect();
    if fields.values("transfer-encoding").next().is_some() {
        let codings: Vec<String> = fields.list("transfer-encoding").collect();
        return match &codings[..] {
            // A length as well, or a client of HTTP/1.0, which can't know the field.
            _ if !lengths.is_empty() || minor == 0 => Err(Status::BadRequest),
            [only] if only == "chunked" => Ok(Body::Unread),
            [before @ .., last] if last == "chunked" && !before.contains(last) => Err(Status::NotImplemented),
            _ => Err(Status::BadRequest),
        };
    }
    match lengths[..] {
        [] => Ok(Body::Bytes(0)),
        [digits] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            // A number that doesn't fit is too large whatever it is.
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX);
            if length > BODY_BYTES { Err(Status::ContentTooLarge) } else { Ok(Body::Bytes(length)) }
        }
        _ => Err(Status::BadRequest),
    }
}

/// RFC 9112, section 9.3.
fn persistence(fields: &Fields, minor: u8) -> Persistence {
    let options: Vec<String> = fields.list("connection").collect();
    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    if has("close") {
        Persistence::Closed
    } else if minor > 0 {
        Persistence::Kept
    } else if has("keep-alive") {
        Persistence::KeptOnRequest
    } else {
        Persistence::Closed
    }
}

impl Method {
    /// Names of methods have capitals and small letters: `get` is none that anybody knows.
    fn named(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "TRACE" | "CONNECT" => Method::Other,
            _ => Method::Unknown,
        }
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
