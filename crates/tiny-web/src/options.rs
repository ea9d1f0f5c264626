//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser};
use common::cli;

use crate::NAME;
use crate::path::encode;
use crate::request::{self, MOST_FIELDS, is_token};

/// Show browsers the lecture's page, or the files of a folder
///
/// A listening socket that systemd or another starter hands over (LISTEN_FDS) is used instead of an own one.
#[derive(Parser)]
#[command(name = NAME, version)]
pub struct Options {
    /// Folder with the files to show; without one, the lecture's "Hello world!" page
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) door: cli::Door,

    /// Write a line for each request to FILE, in the Combined format; - for stdout. SIGHUP opens FILE anew
    #[arg(long, value_name = "FILE|-")]
    pub(crate) log: Option<PathBuf>,

    /// Event loops, each a thread [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,

    /// Don't give up the right to all files but those of DIR (Linux: Landlock)
    #[arg(long)]
    pub(crate) no_sandbox: bool,

    /// How long requests in flight may take to finish when the server is asked to stop
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = cli::duration)]
    pub(crate) drain: Duration,

    #[command(flatten)]
    pub(crate) trace: cli::Trace,

    #[command(flatten)]
    pub(crate) show: Show,

    #[command(flatten)]
    pub(crate) limits: ClientLimits,
}

/// How the folder is shown.
#[derive(Args, Clone)]
#[command(next_help_heading = "How files are shown")]
pub struct Show {
    /// Don't show what is in a folder without an index.html
    #[arg(long, requires = "folder")]
    pub no_listing: bool,

    /// Show files and folders whose names begin with a dot, too
    #[arg(long, requires = "folder")]
    pub dotfiles: bool,

    /// Answer with FILE, of DIR, for every page that is not there: for an application that makes its own pages
    #[arg(long, value_name = "FILE", value_parser = target, requires = "folder")]
    pub spa: Option<String>,

    /// How long clients may keep a file without asking again, in seconds [default: they have to ask]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub cache: Option<u32>,

    /// Look at a file for each request, rather than once a second
    #[arg(long, requires = "folder")]
    pub no_cache: bool,

    /// Add a field to every response; may be given more than once
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = field, action = ArgAction::Append)]
    pub headers: Vec<(String, String)>,

    /// Let pages of all other sites read what is sent here
    #[arg(long)]
    pub cors: bool,

    /// Don't tell the name of this program in every response
    #[arg(long)]
    pub no_server_header: bool,
}

impl Show {
    /// Whether the user says this field, and the server needn't.
    pub fn says(&self, name: &str) -> bool {
        self.headers.iter().any(|(said, _)| said.eq_ignore_ascii_case(name))
    }

    /// The field that allows clients to keep something for so long, with its line end; None: they have to ask each time. Empty
    /// when the user says it.
    pub fn cache_control(&self, seconds: Option<u32>) -> String {
        match seconds {
            _ if self.says("cache-control") => String::new(),
            Some(seconds) => format!("Cache-Control: max-age={seconds}\r\n"),
            None => "Cache-Control: no-cache\r\n".to_owned(),
        }
    }
}

/// What a client may have of everything.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub struct ClientLimits {
    /// Clients that may wait to be accepted; the system may allow fewer (net.core.somaxconn)
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(i32).range(1..=65_535))]
    pub backlog: i32,

    /// Most connections to serve at once; for others, one gives way that is between requests or in the middle of a head, or
    /// they wait [default: as many as there are descriptors for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,

    /// Most connections of one address, or of 64 bits of IPv6; more are closed [default: a quarter of all; of few, 8 or half]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_per_address: Option<u32>,

    /// Longest request line (else 414)
    #[arg(long, value_name = "BYTES", default_value = "16KiB", value_parser = head)]
    pub max_request_line: usize,

    /// Longest head of a request (else 431)
    #[arg(long, value_name = "BYTES", default_value = "64KiB", value_parser = head)]
    pub max_head: usize,

    /// Most fields of a head (else 431)
    #[arg(long, value_name = "N", default_value_t = MOST_FIELDS as u32, value_parser = clap::value_parser!(u32).range(1..=MOST_FIELDS as i64))]
    pub max_fields: u32,

    /// Longest body of a request, which is read past (else 413)
    #[arg(long, value_name = "BYTES", default_value = "1MiB", value_parser = cli::buffer_size)]
    pub max_body: usize,

    /// How long the head of a request may take to arrive, from its first byte; then its body (else 408)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = cli::some_duration)]
    pub head_timeout: Duration,

    /// How long a connection may be silent between requests; 0s: for ever
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = cli::duration)]
    pub idle_timeout: Duration,

    /// How many bytes a second a client has to read of its reply; 0: it may stand still
    #[arg(long, value_name = "BYTES", default_value = "1KiB", value_parser = rate)]
    pub min_rate: usize,

    /// How long it may read more slowly than that
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = cli::some_duration)]
    pub slow_timeout: Duration,
}

