//! SIGINT and SIGTERM as a polite request: stop, but finish what is in flight. A second one means: now.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context, Error, Result};
#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGUSR1};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::exit;

/// Whether the program has been asked to stop, as a flag to look at and, on Unix, as a descriptor to wait for.
pub struct Stop {
    /// Whether a signal has asked: with that, the next one is the second.
    asked: Arc<AtomicBool>,
    /// Whether the program itself has.
    asks_itself: AtomicBool,
    /// The number of the signal that has asked.
    signal: Arc<AtomicUsize>,
    since: OnceLock<Instant>,
    /// The read end of a pipe. The signal handler writes a byte into it that nobody reads, so that it stays readable, for
    /// every thread: the "self-pipe trick", after which a wait for a socket can't miss a signal.
    #[cfg(unix)]
    pipe: std::io::PipeReader,
    /// Its other end, for [`Stop::ask`].
    #[cfg(unix)]
    writer: std::io::PipeWriter,
}

impl Stop {
    /// Takes over SIGINT and SIGTERM. The first asks the program to stop; the second ends the process at once, with the status that a
    /// shell shows for the signal: 130 or 143.
    ///
    /// Errors: no descriptor left for the pipe.
    pub fn on_signals() -> Result<Stop> {
        Stop::install(&[SIGINT, SIGTERM]).context("cannot handle signals")
    }

    /// The same, and on Linux SIGHUP too, which says that the terminal has gone, unless the program was started in order to stay
    /// nevertheless, as by nohup(1).
    ///
    /// Errors: as [`Stop::on_signals`].
    pub fn on_signals_or_hangup() -> Result<Stop> {
        #[cfg(target_os = "linux")]
        if hangs_up() {
            return Stop::install(&[SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals");
        }
        Stop::on_signals()
    }

    /// What nothing but [`Stop::ask`] asks to stop, so that a test leaves the signals alone.
    #[cfg(test)]
    pub(crate) fn without_signals() -> Stop {
        Stop::install(&[]).unwrap()
    }

    fn install(signals: &[i32]) -> std::io::Result<Stop> {
        let (asked, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        #[cfg(unix)]
        let (pipe, writer) = std::io::pipe()?;
        for &signal in signals {
            // In this order: the second signal finds the flag that the first one set. But who is told that the terminal has
            // gone, and is asked to stop as well, has not been asked twice.
            if [SIGINT, SIGTERM].contains(&signal) {
                signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            }
            signal_hook::flag::register_usize(signal, Arc::clone(&number), signal as usize)?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
            #[cfg(unix)]
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        #[cfg(unix)]
        return Ok(Stop {
            asked,
            asks_itself: AtomicBool::new(false),
            signal: number,
            since: OnceLock::new(),
            pipe,
            writer,
        });
        #[cfg(windows)]
        return Ok(Stop { asked, asks_itself: AtomicBool::new(false), signal: number, since: OnceLock::new() });
    }

    /// Asks the program to stop, for a part of it without which the others can't go on. The first signal after that is nothing
    /// new, and the second ends the process, as ever.
    pub fn ask(&self) {
        if !self.asks_itself.swap(true, Ordering::SeqCst) {
            #[cfg(unix)]
            {
                use std::io::Write;
                // If it is full, it is readable already.
                let _ = (&self.writer).write(&[0]);
            }
        }
    }

    /// The same for a part that has failed: says at once why. What this returns is for the end; see [`exit::tell`].
    pub fn fail(&self, program: &str, error: Error) -> Error {
        let told = exit::tell(program, error);
        self.ask();
        told
    }

    /// Whether the program has been asked to stop.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed) || self.asks_itself.load(Ordering::Relaxed)
    }

    /// The exit status of a program that a signal has asked to stop and that has more to say before it ends: what a shell shows for the
    /// signal, 130 or 143.
    pub fn status(&self) -> i32 {
        128 + self.signal.load(Ordering::Relaxed) as i32
    }

    /// When the program noticed that it has been asked to stop.
    pub fn since(&self) -> Option<Instant> {
        self.is_asked().then(|| *self.since.get_or_init(Instant::now))
    }

    /// What becomes readable when the program is asked to stop.
    #[cfg(unix)]
    pub(crate) fn pipe(&self) -> &std::io::PipeReader {
        &self.pipe
    }
}

/// Whether SIGHUP would end this process, rather than be ignored since whoever started it wants it so: see proc_pid_status(5).
/// False if that can't be known.
#[cfg(target_os = "linux")]
fn hangs_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|signals| u64::from_str_radix(signals.trim(), 16).ok());
    ignored.is_some_and(|signals| signals & (1 << (SIGHUP - 1)) == 0)
}

/// A signal as a request to do something: SIGUSR1, to tell how things are; SIGHUP, to open the log anew.
#[cfg(unix)]
pub struct Requests(std::io::PipeReader);

#[cfg(unix)]
impl Requests {
    /// Takes over SIGUSR1, which would end the process otherwise.
    ///
    /// Errors: no descriptor left for the pipe.
    pub fn on_usr1() -> Result<Requests> {
        Requests::on(SIGUSR1).context("cannot handle signals")
    }

    /// Takes over SIGHUP, which would end the process otherwise.
    ///
    /// Errors: as [`Requests::on_usr1`].
    pub fn on_hangup() -> Result<Requests> {
        Requests::on(SIGHUP).context("cannot handle signals")
    }

    fn on(signal: i32) -> std::io::Result<Requests> {
        let (reader, writer) = std::io::pipe()?;
        signal_hook::low_level::pipe::register(signal, writer)?;
        Ok(Requests(reader))
    }

    /// Waits for the next request. False: there will be none.
    pub fn wait(&self) -> bool {
        use std::io::Read;
        (&self.0).read_exact(&mut [0]).is_ok()
    }

    /// What becomes readable with a request, for a loop that waits for other things as well: from now on nobody waits here.
    ///
    /// Errors: as ioctl(2).
    pub fn without_waiting(&self) -> Result<&std::io::PipeReader> {
        rustix::io::ioctl_fionbio(&self.0, true).context("cannot handle signals")?;
        Ok(&self.0)
    }

    /// Whether there have been requests since the last time; see [`Requests::without_waiting`].
    pub fn take_all(&self) -> bool {
        let mut taken = false;
        while rustix::io::read(&self.0, &mut [0; 64]).is_ok_and(|requests| requests > 0) {
            taken = true;
        }
        taken
    }
}
