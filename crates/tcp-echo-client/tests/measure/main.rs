//! `ping` and `load` against servers of a few lines each, good ones and others.

mod harness;
#[cfg(unix)]
mod load;
mod ping;
#[path = "../../../common/tests/schema/mod.rs"]
mod schema;
