//! The name of a client's own socket in the file system. A server there answers to a name, and nobody gives a client one by
//! itself, as a port is given: unix(7).

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use common::Errno;
use common::address::Address;
use common::berkeley::{OwnedFd, bind};

/// A name that is there as long as this is.
pub struct OwnName(PathBuf);

impl OwnName {
    /// `bind`, to a name that nobody else has. A server elsewhere needs none: then nothing is done.
    ///
    /// Errors: as bind(2).
    pub fn bind(socket: &OwnedFd, server: &Address) -> Result<Option<OwnName>, Errno> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if server.internet().is_some() {
            return Ok(None);
        }
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}.{}.{number}", crate::NAME, std::process::id());
            let path = std::env::temp_dir().join(name);
            match bind(socket, &Address::Unix(path.clone())) {
                Ok(()) => return Ok(Some(OwnName(path))),
                // Left behind by a process that had our number, and was killed.
                Err(Errno::ADDRINUSE) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl Drop for OwnName {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}
