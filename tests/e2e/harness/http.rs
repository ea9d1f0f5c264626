//! HTTP as bytes: what a server answers is read strictly, and what no answer may look like is found here for all tests.
//!
//! Nothing here panics: a table of many requests wants to hear of every fault, not of the first.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

/// A connection, and what has arrived on it and was not looked at yet.
pub struct Client {
    stream: TcpStream,
    pub input: Vec<u8>,
}

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Names and values, as they came and in their order.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Whether an answer has what its Content-Length promises: not the one to a HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Follows,
    IsLeftOut,
}

impl Client {
    pub fn new(stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        Client { stream, input: Vec::new() }
    }

    /// Sends bytes. A server may refuse the first of them and not want the others: what became of it, the answer says.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Says that no more will be sent.
    pub fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next answer.
    ///
    /// Errors: it's not HTTP, breaks off, or doesn't come.
    pub fn reply(&mut self, content: Content) -> Result<Reply, String> {
        loop {
            if let Some((reply, length)) = Reply::read(&self.input, content)? {
                self.input.drain(..length);
                return Ok(reply);
            }
            if !self.receive()? {
                return Err(format!("the connection ends within an answer: {}", shown(&self.input)));
            }
        }
    }

    /// Asks, and takes the answer.
    ///
    /// Errors: as [`Client::reply`].
    pub fn ask(&mut self, request: &str) -> Result<Reply, String> {
        self.send(request.as_bytes());
        self.reply(if request.starts_with("HEAD ") { Content::IsLeftOut } else { Content::Follows })
    }

    /// Receives until the server closes; `input` has all of it then.
    ///
    /// Errors: it resets the connection, or doesn't close it.
    pub fn receive_all(&mut self) -> Result<(), String> {
        while self.receive()? {}
        Ok(())
    }

    /// Receives more; false: that was all.
    ///
    /// Errors: the connection is reset, or nothing comes.
    pub fn receive(&mut self) -> Result<bool, String> {
        let mut piece = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(length) => {
                    self.input.extend_from_slice(&piece[..length]);
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("{error}, after {}", shown(&self.input))),
            }
        }
    }
}

impl Reply {
    /// The answer that `input` begins with, and its length. None: that's not all of it.
    ///
    /// Errors: it's none. RFC 9112, sections 4 and 5.
    pub fn read(input: &[u8], content: Content) -> Result<Option<(Reply, usize)>, String> {
        let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") else {
            let is_sane = input.len() < 64 * 1024 && b"HTTP/1.1 "[..].starts_with(&input[..input.len().min(9)]);
            return if is_sane { Ok(None) } else { Err(format!("no head of an answer: {}", shown(input))) };
        };
        let (head, after) = (&input[..end], &input[end + 4..]);
        let head = std::str::from_utf8(head).ok().filter(|head| head.is_ascii());
        let head = head.ok_or_else(|| format!("a head that isn't ASCII: {}", shown(input)))?;
        let mut lines = head.split("\r\n");
        let status = status(lines.next().unwrap_or_default()).ok_or_else(|| format!("no status line: {head}"))?;
        let mut fields = Vec::new();
        for line in lines {
            fields.push(field(line).ok_or_else(|| format!("no field: {line:?}"))?);
        }
        let mut reply = Reply { status, fields, body: Vec::new() };
        let length = reply.content_length()?;
        if content == Content::Follows {
            if after.len() < length {
                return Ok(None);
            }
            reply.body = after[..length].to_vec();
        }
        let length = reply.body.len() + end + 4;
        Ok(Some((reply, length)))
    }

    /// How long the content is. Ours says so always: a reply that ends with the connection can't be told from a broken one.
    fn content_length(&self) -> Result<usize, String> {
        if self.field("Transfer-Encoding").is_some() {
            return Err("Transfer-Encoding in an answer: it has a length".to_owned());
        }
        if self.status < 200 || self.status == 204 || self.status == 304 {
            return Ok(0);
        }
        let length = self.field("Content-Length").ok_or_else(|| format!("no Content-Length in {:?}", self.fields))?;
        length.parse().map_err(|_| format!("Content-Length: {length}"))
    }

    /// The value of a field that comes once. [`Reply::faults`] tells of one that doesn't.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What is wrong with it, whatever it answers.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, _) in &self.fields {
            if self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name)).count() > 1 {
                faults.push(format!("{name} comes twice"));
            }
        }
        let is = |name: &str| self.field(name).is_some();
        let mut rule = |is_kept: bool, fault: &str| {
            if !is_kept {
                faults.push(fault.to_owned());
            }
        };
        if self.status < 200 {
            rule(self.fields.is_empty(), "an interim answer with fields");
            return faults;
        }
        rule(self.field("Date").is_some_and(is_date), "no Date, or none of RFC 9110, 6.6.1");
        rule(self.field("Last-Modified").is_none_or(is_date), "Last-Modified is no date");
        rule(self.field("ETag").is_none_or(is_entity_tag), "ETag: RFC 9110, 8.8.3");
        rule(self.status != 405 || is("Allow"), "405 without Allow: RFC 9110, 15.5.6");
        rule(self.status != 204 || !is("Content-Length"), "204 with Content-Length: RFC 9110, 8.6");
        rule(self.status != 304 || !is("Content-Type"), "304 with Content-Type: RFC 9110, 15.4.5");
        rule(!matches!(self.status, 206 | 416) || is("Content-Range"), "no Content-Range: RFC 9110, 14.4");
        rule(matches!(self.status, 206 | 416) || !is("Content-Range"), "Content-Range: RFC 9110, 14.4");
        rule(self.status != 426 || is("Upgrade"), "426 without Upgrade: RFC 9110, 15.5.22");
        let is_local = |to: &str| to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
        rule(self.status / 100 != 3 || self.status == 304 || self.field("Location").is_some_and(is_local), "Location");
        rule(self.body.is_empty() || is("Content-Type"), "content without a type: RFC 9110, 8.3");
        rule(!is("Content-Type") || self.field("X-Content-Type-Options") == Some("nosniff"), "no nosniff");
        rule(!is("Connection") || self.is_last() || self.field("Connection") == Some("keep-alive"), "Connection");
        faults
    }

    /// Whether it says that it is the last on its connection.
    pub fn is_last(&self) -> bool {
        self.field("Connection").is_some_and(|value| value == "close")
    }
}

/// `HTTP-version SP status-code SP [ reason-phrase ]`, where the version is the highest that the server knows.
fn status(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.1 ")?;
    let (code, reason) = rest.split_once(' ')?;
    let is_text = reason.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    code.parse().ok().filter(|code| is_code && is_text && (100..600).contains(code))
}

/// `field-name ":" OWS field-value OWS`.
fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_name = !name.is_empty() && name.bytes().all(is_token);
    let is_value = value.bytes().all(|byte| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic());
    (is_name && is_value).then(|| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn is_date(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().any(|day| text.starts_with(day));
    let months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    let month = months.split(' ').any(|month| shape.get(3..) == Some(&format!(", 00 {month} 0000 00:00:00 GMT")));
    day && month
}

/// `[ "W/" ] DQUOTE *etagc DQUOTE`.
fn is_entity_tag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let inner = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}

/// Bytes for a person to read, and not too many of them.
pub fn shown(bytes: &[u8]) -> String {
    const ENOUGH: usize = 600;
    let text = bytes[..bytes.len().min(ENOUGH)].escape_ascii().to_string();
    if bytes.len() > ENOUGH { format!("{text}... ({} bytes)", bytes.len()) } else { text }
}
