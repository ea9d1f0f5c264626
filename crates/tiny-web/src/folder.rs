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

use crate::coding::{CODINGS, Coding, Wanted};
use crate::listing::Line;
use crate::path::{LocalPath, is_shown};
use crate::representation::{Content, Manner, Representation, SMALL_BYTES, content_type};
use crate::status::Status;

/// The file that stands for its folder.
const INDEX: &str = "index.html";
/// A folder with more is shown in part: a page of so many lines is more than anybody reads.
const MOST_LINES: usize = 10_000;

/// The folder, open.
pub struct Folder {
    root: Dir,
    /// How files may be kept by clients, as a whole field.
    cache_control: String,
}

impl Folder {
    /// Opens the root. Later renames don't matter: it's this folder, wherever it goes.
    ///
    /// Errors: `cannot open DIR: …` when it's not there, or not a folder.
    pub fn open(path: &Path, cache_control: String) -> Result<Folder> {
        let root = Dir::open_ambient_dir(path, ambient_authority());
        // One that can be opened, but nothing in it, is of no use.
        let root = root.and_then(|root| root.metadata(".").map(|_| root));
        let root = root.with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Folder { root, cache_control })
    }

    /// The root's descriptor.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Finds what `path` leads to: of a file, the version that is `wanted`. None: it is a folder without an index.
    ///
    /// Errors: 404 for what is not there, leads out of the root, or is neither a file nor a folder; 301 for a folder that was asked
    /// for without its slash, which is another target's page: relative links in it would lead astray; 403 for what the system doesn't let us read; 503 when
    /// descriptors or memory have run out, and 500 when the machine is in other trouble: these two are said on stderr.
    pub fn find(
        &self,
        path: &LocalPath,
        wanted: Wanted,
        now: SystemTime,
    ) -> Result<Option<Arc<Representation>>, Status> {
        let below = path.below_root();
        match (self.is_folder(below)?, path.has_slash()) {
            (true, false) => Err(Status::MOVED_PERMANENTLY),
            (false, true) => Err(Status::NOT_FOUND),
            (false, false) => self.version(below, wanted, now).map(Some),
            (true, true) => {
                let index = below.join(INDEX);
                match self.is_folder(&index) {
                    Ok(false) => self.version(&index, wanted, now).map(Some),
                    Ok(true) | Err(Status::NOT_FOUND) => Ok(None),
                    Err(status) => Err(status),
                }
            }
        }
    }

    /// Whether this is a folder; an error if it's neither that nor a file. Looked at first, because opening alone can do
    /// something: a program that waits to write into a FIFO would take us for its reader.
    fn is_folder(&self, below: &Path) -> Result<bool, Status> {
        let metadata = self.root.metadata(below).map_err(|error| failed(below, error))?;
        if metadata.is_dir() || metadata.is_file() { Ok(metadata.is_dir()) } else { Err(Status::NOT_FOUND) }
    }

    /// The version of a file that is most wanted of those that are there: as it is, or compressed, from a file beside it.
    fn version(&self, below: &Path, wanted: Wanted, now: SystemTime) -> Result<Arc<Representation>, Status> {
        let beside = |coding: &Coding| {
            let mut name = below.as_os_str().to_owned();
            name.push(coding.suffix);
            PathBuf::from(name)
        };
        let is_there = |coding: &&Coding| self.is_folder(&beside(coding)) == Ok(false);
        let there: Vec<&Coding> = CODINGS.iter().filter(is_there).collect();
        // One that can't be read is as good as missing.
        let neighbour = wanted
            .codings()
            .filter(|coding| there.contains(coding))
            .find_map(|coding| Some((Some(coding), self.open_file(&beside(coding)).ok()?)));
        let itself = || self.open_file(below).map(|file| (None, file));
        let (coding, (file, metadata)) = neighbour.map_or_else(itself, Ok)?;
        let content = if metadata.len() <= SMALL_BYTES {
            let mut bytes = Vec::with_capacity(metadata.len() as usize);
            // It may have shrunk since; what it has grown by is the next version's.
            file.take(metadata.len()).read_to_end(&mut bytes).map_err(|error| failed(below, error))?;
            Content::Bytes(bytes)
        } else {
            Content::File(file)
        };
        let (content_type, varies) = (&content_type(below), !there.is_empty());
        let manner = Manner { content_type, coding, varies, cache_control: &self.cache_control };
        Ok(Arc::new(Representation::of_file(content, &metadata, now, &manner)))
    }

    /// Opens what was a file a moment ago.
    fn open_file(&self, below: &Path) -> Result<(File, Metadata), Status> {
        // Should a FIFO have taken the file's place, O_NONBLOCK keeps us from waiting for its writer.
        let mut reading = OpenOptions::new();
        reading.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
        let file = self.root.open_with(below, &reading).map(cap_std::fs::File::into_std);
        let opened = file.and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        let opened = opened.map_err(|error| failed(below, error))?;
        if opened.1.is_file() { Ok(opened) } else { Err(Status::NOT_FOUND) }
    }

    /// What is in a folder, of what is shown: files and folders, and links to those; those that begin with a dot, if there are
    /// `dotfiles`. Not more than a page of them; whether that was all.
    ///
    /// Errors: as [`Folder::find`].
    pub fn lines(&self, path: &LocalPath, dotfiles: bool) -> Result<(Vec<Line>, bool), Status> {
        let below = path.below_root();
        let failed = |error| failed(below, error);
        let folder = self.root.open_dir(below).map_err(failed)?;
        if MetadataExt::nlink(&folder.dir_metadata().map_err(failed)?) == 0 {
            // It has been removed, and is only there because it's open.
            return Err(Status::NOT_FOUND);
        }
        let mut lines = Vec::new();
        for entry in folder.entries().map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let bytes = name.as_encoded_bytes();
            if !is_shown(bytes, path.is_root(), dotfiles) {
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

/// What to tell a client of an error. Of the machine's trouble, we are told too.
fn failed(below: &Path, error: io::Error) -> Status {
    let status = status_of(&error);
    if status.code().starts_with('5') {
        let name = below.as_os_str().as_encoded_bytes().escape_ascii();
        log::client(crate::NAME, format_args!("cannot open {name}: {}", exit::describe(&error.into())));
    }
    status
}

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
