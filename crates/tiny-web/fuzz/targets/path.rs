//! Targets: no path leaves the root, and no redirect leaves the server.

#![no_main]
#![allow(dead_code)]

#[path = "../../src/authority.rs"]
mod authority;
#[path = "../../src/path.rs"]
mod path;
#[path = "../../src/status.rs"]
mod status;

use std::path::Component;

use libfuzzer_sys::fuzz_target;
use path::LocalPath;

fuzz_target!(|target: &str| {
    for dotfiles in [false, true] {
        let Ok(path) = LocalPath::of_target(target, dotfiles) else { continue };
        let below = path.below_root();
        assert!(path.is_root() || below.components().all(|part| matches!(part, Component::Normal(_))), "{below:?}");
        let folder = path.folder_target();
        assert!(folder.starts_with('/') && !folder.starts_with("//") && folder.ends_with('/'), "{folder}");
        assert!(folder.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{folder}");
        let again = LocalPath::of_target(&folder, dotfiles);
        assert_eq!(again.as_ref().map(LocalPath::below_root), Ok(below));
    }
});
