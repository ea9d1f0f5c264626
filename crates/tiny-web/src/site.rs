//! A request to its response: first the method is looked at, then the target, then what is there, and last what of it the
//! client still needs.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Result, bail};

use crate::cache::Cache;
use crate::coding::Wanted;
use crate::condition::{range_counts, verdict};
use crate::folder::Folder;
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
const ALLOWED: &str = "GET, HEAD, OPTIONS";
/// Whether requests with this method may be answered with what they ask for.
pub fn is_served(method: &str) -> bool {
    ALLOWED.split(", ").any(|allowed| allowed == method)
}

/// A look into the file system costs as much as so many answers from memory.
const WORK_OF_A_LOOK: usize = 8;
/// The page for what is not there, if the folder has one.
const NOT_FOUND_PAGE: &str = "/404.html";

/// What there is to see, and how it is shown.
pub struct Site {
    /// The files of a folder.
    pub folder: Option<Folder>,
    /// Else the lecture's page and its icon, each with its path.
    own: [(&'static [u8], Arc<Representation>); 2],
    pub show: Show,
}

impl Site {
    /// Of this folder, or else the lecture's.
    ///
    /// Errors: the folder can't be opened; `cannot show FILE: …`, the application's page isn't there.
    pub fn open(folder: Option<&Path>, show: Show) -> Result<Site> {
        let cache_control = show.cache_control(show.cache);
        let page = |path: &'static str, page: String, content_type| {
            let etag = page::etag(&page);
            (path.as_bytes(), Arc::new(Representation::of_page(page, Some(etag), content_type, &cache_control)))
        };
        let icon = page("/favicon.ico", page::ICON.to_owned(), "image/svg+xml");
        let own = [page("/", page::saying(page::LECTURE), HTML), icon];
        let folder = folder.map(|path| Folder::open(path, cache_control)).transpose()?;
        if let (Some(folder), Some(spa)) = (&folder, &show.spa) {
            let path = LocalPath::of_target(spa, show.dotfiles);
            match path.and_then(|path| folder.find(&path, Wanted::default(), SystemTime::UNIX_EPOCH)) {
                Ok(_) => {}
                Err(Status::MOVED_PERMANENTLY) => bail!("cannot show {spa} of this folder: it is a folder, too"),
                Err(status) => bail!("cannot show {spa} of this folder: {}", status.reason().to_lowercase()),
            }
        }
        Ok(Site { folder, own, show })
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
        let wanted = Wanted::of(&request.fields);
        let mut found = self.find(request.target, wanted);
        let Show { spa, dotfiles, .. } = &self.site.show;
        if let (Err(Status::NOT_FOUND), Some(spa)) = (&found, spa)
            && is_page(request.target, *dotfiles)
        {
            found = self.find(spa, wanted).or(Err(Status::NOT_FOUND));
        }
        match found {
            Ok(file) => self.representation(request, &file),
            Err(Status::MOVED_PERMANENTLY) => redirect(request.target),
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
        let response = Response::empty(Status::NO_CONTENT).with("Allow", ALLOWED);
        if !self.site.show.cors {
            return response;
        }
        let response = response.with("Access-Control-Allow-Methods", ALLOWED);
        response.with("Access-Control-Allow-Headers", "*").with("Access-Control-Max-Age", "86400")
    }

    /// The page, file or list that a target leads to, from the cache if it is there.
    ///
    /// Errors: as [`LocalPath::of_target`] and [`Folder::find`].
    fn find(&mut self, target: &str, wanted: Wanted) -> Result<Arc<Representation>, Status> {
        let Site { folder, own, show } = self.site;
        let path = LocalPath::of_target(target, show.dotfiles)?;
        let Some(folder) = folder else {
            let page = own.iter().find(|(own, _)| *own == path.as_bytes());
            return page.map(|(_, page)| Arc::clone(page)).ok_or(Status::NOT_FOUND);
        };
        let mut key = (path, wanted);
        if let Some(file) = self.cache.get(&key) {
            return Ok(file);
        }
        self.work_left = self.work_left.saturating_sub(WORK_OF_A_LOOK);
        let file = match folder.find(&key.0, wanted, self.now)? {
            Some(file) => file,
            None if show.no_listing => return Err(Status::NOT_FOUND),
            None => {
                // Making a list costs more than anything else here: so it is the same whatever else the client wants.
                key.1 = Wanted::default();
                if let Some(list) = self.cache.get(&key) {
                    return Ok(list);
                }
                self.work_left = 0;
                let (lines, is_all) = folder.lines(&key.0, show.dotfiles)?;
                let page = listing::page(&key.0, lines, is_all);
                Arc::new(Representation::of_page(page, None, HTML, &show.cache_control(None)))
            }
        };
        self.cache.put(key, &file);
        Ok(file)
    }

    /// 404, with the folder's own page for it if there is one.
    fn not_found(&mut self) -> Response {
        match self.find(NOT_FOUND_PAGE, Wanted::default()) {
            Ok(page) => Response::of_file(Status::NOT_FOUND, &page),
            Err(_) => Response::of_status(Status::NOT_FOUND),
        }
    }

    /// What of a file the client still needs.
    fn representation(&self, request: &Request, file: &Arc<Representation>) -> Response {
        let fields = &request.fields;
        if !fields.ask_for_all() {
            match verdict(fields, &file.validators) {
                Some(Status::NOT_MODIFIED) => return Response::not_modified(file),
                Some(status) => return Response::of_status(status),
                None => {}
            }
            let counts = request.method == "GET" && range_counts(fields, &file.validators, self.now);
            let range = fields.only("range").filter(|_| counts);
            match range.map_or(Part::Whole, |range| part(range, file.length)) {
                Part::Whole => {}
                Part::Bytes(range) => {
                    let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, file.length);
                    let part = Response::of_part(Status::PARTIAL_CONTENT, file, range);
                    return part.with("Content-Range", &content_range);
                }
                Part::Missing => {
                    let content_range = format!("bytes */{}", file.length);
                    return Response::of_status(Status::RANGE_NOT_SATISFIABLE).with("Content-Range", &content_range);
                }
            }
        }
        Response::of_file(Status::OK, file)
    }
}

/// To the same folder with its slash, and the same query.
fn redirect(target: &str) -> Response {
    let query = target.find('?').map_or("", |start| &target[start..]);
    let to = |path: LocalPath| {
        Response::of_status(Status::MOVED_PERMANENTLY).with("Location", &(path.folder_target() + query))
    };
    LocalPath::of_target(target, true).map_or_else(Response::of_status, to)
}

/// Whether a target may be an application's page: a name with a dot in it is a file's.
fn is_page(target: &str, dotfiles: bool) -> bool {
    let path = LocalPath::of_target(target, dotfiles);
    path.is_ok_and(|path| path.names().last().is_none_or(|name| !name.contains(&b'.')))
}
