//! The folder that is shown: finding the file that a path names, below the root and nowhere else.
//!
//! `cap-std` opens each path below the root's descriptor: by openat2(2) with RESOLVE_BENEATH on Linux, and name by name
//! elsewhere. A link that leads out of the root is as good as missing, and nobody can slip one in between a check and the
//! opening.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use common::{Errno, exit, log};

use crate::path::LocalPath;
use crate::status::Status;

/// The file that stands for its folder.
const INDEX: &str = "index.html";

/// The folder, open.
pub struct Folder(Dir);

/// What a path leads to.
pub enum Found {
    File(FileToSend),
    /// A folder, asked for without its slash. Relative links in its page would lead astray.
    FolderWithoutSlash,
}

/// A file, and what is said of it before it is sent.
pub struct FileToSend {
    pub file: File,
    /// Its length when it was opened. So much is promised, and so much is sent.
    pub length: u64,
    pub content_type: String,
    pub modified: Option<SystemTime>,
}

impl Folder {
    /// Opens the root. Later renames don't matter: it's this folder, wherever it goes.
    ///
    /// Errors: `cannot open DIR: …` when it's not there, or not a folder.
    pub fn open(path: &Path) -> Result<Folder> {
        let opened = Dir::open_ambient_dir(path, ambient_authority());
        opened.map(Folder).with_context(|| format!("cannot open {}", path.display()))
    }

    /// Finds what `path` leads to.
    ///
    /// Errors: 404 for what is not there, leads out of the root, or is neither a file nor a folder with an index; 403 for
    /// what the system doesn't let us read; 500 when the machine is in trouble, which is said on stderr.
    pub fn find(&self, path: &LocalPath) -> Result<Found, Status> {
        let mut below = path.below_root().ok_or(Status::NotFound)?;
        let found = self.look(&below).and_then(|is_folder| match (is_folder, path.has_slash) {
            (true, false) => Ok(Found::FolderWithoutSlash),
            (false, true) => Err(io::ErrorKind::NotADirectory.into()),
            (true, true) => {
                below.push(INDEX);
                self.look(&below)?;
                self.open_file(&below).map(Found::File)
            }
            (false, false) => self.open_file(&below).map(Found::File),
        });
        found.map_err(|error| {
            let status = status_of(&error);
            if status == Status::InternalServerError {
                let name = below.as_os_str().as_encoded_bytes().escape_ascii();
                log::client(crate::NAME, format_args!("cannot open {name}: {}", exit::describe(&error.into())));
            }
            status
        })
    }

    /// Whether this is a folder; an error if it's neither that nor a file. Looked at first, because opening alone can do
    /// something: a program that waits to write into a FIFO would take us for its reader.
    fn look(&self, below: &Path) -> io::Result<bool> {
        let metadata = self.0.metadata(below)?;
        if metadata.is_dir() || metadata.is_file() {
            Ok(metadata.is_dir())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Opens what was a file a moment ago.
    fn open_file(&self, below: &Path) -> io::Result<FileToSend> {
        let file = self.0.open_with(below, &reading())?.into_std();
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let content_type = content_type(below);
        Ok(FileToSend { length: metadata.len(), modified: metadata.modified().ok(), content_type, file })
    }
}

/// How files are opened. Should a FIFO have taken the file's place, O_NONBLOCK keeps us from waiting for its writer.
fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    }
    options
}

/// What to tell a client of an error.
fn status_of(error: &io::Error) -> Status {
    match error.kind() {
        // An attempt to leave the root is cap-std's own error; the system's has a number.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Status::NotFound,
        io::ErrorKind::PermissionDenied => Status::Forbidden,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Status::NotFound,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => Status::NotFound,
        // A link that leads to itself.
        _ if Errno::from_io_error(error) == Some(Errno::LOOP) => Status::NotFound,
        _ => Status::InternalServerError,
    }
}

/// The type that a file's name promises. Text is taken for UTF-8, as nearly all is today.
fn content_type(path: &Path) -> String {
    let guess = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    if guess.starts_with("text/") { format!("{guess}; charset=utf-8") } else { guess.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_promise_types() {
        let table = [
            ("a.html", "text/html; charset=utf-8"),
            ("a.HTML", "text/html; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.png", "image/png"),
            ("a.json", "application/json"),
            ("a.unheard-of", "application/octet-stream"),
            ("Makefile", "application/octet-stream"),
        ];
        for (name, expected) in table {
            assert_eq!(content_type(Path::new(name)), expected, "{name}");
        }
    }
}
