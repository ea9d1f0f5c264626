//! The name of a client's own socket, for a server in the file system: it answers to a name, and nobody gives a client one by
//! itself, as a port is given: unix(7).

use std::path::PathBuf;

use common::Errno;
use common::address::Address;
use common::berkeley::{OwnedFd, bind};

/// A name that is there as long as this is.
pub struct OwnName(#[cfg_attr(target_os = "linux", allow(dead_code))] PathBuf);

impl OwnName {
    /// `bind`, to a name that nobody else has. A server elsewhere needs none: then nothing is done.
    ///
    /// Errors: as bind(2).
    pub fn bind(socket: &OwnedFd, server: &Address) -> Result<Option<OwnName>, Errno> {
        if server.internet().is_some() {
            return Ok(None);
        }
        loop {
            let name = one();
            match bind(socket, &Address::Unix(name.clone())) {
                Ok(()) => return Ok(Some(OwnName(name))),
                // Left behind by a process that had our number, and was killed.
                Err(Errno::ADDRINUSE) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// No name asks Linux to choose one ("autobind"). It is in no file system, and so nothing is left behind, however the client ends.
#[cfg(target_os = "linux")]
fn one() -> PathBuf {
    PathBuf::new()
}

/// Elsewhere it is a file, which is removed in the end.
#[cfg(not(target_os = "linux"))]
fn one() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("{}.{}.{number}", crate::NAME, std::process::id()))
}

#[cfg(not(target_os = "linux"))]
impl Drop for OwnName {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}
