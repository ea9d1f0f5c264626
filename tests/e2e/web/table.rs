//! Tables of requests: where it is said, the bytes that are sent, and what may come back.
//!
//! Each row is tried three times: on a connection of its own; there again, but byte by byte; and behind another request, in
//! the same segment. A fourth request comes behind it, always. So a row says more than its status: how many answers there
//! are, whether the connection goes on, and that the server finds the next request where it begins and nowhere else.
//!
//! What may come back is written so, in the words of a row:
//!
//! ```text
//! 200; kept                      one answer, and the connection goes on
//! 400; end                       one answer, and the connection ends
//! 400|501; end                   either
//! 100, 405; kept / 405; end      either the one or the other
//! 206 [Content-Range: bytes 0-0/10] [=0]; kept     this field with this value, this content
//! 200 [Vary~Accept-Encoding] [!Content-Encoding] [ETag] [*text]; kept    has this in it, none of it, any, somewhere in it
//! 200 bare; kept                 the answer to a HEAD
//! nothing; end                   no answer at all
//! ```

use std::time::Duration;

use super::site::Site;
use crate::harness::http::{Client, Content, Reply, shown};

/// How long a row may take to be answered. There are many: the usual patience for each would be too much.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many rows without an answer, and the server is given up.
const MOST_SILENT: usize = 3;
/// Requests up to this length are sent byte by byte too.
const BYTE_BY_BYTE: usize = 4096;

/// What follows each request, and closes the connection if that has not happened.
const PROBE: &str = "GET /probe.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
/// What comes before it, when something does.
const BEFORE: &str = "GET /probe.txt HTTP/1.1\r\nHost: a\r\n\r\n";

