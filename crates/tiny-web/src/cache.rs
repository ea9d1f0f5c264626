//! The files that were asked for lately, with their heads ready. Each is looked at again once a second at most: within
//! that, a change goes unnoticed; after it, a file that is still the same isn't read again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::coding::Wanted;
use crate::folder::SMALL_BYTES;
use crate::representation::Representation;

/// When there are more, it begins anew: whoever asks for so many different files gains nothing from it anyway. With the
/// largest that are kept, this is 32 MiB for each loop.
const MOST_FILES: usize = 1024;

/// The files that one loop keeps.
pub struct Cache {
    files: HashMap<Vec<u8>, Kept>,
    /// Room to build a key in.
    key: Vec<u8>,
    /// Large files and lists that may be kept, for the second.
    most_open: usize,
    open: usize,
    /// The second that it is.
    second: u64,
}

struct Kept {
    file: Arc<Representation>,
    looked_at: u64,
}

/// What the cache knows of a file.
pub enum Known {
    /// It was looked at in this second.
    Fresh(Arc<Representation>),
    /// It may have changed.
    Stale(Arc<Representation>),
    Nothing,
}

impl Cache {
    /// An empty cache, which keeps so many large files open, or lists.
    pub fn new(most_open: usize) -> Cache {
        Cache { files: HashMap::new(), key: Vec::new(), most_open, open: 0, second: 0 }
    }

    /// Another second begins. Nothing large is kept for nobody.
    pub fn tick(&mut self, second: u64) {
        self.second = second;
        if self.open > 0 {
            self.files.retain(|_, kept| kept.file.length <= SMALL_BYTES);
            self.open = 0;
        }
    }

    /// The version of this path's file that is wanted.
    pub fn get(&mut self, path: &str, wanted: Wanted) -> Known {
        self.set_key(path, wanted);
        match self.files.get(&self.key) {
            Some(kept) if kept.looked_at == self.second => Known::Fresh(Arc::clone(&kept.file)),
            Some(kept) => Known::Stale(Arc::clone(&kept.file)),
            None => Known::Nothing,
        }
    }

    /// It is this one.
    pub fn put(&mut self, path: &str, wanted: Wanted, file: &Arc<Representation>) {
        if file.length > SMALL_BYTES {
            if self.open == self.most_open {
                return;
            }
            self.open += 1;
        }
        if self.files.len() == MOST_FILES {
            self.files.clear();
        }
        self.set_key(path, wanted);
        self.files.insert(self.key.clone(), Kept { file: Arc::clone(file), looked_at: self.second });
    }

    fn set_key(&mut self, path: &str, wanted: Wanted) {
        self.key.clear();
        self.key.push(wanted.number());
        self.key.extend_from_slice(path.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::representation::Manner;

    fn page() -> Arc<Representation> {
        let manner = Manner { content_type: "text/plain", coding: None, varies: false, cache_control: "" };
        Arc::new(Representation::of_page("a", "a", &manner))
    }

    #[test]
    fn a_file_is_fresh_for_the_second_and_then_to_be_looked_at() {
        let mut cache = Cache::new(0);
        cache.tick(1);
        assert!(matches!(cache.get("/a", Wanted::default()), Known::Nothing));
        cache.put("/a", Wanted::default(), &page());
        assert!(matches!(cache.get("/a", Wanted::default()), Known::Fresh(_)));
        assert!(matches!(cache.get("/b", Wanted::default()), Known::Nothing));
        cache.tick(2);
        assert!(matches!(cache.get("/a", Wanted::default()), Known::Stale(_)));
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let mut cache = Cache::new(0);
        for number in 0..3 * MOST_FILES {
            cache.put(&format!("/{number}"), Wanted::default(), &page());
            assert!(cache.files.len() <= MOST_FILES);
        }
    }
}
