//! Sending a file without reading it: one call of Linux's between `read` and `send`.

use rustix::fd::AsFd;

use crate::Errno;
use crate::berkeley::OwnedFd;
use crate::trace::{self, Call};

/// Sends up to `count` bytes of `file` from `offset` on, which it moves forward by what it returns. The kernel takes the bytes
/// from its own cache of the file, and the program never sees them. 0 means that the file ends there.
///
/// Errors: `EAGAIN` (no room, and the socket does not block), `EPIPE` and `ECONNRESET` (the peer is gone), `EIO` (the disk).
/// See sendfile(2).
pub fn sendfile(socket: &OwnedFd, file: impl AsFd, offset: &mut u64, count: usize) -> Result<usize, Errno> {
    let timer = trace::start();
    let from = *offset;
    let result = rustix::fs::sendfile(socket, file, Some(offset), count);
    timer.end(|| {
        let call = Call::on("sendfile", socket).argument(format_args!("offset {from}")).argument(count);
        call.returned(result.map(|sent| sent as i64))
    });
    result
}
