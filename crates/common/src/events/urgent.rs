//! Urgent data, which is received in its place (`SO_OOBINLINE`): a `recv` ends in front of it, whatever there is behind. A service
//! that got less than it had room for takes that for all, and the kernel, which tells of changes only, need not tell once more.

use mio::Interest;
use rustix::io::ioctl_fionread;

use super::{EventLoop, Service};

/// What the kernel tells of a connection: input; and on Linux, that there is urgent data among it.
#[cfg(target_os = "linux")]
pub(super) const INPUT: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(target_os = "linux"))]
pub(super) const INPUT: Interest = Interest::READABLE;

impl<S: Service> EventLoop<'_, S> {
    /// A client has sent urgent data. From now on it is looked whether its service has left something.
    #[cold]
    pub(super) fn hurries(&mut self, key: usize) {
        if let Some(entry) = self.connections.get_mut(key) {
            entry.is_urgent = true;
        }
    }

    /// Another turn for a client of that kind, if its service has left something.
    pub(super) fn has_more_if_urgent(&mut self, key: usize) {
        let entry = &self.connections[key];
        let may_be_left = entry.is_urgent && entry.farewell.is_none();
        if may_be_left && ioctl_fionread(&entry.connection).is_ok_and(|bytes| bytes > 0) {
            self.has_more(key);
        }
    }
}
