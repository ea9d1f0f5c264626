//! Lines on stderr: `NAME: what happened`. Never a reason to fail, never a flood, never raw bytes of a client.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most so many lines about clients a second: a hostile client can cause one each time it connects.
const LINES_PER_SECOND: u32 = 20;

/// Writes one line, for something that can't happen often.
pub fn line(program: &str, text: impl fmt::Display) {
    // In one write, so that the lines of two threads don't mix; and one after the other, so that the room is still there. A
    // reader that is gone or stands still, or a full disk, is not our end.
    let mut stderr = std::io::stderr().lock();
    if has_room(&stderr) {
        let _ = stderr.write_all(format!("{program}: {text}\n").as_bytes());
    }
}

/// Whether something can be written to a terminal, pipe or file without waiting for whoever reads there.
#[cfg(unix)]
pub(crate) fn has_room(file: impl rustix::fd::AsFd) -> bool {
    has_room_within(file, Duration::ZERO)
}

/// As [`has_room`], for a reader who gets some time to make it.
#[cfg(unix)]
pub(crate) fn has_room_within(file: impl rustix::fd::AsFd, time: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let look = |time: Duration| {
        let time = Timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos().into() };
        poll(&mut [PollFd::new(&file, PollFlags::OUT)], Some(&time))
    };
    match look(time) {
        // A signal, perhaps to stop: no time is left.
        Err(crate::Errno::INTR) => look(Duration::ZERO) != Ok(0),
        looked => looked != Ok(0),
    }
}

/// Windows can't tell for anything but sockets.
#[cfg(windows)]
pub(crate) fn has_room<T>(_file: T) -> bool {
    true
}

/// As [`has_room`].
#[cfg(windows)]
pub(crate) fn has_room_within<T>(_file: T, _time: Duration) -> bool {
    true
}

/// Writes one line about a client, unless there were too many in this second; then the next second says how many.
pub fn client(program: &str, text: impl fmt::Display) {
    static WINDOW: Mutex<Window> = Mutex::new(Window { began: None, lines: 0 });
    let unsaid = WINDOW.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now());
    match unsaid {
        Some(0) => line(program, text),
        Some(unsaid) => line(program, format_args!("({unsaid} more lines like these)\n{program}: {text}")),
        None => {}
    }
}

/// The second in which lines are counted.
struct Window {
    began: Option<Instant>,
    lines: u32,
}

impl Window {
    /// Whether a line may be written now, and how many could not be since the last that could.
    fn admit(&mut self, now: Instant) -> Option<u32> {
        let over = self.began.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(1));
        let unsaid = if over { self.lines.saturating_sub(LINES_PER_SECOND) } else { 0 };
        if over {
            *self = Window { began: Some(now), lines: 0 };
        }
        self.lines += 1;
        (self.lines <= LINES_PER_SECOND).then_some(unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut window = Window { began: None, lines: 0 };
        let start = Instant::now();
        let said = (0..1000).filter(|_| window.admit(start).is_some()).count();
        assert_eq!(said, LINES_PER_SECOND as usize);
        assert_eq!(window.admit(start + Duration::from_secs(1)), Some(980));
        assert_eq!(window.admit(start + Duration::from_secs(1)), Some(0));
    }
}
