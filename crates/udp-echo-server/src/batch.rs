//! Many datagrams with each system call.
use anyhow::Result;
use common::berkeley::OwnedFd;
use common::signal::Stop;

use crate::server::Server;

/// Placeholder.
pub fn serve(socket: OwnedFd, server: Server, stop: &Stop) -> Result<()> {
    crate::simple::serve(socket, server, stop)
}
