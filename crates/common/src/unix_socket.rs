//! The file that a socket in the file system leaves behind: unix(7). `bind` makes it, and nobody removes it by itself.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Errno;
use crate::address::Address;

/// The file of a server's socket, removed when the server ends.
pub struct SocketFile {
    path: PathBuf,
}

impl SocketFile {
    /// Removes the file that a server left behind which is no more, so that `bind` can make its own.
    ///
    /// Errors: a server is there still (`address already in use`), or something that is no socket.
    pub fn make_way(path: &Path) -> Result<SocketFile> {
        let cannot = || format!("cannot listen on unix:{}", path.display());
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                bail!("{}: there is a file that is no socket", cannot())
            }
            Ok(_) => match knock(path) {
                Err(error) if is_deserted(&error) => fs::remove_file(path).with_context(cannot)?,
                Ok(()) => return Err(Errno::ADDRINUSE).with_context(cannot),
                // Not for us to say; bind will.
                Err(_) => {}
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(cannot),
        }
        Ok(SocketFile { path: path.to_owned() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_socket = fs::symlink_metadata(&self.path).is_ok_and(|metadata| {
            // Another server may have made its own in the meantime, but only once this one no longer listened.
            metadata.file_type().is_socket() && metadata.nlink() == 1
        });
        if is_socket && knock(&self.path).is_err_and(|error| is_deserted(&error)) {
            // Gone already is as good.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether there is somebody behind the file, for streams or for datagrams: each kind of socket is told of the other that it
/// is of the wrong type (EPROTOTYPE).
fn knock(path: &Path) -> std::io::Result<()> {
    match UnixStream::connect(path) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::PROTOTYPE) => UnixDatagram::unbound()?.connect(path),
        other => other.map(drop),
    }
}

/// Whether knocking has shown that a file was left behind. Anything else, as that we may not even knock, shows nothing: it may
/// be the socket of another user's server.
fn is_deserted(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::ConnectionRefused
}

/// Says who may connect to a socket in the file system: whoever may write its file. For other addresses, nothing is done.
///
/// Errors: as chmod(2).
pub fn set_mode(address: &Address, mode: u32) -> Result<(), Errno> {
    let Address::Unix(path) = address else { return Ok(()) };
    let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    set.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")] // Elsewhere there may be no such kind of socket.
    fn a_file_is_removed_only_when_nobody_is_behind_it() {
        let folder = std::env::temp_dir().join(format!("common-unix-socket-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("socket");
        let own = SocketFile::make_way(&path).unwrap();
        drop(UnixDatagram::bind(&path).unwrap());
        drop(own);
        assert!(!path.exists(), "left behind");
        let later = SocketFile::make_way(&path).unwrap();
        // A kind of socket that can't be knocked at.
        let kind = rustix::net::SocketType::SEQPACKET;
        let other = rustix::net::socket(rustix::net::AddressFamily::UNIX, kind, None).unwrap();
        rustix::net::bind(&other, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&other, 1).unwrap();
        drop(later);
        assert!(path.exists(), "another's");
        drop(SocketFile::make_way(&path).unwrap());
        assert!(path.exists(), "another's");
        fs::remove_dir_all(&folder).unwrap();
    }
}
