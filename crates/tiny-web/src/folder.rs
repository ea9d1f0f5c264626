//! The folder that is shown: finding the file that a path names, below the root and nowhere else.
//!
//! `cap-std` opens each path below the root's descriptor: by openat2(2) with RESOLVE_BENEATH on Linux, and name by name
//! elsewhere. A link that leads out of the root is as good as missing, and nobody can slip one in between a check and the
//! opening.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use common::berkeley::AsFd;
use common::{Errno, exit, log};
use rustix::fd::BorrowedFd;

use crate::coding::{Coding, Wanted};
use crate::listing::Line;
use crate::path::{LocalPath, is_shown};
use crate::representation::{Content, Manner, Representation, content_type};
use crate::status::Status;

/// The file that stands for its folder.
const INDEX: &str = "index.html";
/// Files up to here are read, and sent with their head at once. For larger ones, the kernel's own copying is cheaper.
pub const SMALL_BYTES: u64 = 32 * 1024;
/// A folder with more is shown in part: a page of so many lines is more than anybody reads.
const MOST_LINES: usize = 10_000;

/// The folder, open.
pub struct Folder {
    root: Dir,
    /// How files may be kept by clients, as a whole field.
    pub cache_control: String,
    /// Whether names that begin with a dot are shown.
    pub dotfiles: bool,
}

/// What a path leads to.
pub enum Found {
    File(Arc<Representation>),
    /// A folder without an index.
    Folder(LocalPath),
    /// A folder, asked for without its slash. Relative links in its page would lead astray.
    FolderWithoutSlash(LocalPath),
}

