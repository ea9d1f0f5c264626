//! The access log, in the Combined format that programs for it read:
//!
//! ```text
//! 192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] "GET / HTTP/1.1" 200 157 "referrer" "user agent"
//! ```

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf, absolute};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use common::address::Peer;
use common::signal::Requests;
use common::{exit, listener, log};

use crate::request::{self, Fields, Limits};
use crate::status::Status;

/// Where the lines go.
pub struct AccessLog {
    path: PathBuf,
    folder: Option<PathBuf>,
    out: Mutex<Out>,
    /// SIGHUP says that the file has been moved away, and is to be opened anew.
    pub requests: Requests,
}

struct Out {
    /// None: it is `-`, stdout. What there is no room for is lost.
    file: Option<File>,
    /// The last line could not be written, or not to its end, which has been said.
    is_failing: bool,
    /// What was written last ends within a line.
    is_cut: bool,
}

impl AccessLog {
    /// Opens it, to go on at its end.
    ///
    /// Errors: `cannot open FILE: …`; no descriptors are left.
    pub fn open(path: &Path) -> Result<AccessLog> {
        // By its full name, so that it can be opened again wherever the process is.
        let path =
            if path == Path::new("-") { path.to_owned() } else { absolute(path).unwrap_or_else(|_| path.to_owned()) };
        let out = Mutex::new(open(&path)?);
        // Only now is it sure to be there. A pipe behind `/dev/stdout` has no path, and keeps the link's folder.
        let file = path.canonicalize().unwrap_or_else(|_| path.clone());
        let folder = file.parent().filter(|_| path.is_absolute()).map(Path::to_owned);
        Ok(AccessLog { path, folder, out, requests: Requests::on_hangup()? })
    }

    /// The folder that its file is in, which is not the one of a link to it.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Opens the file anew.
    pub fn reopen(&self) {
        match open(&self.path) {
            Ok(new) => *self.out() = new,
            Err(error) => log::line(crate::NAME, exit::describe(&error)),
        }
    }

    /// Writes a line. A full disk is not the server's end, but is said, once until lines can be written again.
    pub fn write(&self, line: &str) {
        let mut out = self.out();
        let (was_failing, was_cut) = (out.is_failing, out.is_cut);
        let Some(file) = &mut out.file else { return listener::say(line) };
        let text = [if was_cut { "\n" } else { "" }, line].concat();
        let begun = rustix::io::retry_on_intr(|| rustix::io::write(&*file, text.as_bytes()));
        let written = begun.map_err(std::io::Error::from).and_then(|count| file.write_all(&text.as_bytes()[count..]));
        out.is_failing = written.is_err();
        // If nothing of this line was written, the file ends as it did before.
        out.is_cut = written.is_err() && (was_cut || begun.is_ok());
        drop(out);
        if let (Err(error), false) = (written, was_failing) {
            let error = anyhow::Error::from(error).context(format!("cannot write {}", self.path.display()));
            log::client(crate::NAME, exit::describe(&error));
        }
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody waits for a reader, should it be a FIFO.
fn open(path: &Path) -> Result<Out> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let open = || File::options().append(true).create(true).custom_flags(nonblock).open(path);
    let file = (path != Path::new("-")).then(open).transpose();
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Out { file, is_failing: false, is_cut: false })
}

/// A line, but for how many bytes of content were sent.
pub struct Entry {
    before: String,
    /// So many are to be sent.
    length: u64,
    after: String,
}

impl Entry {
    /// The line for a request. `date` is HTTP's; without `fields`, the head was too bad to have any.
    pub fn new(peer: &Peer, date: &str, head: &[u8], fields: Option<&Fields>, status: Status, length: u64) -> Entry {
        let host = peer.ip.map_or("-".to_owned(), |ip| ip.to_string());
        let line = request::first_line(head);
        let line = escape(&line[..line.len().min(Limits::USUAL.request_line)]);
        let before = format!("{host} - - [{}] \"{line}\" {} ", time(date), status.code());
        let quoted = |name| fields.and_then(|fields| fields.values(name).next()).map_or("-".to_owned(), escape);
        Entry { before, length, after: format!(" \"{}\" \"{}\"\n", quoted("referer"), quoted("user-agent")) }
    }

    /// The whole line, for a reply of which so many bytes were not sent.
    pub fn line(&self, left: u64) -> String {
        format!("{}{}{}", self.before, self.length.saturating_sub(left), self.after)
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` to `06/Nov/1994:08:49:37 +0000`.
fn time(date: &str) -> String {
    format!("{}/{}/{}:{} +0000", &date[5..7], &date[8..11], &date[12..16], &date[17..25])
}

/// A client's words, with nothing in them that a terminal or a reader of the log could take for something else.
fn escape(text: &[u8]) -> String {
    // An apostrophe ends nothing here.
    text.escape_ascii().to_string().replace("\\'", "'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::NO_FIELDS;

    #[test]
    fn a_line_is_one_line_whatever_the_client_says() {
        let peer = Peer::from(&common::address::Address::Internet("[::ffff:192.0.2.7]:1".parse().unwrap()));
        let head = b"\r\nGET /\\ HTTP/1.1\r\nHost: a\r\nReferer: a\"\\'b\r\nUser-Agent: \xc3\t\x9b31m\r\n\r\n";
        let mut room = NO_FIELDS;
        let request = request::read(head, &mut room, &Limits::USUAL).unwrap();
        let entry = Entry::new(&peer, "Sun, 06 Nov 1994 08:49:37 GMT", head, Some(&request.fields), Status::OK, 9);
        let expected = "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /\\\\ HTTP/1.1\" 200 5 \"a\\\"\\\\'b\" \"\\xc3\\t\\x9b31m\"\n";
        assert_eq!(entry.line(4), expected);
    }

    #[test]
    fn what_is_no_request_has_a_line_too() {
        let peer = Peer::from(&common::address::Address::Internet("[2001:db8::1]:1".parse().unwrap()));
        let entry = Entry::new(&peer, "Sun, 06 Nov 1994 08:49:37 GMT", b"\x16\x03\"\0", None, Status::BAD_REQUEST, 0);
        let expected = "2001:db8::1 - - [06/Nov/1994:08:49:37 +0000] \"\\x16\\x03\\\"\\x00\" 400 0 \"-\" \"-\"\n";
        assert_eq!(entry.line(0), expected);
    }
}
