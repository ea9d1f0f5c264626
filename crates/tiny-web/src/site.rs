//! A request to its response: first the method is looked at, then the target, then what is there, and last what of it the
//! client still needs.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Result, bail};

use crate::cache::Cache;
use crate::coding::Wanted;
use crate::condition::{Verdict, range_counts, verdict};
use crate::folder::{Folder, Found};
use crate::listing;
use crate::options::Show;
use crate::page::{self, HTML};
use crate::path::LocalPath;
use crate::range::{Part, part};
use crate::representation::Representation;
use crate::request::Request;
use crate::response::Response;
use crate::status::Status;

/// What is served, to anybody.
pub const ALLOWED: &str = "GET, HEAD, OPTIONS";
/// Whether requests with this method may be answered with what they ask for.
pub fn is_served(method: &str) -> bool {
    ALLOWED.split(", ").any(|allowed| allowed == method)
}

/// A look into the file system costs as much as so many answers from memory.
const WORK_OF_A_LOOK: usize = 8;
/// The page for what is not there, if the folder has one.
const NOT_FOUND_PAGE: &str = "/404.html";

/// What there is to see.
pub enum Pages {
    /// The lecture's page, at `/`, and its icon.
    Lecture { page: Arc<Representation>, icon: Arc<Representation> },
    /// The files of a folder.
    Folder(Folder),
}

/// What there is to see, and how it is shown.
pub struct Site {
    pub pages: Pages,
    pub show: Show,
}

impl Site {
    /// Of this folder, or else the lecture's.
    ///
    /// Errors: the folder can't be opened; `cannot show FILE: …`, the application's page isn't there.
    pub fn open(folder: Option<&Path>, show: Show) -> Result<Site> {
        let cache_control = show.cache_control(show.cache);
        let Some(folder) = folder else {
            let page = |page: String, content_type| {
                let etag = page::etag(&page);
                Arc::new(Representation::of_page(page, &etag, content_type, &cache_control))
            };
            let icon = page(page::ICON.to_owned(), "image/svg+xml");
            let page = page(page::saying(page::LECTURE), HTML);
            return Ok(Site { pages: Pages::Lecture { page, icon }, show });
        };
        let folder = Folder::open(folder, cache_control, show.dotfiles)?;
        if let Some(spa) = &show.spa {
            let path = LocalPath::of_target(spa, show.dotfiles);
            match path.and_then(|path| folder.find(path, Wanted::default(), None, SystemTime::UNIX_EPOCH)) {
                Ok(Found::File(_)) => {}
                Ok(_) => bail!("cannot show {spa} of this folder: it is a folder, too"),
                Err(status) => bail!("cannot show {spa} of this folder: {}", status.reason().to_lowercase()),
            }
        }
        Ok(Site { pages: Pages::Folder(folder), show })
    }
}

/// Answers the requests of one loop.
pub struct Answers<'a> {
    pub site: &'a Site,
    pub cache: Cache,
    /// The time, as of this turn.
    pub now: SystemTime,
    /// How much more may be done for the client whose turn it is. A request counts as one, and more if it leads to the file
    /// system; a list is all that is done in a turn.
    pub work_left: usize,
}

