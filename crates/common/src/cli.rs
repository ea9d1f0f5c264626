//! The options that mean the same in all five programs, and how their values are read.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::address::{self, Address};

/// The port of the lecture.
pub const PORT: u16 = 2000;

/// Where a server listens: `--host` and `--port`, or `--unix`.
#[derive(Args, Debug)]
pub struct Door {
    /// Name or address to listen on [default: every interface, IPv6 and IPv4]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// Port to listen on; 0 lets the system choose one
    #[arg(long, short, value_name = "PORT", default_value_t = PORT, value_parser = port)]
    port: u16,

    /// Use a socket in the file system instead, for processes of this machine
    #[cfg(unix)]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "port"])]
    pub unix: Option<PathBuf>,

    /// Who may use it: the permissions of its file, in octal
    #[cfg(unix)]
    // What conflicts with --unix conflicts with this too: clap doesn't require an option that something given excludes.
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = mode, requires = "unix")]
    #[arg(conflicts_with_all = ["host", "port"])]
    pub unix_mode: u32,
}

impl Door {
    /// The addresses to try.
    ///
    /// Errors: as [`address::to_listen_on`].
    pub fn addresses(&self) -> anyhow::Result<Vec<Address>> {
        #[cfg(unix)]
        if let Some(path) = &self.unix {
            return Ok(vec![Address::Unix(path.clone())]);
        }
        address::to_listen_on(self.host.as_deref(), self.port)
    }
}

/// Whom a client talks to, as its first two words.
#[derive(Args, Debug)]
pub struct Server {
    /// Name or address of the server; every address of a name is tried
    #[arg(value_name = "HOST", default_value = "localhost", value_parser = host)]
    pub host: String,

    /// Port of the server
    #[arg(value_name = "PORT", default_value_t = PORT, value_parser = some_port)]
    pub port: u16,
}

/// `--trace` and `--trace-file`.
#[derive(Args, Debug)]
pub struct Trace {
    /// Show each socket call on stderr as it returns
    #[arg(long)]
    pub trace: bool,

    /// Write each socket call to FILE, as one line of JSON
    #[arg(long, value_name = "FILE")]
    pub trace_file: Option<PathBuf>,
}

impl Trace {
    /// Turns on what was asked for.
    ///
    /// Errors: the file can't be created.
    pub fn turn_on(&self, program: &'static str) -> anyhow::Result<()> {
        crate::trace::turn_on(program, self.trace, self.trace_file.as_deref())
    }
}

/// More than anybody waits, and little enough to be added to any moment.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The host in front of a port, unless it is the port itself, or both in one word.
fn host(text: &str) -> Result<String, String> {
    // As an address, 2000 is 0.0.7.208, where nobody is.
    if some_port(text).is_ok() {
        return Err(format!("the host comes before the port: localhost {text}"));
    }
    if text == "unix:" {
        return Err("the socket's path stands right behind: unix:PATH".to_owned());
    }
    let in_brackets = text.strip_prefix('[').and_then(|rest| rest.split_once("]:"));
    match in_brackets.or_else(|| text.split_once(':')) {
        Some((name, port)) if some_port(port).is_ok() && !name.is_empty() && name != "unix" => {
            Err(format!("the port is a word of its own: {name} {port}"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// A port, or 0.
fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a number from 0 to 65535".to_owned())
}

/// A port that somebody can listen on.
fn some_port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| "a number from 1 to 65535".to_owned())
}

/// The permissions of a file.
#[cfg(unix)]
fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777).ok_or("three octal digits, such as 660".to_owned())
}

/// A whole number in this range.
pub fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    let (least, most) = range.into_inner();
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let wanted = || {
            let example = "such as 1000, without unit or fraction";
            if most >= u64::from(u32::MAX) {
                format!("a whole number from {least} on, {example}")
            } else {
                format!("a whole number from {least} to {most}")
            }
        };
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(wanted)
    }
}

/// A duration: `500ms`, `2s`, `1m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > LONGEST => Err("at most a year".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("a number and a unit, such as 500ms, 2s or 1m".to_owned()),
    }
}

