//! stdin and stdout as what they are: file descriptors to `read` and `write`.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use common::Errno;

/// How a system says that nobody reads stdout any more.
#[cfg(unix)]
const READER_GONE: Errno = Errno::PIPE;
#[cfg(windows)]
const READER_GONE: Errno = Errno::SHUTDOWN;

/// stdout, and whether the last line that was printed there is ended. On a terminal it is in any case, at the latest when this is
/// dropped: so what comes next, as the line of an error, has a line of its own.
#[derive(Default)]
pub struct Output {
    in_a_line: bool,
}

impl Output {
    /// Prints all of `data`. False: nobody reads stdout any more, which is the end, but no error.
    ///
    /// Errors: stdout can't be written.
    pub fn write(&mut self, mut data: &[u8]) -> Result<bool> {
        self.in_a_line = data.last().map_or(self.in_a_line, |last| *last != b'\n');
        while !data.is_empty() {
            match write_stdout(data) {
                Ok(taken) => data = &data[taken..],
                Err(errno) if errno == READER_GONE => return Ok(false),
                Err(errno) => return Err(errno).context("cannot write to stdout"),
            }
        }
        Ok(true)
    }

    /// Ends the last line, if there is one that isn't ended.
    ///
    /// Errors: as [`Self::write`].
    pub fn end_line(&mut self) -> Result<()> {
        if self.in_a_line {
            self.write(b"\n")?;
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if std::io::stdout().is_terminal() {
            // What can't be written any more needs no newline.
            let _ = self.end_line();
        }
    }
}

/// Reads what there is on stdin; 0: its end.
///
/// Errors: as read(2), but never EAGAIN: a terminal or pipe that another program has set to not block is waited for.
#[cfg(unix)]
pub fn read_stdin(data: &mut [u8]) -> Result<usize, Errno> {
    use common::wait::{Interest, wait};
    loop {
        match common::berkeley::read(std::io::stdin(), data) {
            Err(Errno::AGAIN) => drop(wait(std::io::stdin(), Interest::IN, None, None)?),
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Writes to stdout, perhaps only a part.
///
/// Errors: as write(2), but never EAGAIN.
#[cfg(unix)]
fn write_stdout(data: &[u8]) -> Result<usize, Errno> {
    use common::wait::{Interest, wait};
    loop {
        match common::berkeley::write(std::io::stdout(), data) {
            Err(Errno::AGAIN) => drop(wait(std::io::stdout(), Interest::OUT, None, None)?),
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// On Windows a file is no socket, and the standard library reads it.
#[cfg(windows)]
pub fn read_stdin(data: &mut [u8]) -> Result<usize, Errno> {
    use std::io::Read;
    std::io::stdin().read(data).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
}

#[cfg(windows)]
fn write_stdout(data: &[u8]) -> Result<usize, Errno> {
    use std::io::{ErrorKind, Write};
    let mut stdout = std::io::stdout();
    stdout.write_all(data).and_then(|()| stdout.flush()).map(|()| data.len()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Errno::SHUTDOWN,
        _ => Errno::from_io_error(&error).unwrap_or(Errno::INVAL),
    })
}
