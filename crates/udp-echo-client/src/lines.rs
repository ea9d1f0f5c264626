//! Each line of stdin is a datagram, and each reply a line on stdout.

use std::io::{BufRead, Read};

use anyhow::{Context, Result};

use crate::ask::Server;
use crate::print;

/// A longer line can't be a datagram; the kernel will say so.
const LONGEST_LINE_BYTES: u64 = 65_536;

/// Asks one line after the other, until the last.
///
/// Errors: stdin can't be read; or as [`Server::ask`], for the first line that has no good reply.
pub fn converse(server: &mut Server) -> Result<()> {
    let mut stdin = std::io::stdin().lock();
    let mut line = Vec::new();
    let mut read_on = true;
    while read_on {
        line.clear();
        stdin.by_ref().take(LONGEST_LINE_BYTES).read_until(b'\n', &mut line).context("cannot read stdin")?;
        if line.is_empty() {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        server.ask(text, |reply| {
            read_on = print(reply)?;
            Ok(())
        })?;
    }
    Ok(())
}