/// A duration of more than nothing.
pub fn some_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        some => Ok(some),
    }
}

/// The size of a buffer, in bytes: `1024`, `64KiB`. More than 16 MiB only costs memory.
pub fn buffer_size(text: &str) -> Result<usize, String> {
    let size: bytesize::ByteSize = text.parse().map_err(|_| "a number of bytes, such as 1024 or 64KiB".to_owned())?;
    match size.as_u64() {
        bytes @ 1..=0x0100_0000 => Ok(bytes as usize),
        _ => Err("from 1 byte to 16MiB".to_owned()),
    }
}

/// A share: `10%`, `0.1%`; from 0% to 100%, as a number from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    let percent =
        text.strip_suffix('%').filter(|number| number.chars().all(|char| char.is_ascii_digit() || char == '.'));
    match percent.and_then(|number| number.parse::<f64>().ok()) {
        Some(percent @ 0.0..=100.0) => Ok(percent / 100.0),
        _ => Err("a share from 0% to 100%, such as 10% or 0.1%".to_owned()),
    }
}

/// Ends the program as clap does when options contradict each other: for those that only do so for some servers.
pub fn usage_error(what: &str) -> ! {
    clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, format!("{what}\n")).exit()
}

/// What a client is to send: its words with a space between them, as echo(1) does it, bytes as they are.
pub fn message(words: &[OsString]) -> Vec<u8> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_encoded_bytes()).collect();
    words.join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_a_port() {
        for right in
            ["localhost", "127.0.0.1", "::1", "fe80::1%eth0", "unix:2000", "unix:./echo.sock", "0", "2130706433"]
        {
            assert_eq!(host(right).as_deref(), Ok(right));
        }
        assert_eq!(host("2000"), Err("the host comes before the port: localhost 2000".to_owned()));
        assert_eq!(host("example.org:7"), Err("the port is a word of its own: example.org 7".to_owned()));
        assert_eq!(host("[::1]:7"), Err("the port is a word of its own: ::1 7".to_owned()));
        assert_eq!(host("[::1]").as_deref(), Ok("[::1]"));
        assert_eq!(host("unix:"), Err("the socket's path stands right behind: unix:PATH".to_owned()));
        assert_eq!(port("0"), Ok(0));
        assert_eq!(some_port("65535"), Ok(65535));
        for wrong in ["0", "65536", "Hello", "-1", ""] {
            assert!(some_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_whole_number_says_what_it_takes() {
        let rate = whole::<u32>(1..=u64::from(u32::MAX));
        assert_eq!(rate("10000"), Ok(10_000));
        for wrong in ["0", "1.5", "10k", "-1", "4294967296", ""] {
            let told = "a whole number from 1 on, such as 1000, without unit or fraction".to_owned();
            assert_eq!(rate(wrong), Err(told), "{wrong}");
        }
        assert_eq!(whole::<u16>(1..=1024)("1025"), Err("a whole number from 1 to 1024".to_owned()));
        assert_eq!(whole::<u64>(0..=u64::MAX)("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        assert!(duration("5").is_err(), "five what?");
        assert!(duration("2y").is_err());
        assert_eq!(some_duration("0s"), Err("must be longer than nothing".to_owned()));
        assert_eq!(buffer_size("1024"), Ok(1024));
        assert_eq!(buffer_size("64KiB"), Ok(65_536));
        for wrong in ["0", "-1", "17MiB", "many", "18446744073709551616"] {
            assert!(buffer_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_in_percent() {
        for (text, share) in [("10%", 0.1), ("0.1%", 0.001), ("12.5%", 0.125), ("0%", 0.0), ("100%", 1.0)] {
            assert!((super::share(text).unwrap() - share).abs() < 1e-12, "{text}");
        }
        for wrong in ["10", "101%", "-1%", "%", "1e1%", "NaN%", "inf%", "ten%", ".%", ""] {
            assert!(super::share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_are_joined_like_echos() {
        assert_eq!(message(&["Hello".into(), "world".into()]), b"Hello world");
        assert_eq!(message(&[]), b"");
    }
}
