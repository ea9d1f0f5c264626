//! The lecture's tiny web server: `lib.rs` is what it does.
//!
//! Its partner is any browser; the smallest is `examples/browser.rs`. Both at once, in two terminals:
//!
//! ```text
//! cargo run -p tiny-web -- --trace
//! cargo run -p tiny-web --example browser -- --trace
//! ```

#![forbid(unsafe_code)]

use std::process::ExitCode;

use common::exit;

const NAME: &str = "tiny-web";

#[cfg(unix)]
fn main() -> ExitCode {
    use clap::Parser;
    exit::report(NAME, tiny_web::run(tiny_web::Options::parse()))
}

/// Its event loop waits with epoll or kqueue, and it opens files below its folder in a way of Unix's.
#[cfg(windows)]
fn main() -> ExitCode {
    exit::report(NAME, Err(anyhow::anyhow!("cannot run on Windows: it is made for Linux and macOS")))
}
