//! Waiting for a socket, but not for ever: poll(2), with the signal to stop and a deadline.
//!
//! The sockets of our servers don't block. A call that finds nothing to do returns `EAGAIN`, and the program waits here,
//! where a signal or the end of its patience can wake it too. The wait is part of the trace line of the call it is for.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;

use crate::signal::Stop;
use crate::{Errno, trace};

/// What to wait for: input or end of file, or room to send.
pub use rustix::event::PollFlags as Interest;
pub use rustix::fd::BorrowedFd;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The call can be made: it will do something, even if only fail. These are the directions that are ready.
    ///
    /// Of several sockets: of one of them.
    Ready(Interest),
    /// The program has been asked to stop.
    Stop,
    /// The deadline has passed.
    TimedOut,
}

/// Windows can't wait for a signal and a socket together; there a wait looks at the flag this often.
const TICK: Duration = Duration::from_millis(100);

/// Waits until `socket` is ready for `interest`, the program is asked to stop, or `deadline` is past; None: for ever.
///
/// Errors: `ENOMEM` and `EINVAL`, as in poll(2).
#[inline]
pub fn wait(
    socket: impl AsFd,
    interest: Interest,
    stop: Option<&Stop>,
    deadline: Option<Instant>,
) -> Result<Wake, Errno> {
    let socket = PollFd::new(&socket, interest);
    #[cfg(unix)]
    if let Some(stop) = stop {
        return traced(|| poll_until(&mut [socket, stop_file(stop)], 1, Some(stop), deadline));
    }
    traced(|| poll_until(&mut [socket], 1, stop, deadline))
}

/// As [`wait`], until one of several sockets is ready.
///
/// Errors: as [`wait`].
pub fn wait_for_any(
    sockets: &[(BorrowedFd, Interest)],
    stop: Option<&Stop>,
    deadline: Option<Instant>,
) -> Result<Wake, Errno> {
    let mut files = Vec::with_capacity(sockets.len() + 1);
    files.extend(sockets.iter().map(|(socket, interest)| PollFd::from_borrowed_fd(*socket, *interest)));
    #[cfg(unix)]
    files.extend(stop.map(stop_file));
    traced(|| poll_until(&mut files, sockets.len(), stop, deadline))
}

/// The trace counts the wait in with the call that follows.
#[inline]
fn traced(wait: impl FnOnce() -> Result<Wake, Errno>) -> Result<Wake, Errno> {
    trace::waits();
    let wake = wait();
    if !matches!(wake, Ok(Wake::Ready(_))) {
        trace::done_waiting();
    }
    wake
}

/// What becomes readable when the program is asked to stop.
#[cfg(unix)]
#[inline]
fn stop_file(stop: &Stop) -> PollFd<'_> {
    PollFd::new(stop.pipe(), PollFlags::IN)
}

/// Does nothing until the program is asked to stop or `pause` is over; None: goes on at once.
///
/// Errors: as [`wait`].
pub fn pause(stop: &Stop, pause: Option<Duration>) -> Result<(), Errno> {
    let Some(pause) = pause else { return Ok(()) };
    #[cfg(unix)]
    let mut files = [stop_file(stop)];
    #[cfg(windows)]
    let mut files = [];
    poll_until(&mut files, 0, Some(stop), Some(Instant::now() + pause)).map(drop)
}

