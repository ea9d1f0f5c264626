//! What a program tells on stdout: lines for people, a report for tools. (The data of a conversation is the program's own to
//! write.)

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};

/// So many of something: `1 byte`, `64 bytes`.
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
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