impl Answers<'_> {
    /// Answers a request that is well-formed.
    pub fn answer(&mut self, request: &Request) -> Response {
        self.work_left = self.work_left.saturating_sub(1);
        match request.method {
            "GET" | "HEAD" => {}
            "OPTIONS" => return self.options(request),
            // RFC 9110's and RFC 5789's others.
            "POST" | "PUT" | "DELETE" | "PATCH" | "TRACE" | "CONNECT" => {
                return Response::of_status(Status::METHOD_NOT_ALLOWED).with("Allow", ALLOWED);
            }
            _ => return Response::of_status(Status::NOT_IMPLEMENTED),
        }
        match self.show(request) {
            Ok(response) => response,
            Err(Status::NOT_FOUND) => self.not_found(),
            Err(status) => Response::of_status(status),
        }
    }

    /// What may be done with a target, and by whom: the latter is what a browser asks before it lets another site's page.
    fn options(&self, request: &Request) -> Response {
        if request.target != "*"
            && let Err(status) = LocalPath::of_target(request.target, true)
            && status != Status::NOT_FOUND
        {
            return Response::of_status(status);
        }
        let response = Response::of_status(Status::NO_CONTENT).with("Allow", ALLOWED);
        if !self.site.show.cors {
            return response;
        }
        let response = response.with("Access-Control-Allow-Methods", ALLOWED);
        response.with("Access-Control-Allow-Headers", "*").with("Access-Control-Max-Age", "86400")
    }

    /// The page, file or list that a target names.
    ///
    /// Errors: the status to say instead.
    fn show(&mut self, request: &Request) -> Result<Response, Status> {
        let site = self.site;
        let folder = match &site.pages {
            Pages::Folder(folder) => folder,
            Pages::Lecture { page, icon } => {
                let path = LocalPath::of_target(request.target, false)?;
                return match path.folder_target().as_str() {
                    "/" => Ok(self.representation(request, page)),
                    "/favicon.ico/" => Ok(self.representation(request, icon)),
                    _ => Err(Status::NOT_FOUND),
                };
            }
        };
        let wanted = Wanted::of(&request.fields);
        if request.target.contains('#') {
            // Browsers keep the fragment to themselves, wherever it stands.
            return Err(Status::BAD_REQUEST);
        }
        let (target, query) = request.target.split_at(request.target.find('?').unwrap_or(request.target.len()));
        let found = match self.find(folder, target, wanted) {
            Ok(Found::Folder(_)) if site.show.no_listing => Err(Status::NOT_FOUND),
            found => found,
        };
        let found = match found {
            Err(Status::NOT_FOUND) => self.application(folder, target, wanted).ok_or(Status::NOT_FOUND)?,
            found => found?,
        };
        match found {
            Found::File(file) => Ok(self.representation(request, &file)),
            Found::FolderWithoutSlash(path) => {
                let location = path.folder_target() + query;
                Ok(Response::of_status(Status::MOVED_PERMANENTLY).with("Location", &location))
            }
            Found::Folder(path) => {
                let list = self.list(folder, &path)?;
                Ok(self.representation(request, &list))
            }
        }
    }

    /// A folder's list. Making it costs more than anything else here: so it is the same for the second, however its target
    /// is spelt and whatever else the client wants.
    fn list(&mut self, folder: &Folder, path: &LocalPath) -> Result<Arc<Representation>, Status> {
        let key = path_meaning(path);
        if let Some((list, true)) = self.cache.get(&key, Wanted::default()) {
            return Ok(list);
        }
        self.work_left = 0;
        let below = path.below_root();
        let (lines, is_all) = folder.lines(&below)?;
        let page = listing::page(path, lines, is_all);
        let list = Arc::new(Representation::of_page(page, "", HTML, &self.site.show.cache_control(None)));
        self.cache.put(&key, Wanted::default(), &list);
        Ok(list)
    }

    /// What a target without its query leads to, from the cache if it is there.
    fn find(&mut self, folder: &Folder, target: &str, wanted: Wanted) -> Result<Found, Status> {
        let meaning = meaning(target, folder.dotfiles)?;
        let stale = match self.cache.get(&meaning, wanted) {
            Some((file, true)) => return Ok(Found::File(file)),
            stale => stale.map(|(file, _)| file),
        };
        let path = LocalPath::of_target(target, folder.dotfiles)?;
        self.work_left = self.work_left.saturating_sub(WORK_OF_A_LOOK);
        let found = folder.find(path, wanted, stale, self.now)?;
        if let Found::File(file) = &found {
            self.cache.put(&meaning, wanted, file);
        }
        Ok(found)
    }

    /// The application's page, where a page was asked for: a name with a dot in it is a file's.
    fn application(&mut self, folder: &Folder, target: &str, wanted: Wanted) -> Option<Found> {
        let spa = self.site.show.spa.as_deref()?;
        let path = LocalPath::of_target(target, folder.dotfiles).ok()?;
        if path.name().contains(&b'.') {
            return None;
        }
        self.find(folder, spa, wanted).ok().filter(|found| matches!(found, Found::File(_)))
    }

    /// 404, with the folder's own page for it if there is one.
    fn not_found(&mut self) -> Response {
        if let Pages::Folder(folder) = &self.site.pages
            && let Ok(Found::File(page)) = self.find(folder, NOT_FOUND_PAGE, Wanted::default())
        {
            return Response::of_file(Status::NOT_FOUND, &page, 0..page.length);
        }
        Response::of_status(Status::NOT_FOUND)
    }

    /// What of a file the client still needs.
    fn representation(&self, request: &Request, file: &Arc<Representation>) -> Response {
        let fields = &request.fields;
        if !fields.ask_for_all() {
            match verdict(fields, &file.validators) {
                Verdict::Failed => return Response::of_status(Status::PRECONDITION_FAILED),
                Verdict::NotModified => return Response::not_modified(file),
                Verdict::Answer => {}
            }
            let counts = request.method == "GET" && range_counts(fields, &file.validators, self.now);
            let range = fields.only("range").filter(|_| counts);
            match range.map_or(Part::Whole, |range| part(range, file.length)) {
                Part::Whole => {}
                Part::Bytes(range) => {
                    let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, file.length);
                    let part = Response::of_file(Status::PARTIAL_CONTENT, file, range);
                    return part.with("Content-Range", &content_range);
                }
                Part::None => {
                    let content_range = format!("bytes */{}", file.length);
                    return Response::of_status(Status::RANGE_NOT_SATISFIABLE).with("Content-Range", &content_range);
                }
            }
        }
        Response::of_file(Status::OK, file, 0..file.length)
    }
}

