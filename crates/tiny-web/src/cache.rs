//! The files that were asked for in this second, with their heads ready: so each file is looked at once a second at most,
//! and a change goes unnoticed for no longer. In the next second all is looked at anew, and read: whether a file is still the one to
//! send depends on its neighbours too, and to ask for those is most of the work.

use std::collections::HashMap;
use std::sync::Arc;

use crate::coding::Wanted;
use crate::path::LocalPath;
use crate::representation::{Content, Representation};

/// When there would be more, or they would take more memory, it begins anew: whoever asks for so many different files gains
/// nothing from it anyway. There is room for so many of the largest that are read, or for the longest list that there can be.
const MOST_FILES: usize = 1024;
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// What a file is kept by: its path, and which version of it is wanted.
type Key = (LocalPath, Wanted);

/// The files that one loop keeps.
pub struct Cache {
    files: HashMap<Key, Arc<Representation>>,
    /// How much memory they take.
    bytes: usize,
    /// Large files that are kept open, and how many may be.
    open: usize,
    most_open: usize,
    /// Else nothing is kept.
    is_on: bool,
}

impl Cache {
    /// An empty cache, which keeps so many large files open.
    pub fn new(is_on: bool, most_open: usize) -> Cache {
        Cache { files: HashMap::new(), bytes: 0, open: 0, most_open, is_on }
    }

    /// Forgets all: another second begins.
    pub fn clear(&mut self) {
        self.files.clear();
        (self.bytes, self.open) = (0, 0);
    }

    /// The file as it was when it was looked at in this second.
    pub fn get(&self, key: &Key) -> Option<Arc<Representation>> {
        self.files.get(key).cloned()
    }

    /// Keeps a file that it hasn't.
    pub fn put(&mut self, key: Key, file: &Arc<Representation>) {
        let bytes = memory(&key, file);
        let is_open = matches!(file.content, Content::File(_));
        if !self.is_on || bytes > MOST_BYTES || (is_open && self.open == self.most_open) {
            return;
        }
        if self.files.len() == MOST_FILES || self.bytes + bytes > MOST_BYTES {
            self.clear();
        }
        self.bytes += bytes;
        self.open += usize::from(is_open);
        self.files.insert(key, Arc::clone(file));
    }
}

/// How much memory a file takes here, but for what all take.
fn memory((path, _): &Key, file: &Representation) -> usize {
    let content = match &file.content {
        Content::Bytes(bytes) => bytes.len(),
        Content::File(_) => 0,
    };
    let fields = [&file.version_fields, &file.offer_fields, &file.content_fields];
    path.as_bytes().len() + fields.map(String::len).iter().sum::<usize>() + content
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::representation::{Manner, SMALL_BYTES};

    fn page(bytes: usize) -> Arc<Representation> {
        Arc::new(Representation::of_page("a".repeat(bytes), None, "text/plain", ""))
    }

    fn key(path: &str) -> Key {
        (LocalPath::of_target(path, false).unwrap(), Wanted::default())
    }

    #[test]
    fn a_file_is_kept_for_the_second() {
        let mut cache = Cache::new(true, 0);
        assert!(cache.get(&key("/a")).is_none());
        cache.put(key("/a"), &page(1));
        assert!(cache.get(&key("/a")).is_some() && cache.get(&key("/b")).is_none());
        cache.clear();
        assert!(cache.get(&key("/a")).is_none() && cache.bytes == 0);
    }

    #[test]
    fn it_never_grows_beyond_its_bounds() {
        let mut cache = Cache::new(true, 0);
        for (path, content) in [(1, 1), (16 * 1024, 1), (1, 64 * 1024), (1, SMALL_BYTES as usize)] {
            for number in 0..3 * MOST_FILES {
                let key = key(&format!("/{}{number}-{content}", "a".repeat(path)));
                if cache.get(&key).is_none() {
                    cache.put(key, &page(content));
                }
                let sum: usize = cache.files.iter().map(|(key, file)| memory(key, file)).sum();
                assert!(cache.files.len() <= MOST_FILES && sum == cache.bytes && sum <= MOST_BYTES);
            }
        }
    }

    #[test]
    fn only_so_many_files_are_kept_open_but_lists_are() {
        let mut cache = Cache::new(true, 2);
        let file = tempfile::tempfile().unwrap();
        file.set_len(SMALL_BYTES + 1).unwrap();
        let manner = Manner { content_type: "", coding: None, varies: false, cache_control: "" };
        let metadata = file.metadata().unwrap();
        let large = Arc::new(Representation::of_file(Content::File(file), &metadata, SystemTime::UNIX_EPOCH, &manner));
        for _second in 0..2 {
            cache.clear();
            let is_kept = ["/a", "/b", "/c"].map(|path| {
                cache.put(key(path), &large);
                cache.get(&key(path)).is_some()
            });
            assert_eq!(is_kept, [true, true, false]);
            cache.put(key("/list/"), &page(SMALL_BYTES as usize + 1));
            assert!(cache.get(&key("/list/")).is_some());
        }
    }

    #[test]
    fn turned_off_it_keeps_nothing() {
        let mut cache = Cache::new(false, 1);
        cache.put(key("/a"), &page(1));
        assert!(cache.get(&key("/a")).is_none());
    }
}
