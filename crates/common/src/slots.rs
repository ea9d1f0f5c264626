//! A bound on how many connections there are at once, taken *before* `accept`: who finds no place waits in the kernel's
//! queue, where it costs nothing.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::signal::Stop;

/// While all places are taken, how often to look whether the program has been asked to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Places for a number of connections.
pub struct Slots {
    free: Mutex<usize>,
    given_back: Condvar,
}

/// A place, held until it is dropped.
pub struct Slot<'a>(&'a Slots);

impl Slots {
    /// So many places, all free.
    pub fn new(count: usize) -> Slots {
        Slots { free: Mutex::new(count), given_back: Condvar::new() }
    }

    /// Waits for a free place and takes it. None: the program has been asked to stop.
    pub fn take(&self, stop: &Stop) -> Option<Slot<'_>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 && !stop.is_asked() {
            free = self.given_back.wait_timeout(free, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        if *free == 0 {
            return None;
        }
        *free -= 1;
        Some(Slot(self))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.given_back.notify_one();
    }
}