/// What a target without its query means, as a key: decoded, and with single slashes. Mostly it is written so already.
///
/// Errors: as [`LocalPath::of_target`].
fn meaning(target: &str, dotfiles: bool) -> Result<Cow<'_, [u8]>, Status> {
    let bytes = target.as_bytes();
    if bytes.starts_with(b"/") && !bytes.contains(&b'%') && !bytes.windows(2).any(|two| two == b"//") {
        return Ok(Cow::Borrowed(bytes));
    }
    LocalPath::of_target(target, dotfiles).map(|path| Cow::Owned(path_meaning(&path)))
}

/// The same, of a path. No name has a slash in it.
fn path_meaning(path: &LocalPath) -> Vec<u8> {
    let mut meaning = Vec::new();
    for segment in path.names() {
        meaning.push(b'/');
        meaning.extend_from_slice(segment);
    }
    if path.has_slash {
        meaning.push(b'/');
    }
    meaning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_a_path_is_spelt_it_means_the_same() {
        let table = [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("///a//%62", "/a/b"),
            ("/%61/b//", "/a/b/"),
            ("http://localhost:2000", "/"),
            ("http://localhost/a/b", "/a/b"),
            ("/a%2525", "/a%25"),
            ("/a%25", "/a%"),
            ("/a%3Fb", "/a?b"),
        ];
        for (target, expected) in table {
            assert_eq!(meaning(target, false).as_deref(), Ok(expected.as_bytes()), "{target}");
        }
        assert!(matches!(meaning("/a/b", false), Ok(Cow::Borrowed(_))), "the usual spelling costs nothing");
        assert_eq!(meaning("/%", false), Err(Status::BAD_REQUEST));
        assert_eq!(meaning("//..", false), Err(Status::NOT_FOUND));
    }
}