/// Rows of whole requests: where it is said, what is sent, and what may come back.
pub type Rows<'a> = &'a [(&'a str, &'a [u8], &'a str)];
/// Rows of fields: where it is said, `METHOD /target`, the fields besides Host, and what may come back.
pub type FieldRows<'a> = &'a [(&'a str, &'a str, &'a str, &'a str)];

/// How a row is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Alone,
    ByteByByte,
    BehindAnother,
}

/// Tries all rows, and tells all that fail.
#[track_caller]
pub fn try_rows(site: &Site, rows: Rows) {
    let (mut faults, mut silent) = (String::new(), 0);
    for (source, sent, wanted) in rows {
        for manner in [Manner::Alone, Manner::ByteByByte, Manner::BehindAnother] {
            if manner == Manner::ByteByByte && sent.len() > BYTE_BY_BYTE {
                continue;
            }
            if let Err(fault) = try_row(site, sent, wanted, manner) {
                silent += usize::from(fault.contains("in vain"));
                faults += &format!("{source}: {}\n    wanted {wanted}\n    {manner:?}: {fault}\n", shown(sent));
                break;
            }
        }
        if silent >= MOST_SILENT {
            faults += "and so on: the server says too little\n";
            break;
        }
    }
    assert!(faults.is_empty(), "{} rows, and not as they should be:\n{faults}", rows.len());
}

/// Tries rows of fields; `{etag}` in them is the entity tag that the target has without any.
#[track_caller]
pub fn try_field_rows(site: &Site, rows: FieldRows) {
    let requests: Vec<(String, String)> = rows.iter().map(|row| request(site, row)).collect();
    let rows: Vec<(&str, &[u8], &str)> = rows
        .iter()
        .zip(&requests)
        .map(|((source, ..), (request, wanted))| (*source, request.as_bytes(), wanted.as_str()))
        .collect();
    try_rows(site, &rows);
}

/// A row of fields as a whole request, and what may come back.
fn request(site: &Site, &(_, line, fields, wanted): &(&str, &str, &str, &str)) -> (String, String) {
    let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
    let request = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    if !request.contains("{etag}") && !wanted.contains("{etag}") {
        return (request, wanted.to_owned());
    }
    let target = line.split_once(' ').expect("a method and a target").1;
    let mut client = Client::new(site.server.connect());
    let reply = client.ask(&format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    let etag = reply.field("ETag").unwrap_or("\"none\"");
    (request.replace("{etag}", etag), wanted.replace("{etag}", etag))
}

/// Tries a row in one manner.
///
/// Errors: what came instead.
fn try_row(site: &Site, sent: &[u8], wanted: &str, manner: Manner) -> Result<(), String> {
    let stream = site.server.connect();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::new(stream);
    let alternatives: Vec<(Vec<&str>, bool)> = wanted.split(" / ").map(alternative).collect();
    match manner {
        Manner::Alone => {
            client.send(sent);
            // Nothing more is needed for the first answer, if there is one, than what it answers.
            if let Some(first) = alternatives[0].0.first() {
                while Reply::read(&client.input, content(first))?.is_none() && client.receive().map_err(in_vain)? {}
            }
            client.send(PROBE.as_bytes());
        }
        Manner::ByteByByte => [sent, PROBE.as_bytes()].concat().iter().for_each(|byte| client.send(&[*byte])),
        Manner::BehindAnother => client.send(&[BEFORE.as_bytes(), sent, PROBE.as_bytes()].concat()),
    }
    if let Err(error) = client.receive_all() {
        // Who has said that this request is the last, and sends another, may be cut off.
        if !says_that_it_is_the_last(sent) || !error.contains("reset") {
            return Err(in_vain(error));
        }
    }
    let mut received = client.input.as_slice();
    if manner == Manner::BehindAnother {
        let (reply, length) = probed(received)?;
        if reply.is_last() {
            return Err("the connection ends after the request before it".to_owned());
        }
        received = &received[length..];
    }
    let mut fault = String::new();
    for (replies, is_kept) in &alternatives {
        match matches(received, replies, *is_kept) {
            Ok(()) => return Ok(()),
            Err(why) if fault.is_empty() => fault = why,
            Err(_) => {}
        }
    }
    Err(format!("{fault}; came {}", shown(received)))
}

/// Whether the client ends this connection, or its use for HTTP, with this request: RFC 9112, section 9.6.
fn says_that_it_is_the_last(sent: &[u8]) -> bool {
    let text = sent.to_ascii_lowercase();
    [&b"close"[..], b"http/1.0", b"connect "].iter().any(|word| text.windows(word.len()).any(|window| window == *word))
}

fn in_vain(error: String) -> String {
    format!("waited in vain: {error}")
}

/// One of the things that may come back: the answers, and whether the connection goes on.
fn alternative(wanted: &str) -> (Vec<&str>, bool) {
    let (replies, end) = wanted.rsplit_once("; ").expect("answers; kept, or answers; end");
    assert!(["kept", "end"].contains(&end), "{wanted}");
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, byte) in replies.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(replies[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(replies[from..].trim());
    parts.retain(|part| *part != "nothing");
    (parts, end == "kept")
}

/// Whether content follows the head of an answer like this.
fn content(reply: &str) -> Content {
    let words = reply.split(" [").next().unwrap_or_default();
    if words.ends_with(" bare") { Content::IsLeftOut } else { Content::Follows }
}

/// Whether just this was received, and then the probe's answer or the end.
fn matches(mut received: &[u8], replies: &[&str], is_kept: bool) -> Result<(), String> {
    let mut is_last = !is_kept;
    for wanted in replies {
        let reply = Reply::read(received, content(wanted))?;
        let (reply, length) = reply.ok_or_else(|| format!("{wanted} did not come"))?;
        received = &received[length..];
        check(&reply, wanted)?;
        if !reply.faults().is_empty() {
            return Err(reply.faults().join(", "));
        }
        is_last = reply.is_last();
    }
    if is_last == is_kept {
        return Err("what is said of the connection is not what becomes of it".to_owned());
    }
    match is_kept {
        true => probed(received).map(|_| ()),
        false if received.is_empty() => Ok(()),
        false => Err(format!("more came, where it should end: {}", shown(received))),
    }
}

/// The answer to the probe.
fn probed(received: &[u8]) -> Result<(Reply, usize), String> {
    let reply = Reply::read(received, Content::Follows)?;
    let (reply, length) = reply.filter(|(reply, _)| reply.body == b"probe\n").ok_or("the connection does not go on")?;
    Ok((reply, length))
}

/// Whether an answer is what a row says of it.
fn check(reply: &Reply, wanted: &str) -> Result<(), String> {
    let mut parts = wanted.split(" [");
    let statuses = parts.next().unwrap_or_default().trim_end_matches(" bare");
    if !statuses.split('|').any(|status| status.parse() == Ok(reply.status)) {
        return Err(format!("{} is not {statuses}", reply.status));
    }
    for part in parts {
        let part = part.strip_suffix(']').expect("[what to check]");
        let is_so = match (part.split_at(1), part.split_once(": "), part.split_once('~')) {
            (("=", content), ..) => reply.body == content.as_bytes(),
            (("*", text), ..) => reply.text().contains(text),
            (("!", name), ..) => reply.field(name).is_none(),
            (_, Some((name, value)), _) => reply.field(name) == Some(value),
            (_, None, Some((name, text))) => reply.field(name).is_some_and(|value| value.contains(text)),
            _ => reply.field(part).is_some(),
        };
        if !is_so {
            return Err(format!("not so: {part}"));
        }
    }
    Ok(())
}