/// The first `sockets` of the files are what is waited for; behind them may stand what tells of the signal to stop.
#[inline]
fn poll_until(
    files: &mut [PollFd],
    sockets: usize,
    stop: Option<&Stop>,
    deadline: Option<Instant>,
) -> Result<Wake, Errno> {
    loop {
        if stop.is_some_and(Stop::is_asked) {
            return Ok(Wake::Stop);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let tick = (cfg!(windows) && stop.is_some()).then_some(TICK);
        let timeout = left.into_iter().chain(tick).min().map(timespec);
        #[cfg(windows)]
        if files.is_empty() {
            // Winsock doesn't wait for nothing.
            std::thread::sleep(left.unwrap_or(TICK).min(TICK));
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(Wake::TimedOut);
            }
            continue;
        }
        match poll(files, timeout.as_ref()) {
            Ok(_) => {}
            // Nothing is said of the files then.
            Err(Errno::INTR) => files.iter_mut().for_each(PollFd::clear_revents),
            Err(errno) => return Err(errno),
        }
        // An error or a hang-up makes the socket ready as well: the call that follows reports it.
        let ready = files[..sockets].iter().fold(PollFlags::empty(), |ready, file| ready | file.revents());
        if stop.is_some_and(Stop::is_asked) {
            return Ok(Wake::Stop);
        }
        if !ready.is_empty() {
            return Ok(Wake::Ready(ready));
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(Wake::TimedOut);
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    // Some systems take no more than 2^31 ms. The loop around it waits again.
    Timespec::try_from(duration.min(Duration::from_secs(24 * 3600))).expect("a day fits in a timespec")
}

/// How long a server bears with a client: for ever if it is busy, for a while if it is silent, and only until the end of
/// the drain once the server has been asked to stop.
pub struct Patience {
    /// What asks the server to stop.
    pub stop: Stop,
    /// How long a connection may be silent; None: as long as it likes.
    pub idle: Option<Duration>,
    /// How long clients may take to finish, once the server has been asked to stop.
    pub drain: Duration,
}

/// Why a server gave up on a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Nothing moved for so long.
    Idle(Duration),
    /// The server stops, and the time for what was in flight is over.
    Drained,
    /// The wait itself failed.
    Failed(Errno),
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GaveUp::Idle(idle) => write!(f, "silent for {}", humantime::format_duration(*idle)),
            GaveUp::Drained => write!(f, "still connected at the end of the drain"),
            GaveUp::Failed(errno) => write!(f, "cannot wait: {}", crate::exit::plain(*errno)),
        }
    }
}

impl std::error::Error for GaveUp {}

impl Patience {
    /// Waits for the next client of a listening socket, or the next datagram. False: the server has been asked to stop.
    ///
    /// Errors: as [`wait`].
    pub fn client_comes(&self, listener: impl AsFd) -> Result<bool, Errno> {
        Ok(matches!(wait(listener, Interest::IN, Some(&self.stop), None)?, Wake::Ready(_)))
    }

    /// When the drain ends, once the server has been asked to stop.
    pub fn drain_until(&self) -> Option<Instant> {
        self.stop.since().map(|since| since + self.drain)
    }

    /// Waits until a connection is ready for `interest`. The signal to stop doesn't end the wait: it starts the drain.
    ///
    /// Errors: the client was silent for too long, the drain is over, or the wait itself failed.
    pub fn wait(&self, connection: impl AsFd, interest: Interest) -> Result<(), GaveUp> {
        let idle_until = self.idle.map(|idle| Instant::now() + idle);
        if self.wait_until(connection, interest, idle_until)? {
            Ok(())
        } else {
            Err(GaveUp::Idle(self.idle.unwrap_or_default()))
        }
    }

    /// Waits for room to send. poll(2) only tells of plenty: while a client reads slowly, a third of a large buffer may take
    /// longer to become free than it may be silent. So after that time this returns the reason to give up, for the caller to
    /// try once more; and fails with it if it is handed back, for then nothing was sent.
    ///
    /// Errors: `last_try`; or as [`Self::wait`], except that the client was silent.
    pub fn wait_for_room(&self, connection: impl AsFd, last_try: Option<GaveUp>) -> Result<Option<GaveUp>, GaveUp> {
        if let Some(why) = last_try {
            return Err(why);
        }
        match self.wait(connection, Interest::OUT) {
            Ok(()) => Ok(None),
            Err(why @ GaveUp::Idle(_)) => Ok(Some(why)),
            Err(why) => Err(why),
        }
    }

    /// As [`Self::wait`], but until `deadline` instead of for as long as a client may be silent. False: it has passed.
    ///
    /// Errors: the drain is over, however busy the client is; or the wait itself failed.
    pub fn wait_until(
        &self,
        connection: impl AsFd,
        interest: Interest,
        deadline: Option<Instant>,
    ) -> Result<bool, GaveUp> {
        loop {
            let drain_until = self.drain_until();
            if drain_until.is_some_and(|end| end <= Instant::now()) {
                return Err(GaveUp::Drained);
            }
            let stop = drain_until.is_none().then_some(&self.stop);
            let until = deadline.into_iter().chain(drain_until).min();
            match wait(&connection, interest, stop, until).map_err(GaveUp::Failed)? {
                Wake::Ready(_) => return Ok(true),
                Wake::TimedOut if until == deadline => return Ok(false),
                Wake::TimedOut | Wake::Stop => {}
            }
        }
    }
}
