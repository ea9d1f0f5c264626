//! How a program ends: a failure becomes one line on stderr, perhaps a hint, and the exit status.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Error;

use crate::{Errno, log};

/// Turns what `run` returned into the exit status, 0 or 1, after saying on stderr what went wrong:
/// `NAME: cannot VERB OBJECT: CAUSE`, and on a second line a remedy where there is an obvious one.
pub fn report(program: &str, result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if !error.is::<Told>() {
        // Nobody to tell is no reason to fail in another way.
        let _ = std::io::stderr().write_all(format!("{program}: {}\n", in_full(&error)).as_bytes());
    }
    ExitCode::FAILURE
}

/// Says at once what went wrong, for a program that has still something to finish before it ends with that: then [`report`] says
/// nothing more.
pub fn tell(program: &str, error: Error) -> Error {
    if error.is::<Told>() {
        return error;
    }
    log::line(program, in_full(&error));
    Error::new(Told(describe(&error)))
}

/// What went wrong, and the remedy if there is one.
fn in_full(error: &Error) -> String {
    let hint = hint(error).map(|hint| format!("\nhint: {hint}"));
    describe(error) + &hint.unwrap_or_default()
}

/// An error that [`tell`] has told.
#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Told {}

/// The whole chain of an error in one line, the system's causes in plain words.
pub fn describe(error: &Error) -> String {
    error.chain().map(|cause| errno_of(cause).map_or_else(|| cause.to_string(), plain)).collect::<Vec<_>>().join(": ")
}

/// A system error in plain words: `address already in use`, without number or capital.
pub fn plain(errno: Errno) -> String {
    let text = std::io::Error::from_raw_os_error(errno.raw_os_error()).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// An error with a remedy that no cause of the system's tells.
#[derive(Debug)]
struct Hinted {
    what: String,
    hint: &'static str,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

impl std::error::Error for Hinted {}

/// An error that says `cannot VERB OBJECT: CAUSE`, and what to do about it.
pub fn hinted(what: String, hint: &'static str) -> Error {
    Error::new(Hinted { what, hint })
}

/// The system error inside a cause, if that is what it is.
fn errno_of(cause: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    let errno = cause.downcast_ref::<Errno>().copied();
    errno.or_else(|| cause.downcast_ref::<std::io::Error>().and_then(Errno::from_io_error))
}

/// What to do about an error: it says so itself, or that's the same whoever meets it.
fn hint(error: &Error) -> Option<&'static str> {
    if let Some(Hinted { hint, .. }) = error.chain().find_map(|cause| cause.downcast_ref()) {
        return Some(hint);
    }
    remedy(error.chain().find_map(errno_of)?, &error.to_string())
}

/// What to do about an error of the system's; `text` is what is said of it, with the address.
pub fn remedy(errno: Errno, text: &str) -> Option<&'static str> {
    let listening = text.starts_with("cannot listen on ");
    #[cfg(unix)]
    if errno == Errno::MFILE {
        return Some("the limit on descriptors is too low for that; raise it: ulimit -n");
    }
    #[cfg(unix)]
    if text.contains(" unix:") {
        return hint_for_file(errno, listening);
    }
    match errno {
        Errno::INVAL if is_link_local(text) => Some("a link-local address needs its interface: fe80::1%eth0"),
        Errno::ADDRINUSE => Some("another program listens there; stop it, or choose another --port (0: any free one)"),
        Errno::ADDRNOTAVAIL if listening => Some("--host takes an address of this machine"),
        Errno::CONNREFUSED => Some("nothing listens there; start the server first, or check the port"),
        Errno::MSGSIZE => Some("a datagram holds at most 65,507 bytes over IPv4, 65,527 over IPv6"),
        Errno::ACCESS if listening => Some("ports below 1024 need a privilege; choose a higher --port"),
        _ => None,
    }
}

/// The same, where a socket in the file system is meant.
#[cfg(unix)]
fn hint_for_file(errno: Errno, listening: bool) -> Option<&'static str> {
    match errno {
        Errno::ADDRINUSE => Some("another program listens there; stop it, or choose another file"),
        Errno::CONNREFUSED => Some("the server that made this file is gone; start it again"),
        Errno::NOENT if listening => Some("the folder of the file must be there"),
        Errno::NOENT => Some("the server makes this file; start it first, with --unix PATH"),
        Errno::ACCESS if listening => Some("the folder of the file must be yours to write"),
        Errno::ACCESS => Some("the server's --unix-mode says who may; 666: everybody"),
        _ => None,
    }
}

/// Whether an address in the text means a neighbour, and doesn't say on which of this machine's networks.
fn is_link_local(text: &str) -> bool {
    text.contains("[fe80:") && !text.contains('%')
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_system_error_loses_its_number_and_its_capital() {
        assert_eq!(plain(Errno::ADDRINUSE), "address already in use");
    }

    #[test]
    fn the_chain_is_one_line_and_the_hint_fits_the_cause() {
        let failed: anyhow::Result<()> = Err(Errno::CONNREFUSED.into());
        let error = failed.context("cannot connect to [::1]:2000").unwrap_err();
        assert_eq!(describe(&error), "cannot connect to [::1]:2000: connection refused");
        assert!(hint(&error).is_some_and(|hint| hint.starts_with("nothing listens there")));
    }

    #[test]
    fn a_hint_speaks_of_what_there_is() {
        let told = |text: &'static str, errno: Errno| hint(&Error::from(errno).context(text)).unwrap_or_default();
        if cfg!(unix) {
            assert!(told("cannot connect to unix:/run/echo", Errno::CONNREFUSED).contains("this file"));
            assert!(told("cannot listen on unix:/run/echo", Errno::ADDRINUSE).contains("another file"));
            assert!(told("cannot listen on unix:/run/echo", Errno::ACCESS).contains("folder"));
        }
        assert!(told("cannot connect to [fe80::1]:2000", Errno::INVAL).ends_with("fe80::1%eth0"));
        assert_eq!(told("cannot connect to [fe80::1%2]:2000", Errno::INVAL), "");
        assert!(told("cannot connect to [::1]:2000", Errno::CONNREFUSED).contains("port"));
    }

    #[test]
    fn an_error_may_bring_its_own_hint() {
        let error = hinted("cannot accept the reply: it is another".to_owned(), "see --prefix").context("cannot go on");
        assert_eq!(describe(&error), "cannot go on: cannot accept the reply: it is another");
        assert_eq!(hint(&error), Some("see --prefix"));
    }

    #[test]
    fn an_error_that_was_told_is_still_the_same_and_is_told_once() {
        let error = tell("test", Error::from(Errno::INVAL).context("cannot accept clients"));
        assert!(error.is::<Told>());
        assert_eq!(describe(&tell("test", error)), "cannot accept clients: invalid argument");
    }

    #[test]
    fn an_io_error_is_told_like_a_bare_errno() {
        let error =
            Error::from(std::io::Error::from_raw_os_error(Errno::ACCESS.raw_os_error())).context("cannot open x");
        assert_eq!(describe(&error), "cannot open x: permission denied");
    }
}