impl ClientLimits {
    /// What a request may have of everything.
    pub fn of_requests(&self) -> request::Limits {
        request::Limits {
            request_line: self.max_request_line,
            head: self.max_head,
            fields: self.max_fields as usize,
            body: self.max_body as u64,
        }
    }
}

/// What a client would ask for to get this file, which has no slash at its end, as a folder has. A `?` or a `%` in its name
/// means nothing but itself, and `.` is the folder that it is in.
fn target(file: &str) -> Result<String, String> {
    let mut target = String::new();
    for name in file.split('/').filter(|name| !name.is_empty() && *name != ".") {
        target.push('/');
        target.extend(encode(name.as_bytes()));
    }
    if target.is_empty() { Err("a file of DIR, such as index.html".to_owned()) } else { Ok(target) }
}

fn seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("a number of seconds, from 0 to {}", u32::MAX))
}

/// Room for what a client has to say before it gets anything. With less than this, browsers get nothing at all.
fn head(text: &str) -> Result<usize, String> {
    let bytes = cli::buffer_size(text)?;
    if bytes < 1024 { Err("from 1KiB to 16MiB".to_owned()) } else { Ok(bytes) }
}

fn rate(text: &str) -> Result<usize, String> {
    if text == "0" { Ok(0) } else { cli::buffer_size(text) }
}

/// Fields that say how the others are to be read, or what only the server knows.
const RESERVED: &str = "accept-ranges age allow connection content-encoding content-length content-location content-range \
    content-type date etag host keep-alive last-modified location proxy-connection retry-after te trailer transfer-encoding \
    upgrade via";

/// `NAME: VALUE`, as RFC 9110, section 5 has it.
fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a name, a colon and a value, such as 'X-Robots-Tag: none'")?;
    let value = value.trim_matches([' ', '\t']);
    if !is_token(name.as_bytes()) {
        return Err("a name of letters, digits and hyphens, such as X-Robots-Tag".to_owned());
    }
    if RESERVED.split(' ').any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(format!("{name} is for the server to say"));
    }
    if value.chars().any(|letter| letter != '\t' && letter.is_control()) {
        return Err("a value without line ends and other control characters".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::LocalPath;

    #[test]
    fn an_applications_page_is_no_folder() {
        for file in ["app", "/app", "app/", "//app//", "./app", "./././app/."] {
            assert_eq!(target(file), Ok("/app".to_owned()), "{file}");
        }
        assert!(["/", "", ".", "./"].into_iter().all(|folder| target(folder).is_err()));
    }

    #[test]
    fn an_applications_page_has_the_name_that_was_given() {
        for file in ["a?b.html", "x%41.html", "100%.html", "a#b.html", "a/é b.html", "http://a/b"] {
            let path = LocalPath::of_target(&target(file).unwrap(), false).unwrap();
            assert_eq!(path.below_root().to_str(), Some(file.replace("//", "/").as_str()), "{file}");
        }
        assert!(LocalPath::of_target(&target("a/../b").unwrap(), false).is_err());
    }

    #[test]
    fn a_field_is_a_name_and_a_value_and_none_of_the_servers() {
        assert_eq!(field("X-A:  b: c "), Ok(("X-A".to_owned(), "b: c".to_owned())));
        assert_eq!(field("X-A:"), Ok(("X-A".to_owned(), String::new())));
        for wrong in [
            "",
            "X-A",
            ": b",
            "X A: b",
            "X-A: b\r\nY: z",
            "X-A: b\0",
            "Content-Length: 5",
            "connection: close",
            "TE: x",
            "Via: x",
        ] {
            assert!(field(wrong).is_err(), "{wrong:?}");
        }
    }
}
