//! tiny-web and everything that may be sent to it: from the RFCs, row by row, and from people who mean no good.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(unix)]
mod files;
#[cfg(target_os = "linux")]
mod hostile;
mod mutants;
mod rows;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod security;
mod site;
mod slow;
mod table;
