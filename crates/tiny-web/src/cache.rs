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
    /// Else nothing is kept.
    is_on: bool,
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

impl Cache {
    /// An empty cache, which keeps so many large files open, or lists.
    pub fn new(is_on: bool, most_open: usize) -> Cache {
        Cache { files: HashMap::new(), key: Vec::new(), is_on, most_open, open: 0, second: 0 }
    }

    /// Another second begins. Nothing large is kept for nobody.
    pub fn tick(&mut self, second: u64) {
        self.second = second;
        if self.open > 0 {
            self.files.retain(|_, kept| kept.file.length <= SMALL_BYTES);
            self.open = 0;
        }
    }

    /// The version of this path's file that is wanted, and whether it is fresh: it was looked at in this second. Else it may have
    /// changed.
    pub fn get(&mut self, path: &str, wanted: Wanted) -> Option<(Arc<Representation>, bool)> {
        self.set_key(path, wanted);
        self.files.get(&self.key).map(|kept| (Arc::clone(&kept.file), kept.looked_at == self.second))
    }

    /// It is this one.
    pub fn put(&mut self, path: &str, wanted: Wanted, file: &Arc<Representation>) {
        if !self.is_on {
            return;
        }
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
        self.key.extend_from_slice(&wanted.key());
        self.key.extend_from_slice(path.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Arc<Representation> {
        Arc::new(Representation::of_page("a".to_owned(), "\"a\"", "text/plain", ""))
    }

    fn is_fresh(cache: &mut Cache, path: &str) -> Option<bool> {
        cache.get(path, Wanted::default()).map(|(_, is_fresh)| is_fresh)
    }

    #[test]
    fn a_file_is_fresh_for_the_second_and_then_to_be_looked_at() {
        let mut cache = Cache::new(true, 0);
        cache.tick(1);
        assert_eq!(is_fresh(&mut cache, "/a"), None);
        cache.put("/a", Wanted::default(), &page());
        assert_eq!(is_fresh(&mut cache, "/a"), Some(true));
        assert_eq!(is_fresh(&mut cache, "/b"), None);
        cache.tick(2);
        assert_eq!(is_fresh(&mut cache, "/a"), Some(false));
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let mut cache = Cache::new(true, 0);
        for number in 0..3 * MOST_FILES {
            cache.put(&format!("/{number}"), Wanted::default(), &page());
            assert!(cache.files.len() <= MOST_FILES);
        }
    }

    #[test]
    fn turned_off_it_keeps_nothing() {
        let mut cache = Cache::new(false, 1);
        cache.put("/a", Wanted::default(), &page());
        assert_eq!(is_fresh(&mut cache, "/a"), None);
    }
}
