//! What the five programs of the lecture share.
//!
//! [`berkeley`] is the lecture's interface: thirteen calls, each exactly one system call. The other modules hold what a
//! program needs around the calls, and never make two of them in one function: the sequence of calls, the loop over the
//! data and the threads stay in the programs, where a reader looks for them.

#![forbid(unsafe_code)]

pub mod address;
pub mod berkeley;
pub mod check;
pub mod cli;
#[cfg(target_os = "linux")]
pub mod datagrams;
#[cfg(target_os = "linux")]
pub mod error_queue;
#[cfg(unix)]
pub mod events;
pub mod exit;
#[cfg(target_os = "linux")]
pub mod kernel_drops;
pub mod listener;
pub mod log;
pub mod measure;
#[cfg(unix)]
pub mod packet_info;
pub mod prefix;
pub mod screen;
#[cfg(target_os = "linux")]
pub mod sendfile;
pub mod signal;
pub mod slots;
pub mod sockopt;
pub mod stats;
pub mod trace;
#[cfg(unix)]
pub mod unix_socket;
pub mod wait;

pub use rustix::io::Errno;
