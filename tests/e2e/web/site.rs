//! The folder that the tables of requests are about, and a server that shows it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::harness::Server;

/// When all files of the folder were changed: the example of RFC 9110, section 5.6.7, in its three formats.
pub const CHANGED: [&str; 3] =
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
/// The same in seconds.
const CHANGED_SECONDS: u64 = 784_111_777;

/// The files: their names, and what is in them. The folder `bare` has no index, `page.html` has neighbours that are
/// "precompressed": what matters is only which of them comes.
const FILES: [(&str, &str); 14] = [
    ("index.html", "the index\n"),
    ("ten.txt", "0123456789"),
    ("empty.txt", ""),
    ("probe.txt", "probe\n"),
    ("a b.txt", "a space\n"),
    ("100%.txt", "a percent sign\n"),
    ("sub/index.html", "the index of sub\n"),
    ("bare/inner.txt", "inner\n"),
    ("page.html", "as it is"),
    ("page.html.gz", "by gzip"),
    ("page.html.br", "by brotli"),
    ("page.html.zst", "by zstd"),
    (".hidden.txt", "hidden\n"),
    (".well-known/known.txt", "known\n"),
];

/// A folder with something beside it that is nobody's business, and a server that shows the folder.
pub struct Site {
    pub server: Server,
    around: tempfile::TempDir,
}

impl Site {
    /// The folder of the tables, shown with these options.
    pub fn start(options: &[&str]) -> Site {
        Site::of(&FILES, options)
    }

    /// A folder with these files, shown with these options.
    pub fn of(files: &[(&str, &str)], options: &[&str]) -> Site {
        let around = tempfile::tempdir().unwrap();
        fs::write(around.path().join("secret.txt"), "nobody's business").unwrap();
        let root = around.path().join("root");
        fs::create_dir(&root).unwrap();
        for (name, content) in files {
            write(&root.join(name), content.as_bytes());
        }
        let server = Server::start("tiny-web", &[&[root.to_str().unwrap()], options].concat());
        Site { server, around }
    }

    /// The path of a file in the folder; with `../`, of one beside it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.around.path().join("root").join(name)
    }

    /// Puts a file into the folder, changed when all are.
    pub fn write(&self, name: &str, content: &[u8]) {
        write(&self.path(name), content);
    }
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(CHANGED_SECONDS);
    File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
}
