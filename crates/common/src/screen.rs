//! What a program tells on stdout: lines for people, a report for tools. (The data of a conversation is the program's own to
//! write.)

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};

use crate::signal::Stop;

/// So many of something: `1 byte`, `64 bytes`.
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// So many bytes.
pub fn bytes(count: usize) -> String {
    counted(count as u64, "byte")
}

/// Prints all of the text. False: nobody reads stdout any more, which is the end, but no error.
///
/// Errors: stdout can't be written. A terminal or pipe that another program has set to not block is waited for.
pub fn print(text: impl AsRef<[u8]>) -> Result<bool> {
    let mut stdout = std::io::stdout().lock();
    let mut rest = text.as_ref();
    loop {
        let written = match rest {
            [] => stdout.flush().map(|()| 0),
            rest => stdout.write(rest),
        };
        match written {
            Ok(0) if rest.is_empty() => return Ok(true),
            Ok(0) => return Err(std::io::Error::from(ErrorKind::WriteZero)).context("cannot write to stdout"),
            Ok(length) => rest = &rest[length..],
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::BrokenPipe => return Ok(false),
                #[cfg(unix)]
                ErrorKind::WouldBlock => {
                    use crate::wait::{Interest, wait};
                    wait(&stdout, Interest::OUT, None, None).context("cannot write to stdout")?;
                }
                _ => return Err(error).context("cannot write to stdout"),
            },
        }
    }
}

/// So much is written at once. Where there is room at all, a pipe or a terminal has room for that.
#[cfg(unix)]
const PIECE_BYTES: usize = 2048;
/// After a request to stop, whoever reads has so long to make room.
#[cfg(unix)]
const READERS_TIME: std::time::Duration = std::time::Duration::from_secs(1);

/// As [`print()`]. But a reader who stands still, such as a pager, doesn't keep a program from stopping that is asked to.
///
/// Errors: as there; or it is asked to stop, and nobody makes room.
#[cfg(unix)]
pub fn print_until(text: impl AsRef<[u8]>, stop: &Stop) -> Result<bool> {
    use crate::wait::{Interest, Wake, wait};
    let stdout = std::io::stdout();
    for piece in text.as_ref().chunks(PIECE_BYTES) {
        loop {
            let (until_asked, deadline) = match stop.since() {
                Some(since) => (None, Some(since + READERS_TIME)),
                None => (Some(stop), None),
            };
            let wake = wait(&stdout, Interest::OUT, until_asked, deadline).context("cannot write to stdout")?;
            crate::trace::done_waiting();
            match wake {
                Wake::Ready(_) => break,
                Wake::Stop => {}
                Wake::TimedOut => anyhow::bail!("cannot write to stdout: whoever reads there stands still"),
            }
        }
        if !print(piece)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Windows can't tell whether there is room.
#[cfg(windows)]
pub fn print_until(text: impl AsRef<[u8]>, _stop: &Stop) -> Result<bool> {
    print(text)
}
