//! The files that were asked for lately, with their heads ready. Each is looked at again once a second at most: within
//! that, a change goes unnoticed; after it, a file that is still the same isn't read again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::coding::Wanted;
use crate::folder::SMALL_BYTES;
use crate::representation::{Content, Representation};

/// When there are more, or they take more memory, it begins anew: whoever asks for so many different files gains nothing from it
/// anyway. So many of the largest that are read fit, or the longest list that there can be.
const MOST_FILES: usize = 1024;
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// The files that one loop keeps.
pub struct Cache {
    files: HashMap<Vec<u8>, Kept>,
    /// How much memory they take.
    bytes: usize,
    /// Room to build a key in.
    key: Vec<u8>,
    /// Else nothing is kept.
    is_on: bool,
    /// Large files that may be kept open, for the second.
    most_open: usize,
    open: usize,
    /// Whether there are any, or lists.
    has_large: bool,
    /// The second that it is.
    second: u64,
}

struct Kept {
    file: Arc<Representation>,
    looked_at: u64,
}

impl Cache {
    /// An empty cache, which keeps so many large files open.
    pub fn new(is_on: bool, most_open: usize) -> Cache {
        let (files, key) = (HashMap::new(), Vec::new());
        Cache { files, bytes: 0, key, is_on, most_open, open: 0, has_large: false, second: 0 }
    }

    /// Another second begins. Nothing large is kept for nobody.
    pub fn tick(&mut self, second: u64) {
        self.second = second;
        if self.has_large {
            self.files.retain(|_, kept| kept.file.length <= SMALL_BYTES);
            self.bytes = self.files.iter().map(|(key, kept)| memory(key, &kept.file)).sum();
            (self.open, self.has_large) = (0, false);
        }
    }

    /// The version that is wanted of the file that a path means, and whether it is fresh: it was looked at in this second. Else it
    /// may have changed.
    pub fn get(&mut self, path: &[u8], wanted: Wanted) -> Option<(Arc<Representation>, bool)> {
        self.set_key(path, wanted);
        self.files.get(&self.key).map(|kept| (Arc::clone(&kept.file), kept.looked_at == self.second))
    }

    /// It is this one.
    pub fn put(&mut self, path: &[u8], wanted: Wanted, file: &Arc<Representation>) {
        self.set_key(path, wanted);
        let bytes = memory(&self.key, file);
        let is_open = matches!(file.content, Content::File(_));
        if !self.is_on || bytes > MOST_BYTES || (is_open && self.open == self.most_open) {
            return;
        }
        if let Some(old) = self.files.remove(&self.key) {
            self.bytes -= memory(&self.key, &old.file);
        }
        if self.files.len() == MOST_FILES || self.bytes + bytes > MOST_BYTES {
            self.files.clear();
            (self.bytes, self.open, self.has_large) = (0, 0, false);
        }
        self.bytes += bytes;
        self.open += usize::from(is_open);
        self.has_large |= file.length > SMALL_BYTES;
        self.files.insert(self.key.clone(), Kept { file: Arc::clone(file), looked_at: self.second });
    }

    fn set_key(&mut self, path: &[u8], wanted: Wanted) {
        self.key.clear();
        self.key.extend_from_slice(&wanted.key());
        self.key.extend_from_slice(path);
    }
}

/// How much memory a file takes here, but for what all take.
fn memory(key: &[u8], file: &Representation) -> usize {
    let content = match &file.content {
        Content::Bytes(bytes) => bytes.len(),
        Content::File(_) => 0,
    };
    key.len() + file.version_fields.len() + file.offer_fields.len() + file.content_fields.len() + content
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::representation::Manner;

    fn page(bytes: usize) -> Arc<Representation> {
        Arc::new(Representation::of_page("a".repeat(bytes), "", "text/plain", ""))
    }

    fn put(cache: &mut Cache, path: &str, file: &Arc<Representation>) {
        cache.put(path.as_bytes(), Wanted::default(), file);
    }

    fn is_fresh(cache: &mut Cache, path: &str) -> Option<bool> {
        cache.get(path.as_bytes(), Wanted::default()).map(|(_, is_fresh)| is_fresh)
    }

    #[test]
    fn a_file_is_fresh_for_the_second_and_then_to_be_looked_at() {
        let mut cache = Cache::new(true, 0);
        cache.tick(1);
        assert_eq!(is_fresh(&mut cache, "/a"), None);
        put(&mut cache, "/a", &page(1));
        assert_eq!(is_fresh(&mut cache, "/a"), Some(true));
        assert_eq!(is_fresh(&mut cache, "/b"), None);
        cache.tick(2);
        assert_eq!(is_fresh(&mut cache, "/a"), Some(false));
    }

    #[test]
    fn it_never_grows_beyond_its_bounds() {
        let mut cache = Cache::new(true, 0);
        for (path, content) in [(1, 1), (16 * 1024, 1), (1, 64 * 1024), (1, SMALL_BYTES as usize)] {
            for number in 0..3 * MOST_FILES {
                put(&mut cache, &format!("/{}{number}", "a".repeat(path)), &page(content));
                let sum: usize = cache.files.iter().map(|(key, kept)| memory(key, &kept.file)).sum();
                assert!(cache.files.len() <= MOST_FILES && sum == cache.bytes && sum <= MOST_BYTES);
            }
        }
        cache.tick(1);
        put(&mut cache, "/a", &page(1));
        let bytes = cache.bytes;
        put(&mut cache, "/a", &page(1));
        assert_eq!(cache.bytes, bytes, "the same once more takes no more");
    }

    #[test]
    fn a_list_is_kept_whatever_is_open_and_goes_with_the_second() {
        let mut cache = Cache::new(true, 0);
        let list = page(SMALL_BYTES as usize + 1);
        put(&mut cache, "/a/", &list);
        put(&mut cache, "/b", &page(1));
        assert_eq!(is_fresh(&mut cache, "/a/"), Some(true));
        cache.tick(1);
        assert_eq!((is_fresh(&mut cache, "/a/"), is_fresh(&mut cache, "/b")), (None, Some(false)));
        assert!(cache.bytes < 100);
    }

    #[test]
    fn only_so_many_files_are_kept_open() {
        let mut cache = Cache::new(true, 2);
        let file = tempfile::tempfile().unwrap();
        file.set_len(SMALL_BYTES + 1).unwrap();
        let manner = Manner { content_type: "", coding: None, varies: false, cache_control: "" };
        let metadata = file.metadata().unwrap();
        let large = Arc::new(Representation::of_file(Content::File(file), &metadata, SystemTime::UNIX_EPOCH, &manner));
        for second in 0..2 {
            cache.tick(second);
            let is_kept = ["/a", "/b", "/c"].map(|path| {
                put(&mut cache, path, &large);
                is_fresh(&mut cache, path).is_some()
            });
            assert_eq!(is_kept, [true, true, false]);
        }
    }

    #[test]
    fn turned_off_it_keeps_nothing() {
        let mut cache = Cache::new(false, 1);
        put(&mut cache, "/a", &page(1));
        assert_eq!(is_fresh(&mut cache, "/a"), None);
    }
}