impl Folder {
    /// Opens the root. Later renames don't matter: it's this folder, wherever it goes.
    ///
    /// Errors: `cannot open DIR: …` when it's not there, or not a folder.
    pub fn open(path: &Path, cache_control: String, dotfiles: bool) -> Result<Folder> {
        let root = Dir::open_ambient_dir(path, ambient_authority());
        // One that can be opened, but nothing in it, is of no use.
        let root = root.and_then(|root| root.metadata(".").map(|_| root));
        let root = root.with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Folder { root, cache_control, dotfiles })
    }

    /// The root's descriptor.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Finds what `path` leads to: of a file, the version that is `wanted`, or `known` if that hasn't changed.
    ///
    /// Errors: 404 for what is not there, leads out of the root, or is neither a file nor a folder; 403 for what the system
    /// doesn't let us read; 503 when descriptors or memory have run out, and 500 when the machine is in other trouble: these
    /// are said on stderr.
    pub fn find(
        &self,
        path: LocalPath,
        wanted: Wanted,
        known: Option<Arc<Representation>>,
        now: SystemTime,
    ) -> Result<Found, Status> {
        let mut below = path.below_root();
        let found = self.look(&below).and_then(|is_folder| match (is_folder, path.has_slash) {
            (true, false) => Ok(Found::FolderWithoutSlash(path)),
            (false, true) => Err(io::ErrorKind::NotADirectory.into()),
            (true, true) => {
                below.push(INDEX);
                match self.look(&below) {
                    Ok(false) => self.version(&below, wanted, known, now).map(Found::File),
                    Err(error) if status_of(&error) != Status::NOT_FOUND => Err(error),
                    _ => Ok(Found::Folder(path)),
                }
            }
            (false, false) => self.version(&below, wanted, known, now).map(Found::File),
        });
        found.map_err(|error| self.failed(&below, error))
    }

    fn failed(&self, below: &Path, error: io::Error) -> Status {
        let status = status_of(&error);
        if status.code().starts_with('5') {
            let name = below.as_os_str().as_encoded_bytes().escape_ascii();
            log::client(crate::NAME, format_args!("cannot open {name}: {}", exit::describe(&error.into())));
        }
        status
    }

    /// Whether this is a folder; an error if it's neither that nor a file. Looked at first, because opening alone can do
    /// something: a program that waits to write into a FIFO would take us for its reader.
    fn look(&self, below: &Path) -> io::Result<bool> {
        let metadata = self.root.metadata(below)?;
        if metadata.is_dir() || metadata.is_file() {
            Ok(metadata.is_dir())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// The version of a file that is most wanted of those that are there: as it is, or compressed, from a file beside it.
    fn version(
        &self,
        below: &Path,
        wanted: Wanted,
        known: Option<Arc<Representation>>,
        now: SystemTime,
    ) -> io::Result<Arc<Representation>> {
        let beside = |coding: Coding| {
            let mut name = below.as_os_str().to_owned();
            name.push(coding.suffix());
            PathBuf::from(name)
        };
        let there = Coding::ALL.map(|coding| self.look(&beside(coding)).is_ok_and(|is_folder| !is_folder));
        // One that can't be read is as good as missing.
        let neighbour = wanted
            .codings()
            .filter(|coding| there[*coding as usize])
            .find_map(|coding| Some((Some(coding), self.open_file(&beside(coding)).ok()?)));
        let (coding, (file, metadata)) = match neighbour {
            Some(neighbour) => neighbour,
            None => (None, self.open_file(below)?),
        };
        let varies = there.contains(&true);
        if let Some(known) = known.filter(|known| known.is_of(&metadata) && known.varies == varies) {
            return Ok(known);
        }
        let content = if metadata.len() <= SMALL_BYTES {
            let mut bytes = Vec::with_capacity(metadata.len() as usize);
            // It may have grown since, or shrunk.
            file.take(SMALL_BYTES).read_to_end(&mut bytes)?;
            Content::Bytes(bytes)
        } else {
            Content::File(file)
        };
        let manner = Manner { content_type: &content_type(below), coding, varies, cache_control: &self.cache_control };
        Ok(Arc::new(Representation::of_file(content, &metadata, now, &manner)))
    }

    /// Opens what was a file a moment ago.
    fn open_file(&self, below: &Path) -> io::Result<(File, Metadata)> {
        // Should a FIFO have taken the file's place, O_NONBLOCK keeps us from waiting for its writer.
        let mut reading = OpenOptions::new();
        reading.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
        let file = self.root.open_with(below, &reading)?.into_std();
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// What is in a folder, of what is shown: files and folders, and links to those. Not more than a page of them; whether
    /// that was all.
    ///
    /// Errors: as [`Folder::find`].
    pub fn lines(&self, below: &Path) -> Result<(Vec<Line>, bool), Status> {
        self.list(below).map_err(|error| self.failed(below, error))
    }

    fn list(&self, below: &Path) -> io::Result<(Vec<Line>, bool)> {
        let folder = self.root.open_dir(below)?;
        if MetadataExt::nlink(&folder.dir_metadata()?) == 0 {
            // It has been removed, and is only there because it's open.
            return Err(io::ErrorKind::NotFound.into());
        }
        let is_top = below == Path::new(".");
        let mut lines = Vec::new();
        for entry in folder.entries()? {
            let name = entry?.file_name();
            let bytes = name.as_encoded_bytes();
            if !is_shown(bytes, is_top, self.dotfiles) {
                continue;
            }
            if lines.len() == MOST_LINES {
                return Ok((lines, false));
            }
            // What can't be looked at, or leads out of the root, can't be had either.
            let Ok(metadata) = self.root.metadata(below.join(&name)) else { continue };
            let is_folder = metadata.is_dir();
            if is_folder || metadata.is_file() {
                let modified = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
                lines.push(Line { name: bytes.to_vec(), is_folder, length: metadata.len(), modified });
            }
        }
        Ok((lines, true))
    }
}

/// What to tell a client of an error.
fn status_of(error: &io::Error) -> Status {
    match error.kind() {
        // An attempt to leave the root is cap-std's own error; the system's has a number.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Status::NOT_FOUND,
        io::ErrorKind::PermissionDenied => Status::FORBIDDEN,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Status::NOT_FOUND,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => Status::NOT_FOUND,
        _ => match Errno::from_io_error(error) {
            // A link that leads to itself.
            Some(Errno::LOOP) => Status::NOT_FOUND,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => Status::SERVICE_UNAVAILABLE,
            _ => Status::INTERNAL_SERVER_ERROR,
        },
    }
}
