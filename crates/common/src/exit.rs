//! How a program ends: a failure becomes one line on stderr, perhaps a hint, and the exit status.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Error;

use crate::Errno;

/// Turns what `run` returned into the exit status, 0 or 1, after saying on stderr what went wrong:
/// `NAME: cannot VERB OBJECT: CAUSE`, and on a second line a remedy where there is an obvious one.
pub fn report(program: &str, result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let mut text = format!("{program}: {}\n", describe(&error));
    if let Some(hint) = hint(&error) {
        text += &format!("hint: {hint}\n");
    }
    // Nobody to tell is no reason to fail in another way.
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}

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

/// The system error inside a cause, if that is what it is.
fn errno_of(cause: &(dyn std::error::Error + 'static)) -> Option<Errno> {
    let errno = cause.downcast_ref::<Errno>().copied();
    errno.or_else(|| cause.downcast_ref::<std::io::Error>().and_then(Errno::from_io_error))
}

/// What to do about an error, where that's the same whoever meets it.
fn hint(error: &Error) -> Option<&'static str> {
    let listening = error.to_string().starts_with("cannot listen on ");
    match error.chain().find_map(errno_of)? {
        Errno::ADDRINUSE => Some("another program listens there; stop it, or choose another --port (0: any free one)"),
        Errno::ADDRNOTAVAIL if listening => Some("--host takes an address of this machine"),
        Errno::CONNREFUSED => Some("nothing listens there; start the server first, or check the port"),
        Errno::MSGSIZE => Some("a datagram holds at most 65,507 bytes over IPv4, 65,527 over IPv6"),
        Errno::ACCESS if listening => Some("ports below 1024 need a privilege; choose a higher --port"),
        _ => None,
    }
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
    fn an_io_error_is_told_like_a_bare_errno() {
        let error =
            Error::from(std::io::Error::from_raw_os_error(Errno::ACCESS.raw_os_error())).context("cannot open x");
        assert_eq!(describe(&error), "cannot open x: permission denied");
    }
}
