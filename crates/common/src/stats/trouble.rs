//! What went wrong in a run, whichever requests it was about: how often of each kind, and what the system said of it.

use std::fmt;

use serde::Serialize;

use crate::Errno;

/// What can go wrong, with a connection as a rule, and so with many requests or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody listens there.
    ConnectRefused,
    /// No answer to an attempt to connect.
    ConnectTimeout,
    /// Another failure to connect.
    ConnectFailed,
    /// The peer gave the connection up.
    Reset,
    /// The peer ended the connection, though it was still wanted.
    ClosedEarly,
    /// A reply was not there in time, whether it came later or never: once for each request, on connections too.
    Timeout,
    /// A reply that is no echo.
    Corrupt,
    /// The network knows no way there, or nobody has the address. (Of a connection that is [`Self::ConnectFailed`].)
    Unreachable,
    /// Another failure to send or receive.
    Other,
}

impl Trouble {
    /// Why connecting failed.
    pub fn connecting(errno: Errno) -> Trouble {
        match errno {
            Errno::CONNREFUSED => Trouble::ConnectRefused,
            Errno::TIMEDOUT => Trouble::ConnectTimeout,
            _ => Trouble::ConnectFailed,
        }
    }

    /// Why a datagram got nowhere.
    pub fn sending(errno: Errno) -> Trouble {
        match errno {
            Errno::CONNREFUSED => Trouble::ConnectRefused,
            Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN => Trouble::Unreachable,
            _ => Trouble::Other,
        }
    }

    /// Why a connection broke.
    pub fn connected(errno: Errno) -> Trouble {
        #[cfg(unix)]
        if errno == Errno::PIPE {
            return Trouble::Reset;
        }
        match errno {
            Errno::CONNRESET | Errno::CONNABORTED => Trouble::Reset,
            Errno::TIMEDOUT => Trouble::Timeout,
            _ => Trouble::Other,
        }
    }
}

/// How often what went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// See [`Trouble::ConnectRefused`], and so on.
    pub connect_refused: u64,
    #[allow(missing_docs)]
    pub connect_timeout: u64,
    #[allow(missing_docs)]
    pub connect_failed: u64,
    #[allow(missing_docs)]
    pub reset: u64,
    #[allow(missing_docs)]
    pub closed_early: u64,
    #[allow(missing_docs)]
    pub timeout: u64,
    #[allow(missing_docs)]
    pub corrupt: u64,
    #[allow(missing_docs)]
    pub unreachable: u64,
    #[allow(missing_docs)]
    pub other: u64,
}

impl Errors {
    /// This went wrong, once more.
    pub fn count(&mut self, trouble: Trouble) {
        *match trouble {
            Trouble::ConnectRefused => &mut self.connect_refused,
            Trouble::ConnectTimeout => &mut self.connect_timeout,
            Trouble::ConnectFailed => &mut self.connect_failed,
            Trouble::Reset => &mut self.reset,
            Trouble::ClosedEarly => &mut self.closed_early,
            Trouble::Timeout => &mut self.timeout,
            Trouble::Corrupt => &mut self.corrupt,
            Trouble::Unreachable => &mut self.unreachable,
            Trouble::Other => &mut self.other,
        } += 1;
    }

    /// How often anything did.
    pub fn total(&self) -> u64 {
        self.kinds().iter().map(|(count, _)| count).sum()
    }

    fn kinds(&self) -> [(u64, &'static str); 9] {
        [
            (self.connect_refused, "connection refused"),
            (self.connect_timeout, "no answer to connect"),
            (self.connect_failed, "cannot connect"),
            (self.reset, "connection reset"),
            (self.closed_early, "closed early"),
            (self.timeout, "timed out"),
            (self.corrupt, "corrupt reply"),
            (self.unreachable, "unreachable"),
            (self.other, "other"),
        ]
    }
}

/// `3 connection refused, 1 timed out`, or `none`.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = self.kinds().map(|(count, what)| (count > 0).then(|| format!("{count} {what}")));
        let some: Vec<String> = some.into_iter().flatten().collect();
        if some.is_empty() { f.write_str("none") } else { f.write_str(&some.join(", ")) }
    }
}

/// So many causes are told apart: more are not to be expected.
const MOST_CAUSES: usize = 16;

/// What the system said of the troubles whose names don't say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Causes(Vec<Cause>);

/// One cause, and how often it was one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    #[serde(skip)]
    errno: Errno,
    /// In words.
    pub cause: String,
    /// How often.
    pub count: u64,
}

impl Causes {
    /// This was the cause, once more; the words of the first time stand for all.
    pub fn count(&mut self, errno: Errno, words: impl FnOnce() -> String) {
        if let Some(cause) = self.0.iter_mut().find(|cause| cause.errno == errno) {
            cause.count += 1;
        } else if self.0.len() < MOST_CAUSES {
            self.0.push(Cause { errno, cause: words(), count: 1 });
        }
    }

    /// The first that occurred.
    pub fn first(&self) -> Option<(Errno, &str)> {
        self.0.first().map(|cause| (cause.errno, cause.cause.as_str()))
    }

    /// Each, as it occurred.
    pub fn iter(&self) -> impl Iterator<Item = &Cause> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_by_kind() {
        let mut errors = Errors::default();
        assert_eq!(errors.to_string(), "none");
        errors.count(Trouble::connecting(Errno::CONNREFUSED));
        errors.count(Trouble::connected(Errno::CONNRESET));
        errors.count(Trouble::connected(Errno::CONNRESET));
        assert_eq!((errors.to_string().as_str(), errors.total()), ("1 connection refused, 2 connection reset", 3));
        errors.count(Trouble::Unreachable);
        assert!(errors.to_string().ends_with(", 1 unreachable"));
    }

    #[test]
    fn a_cause_keeps_the_words_of_its_first_time_and_there_are_not_many() {
        let mut causes = Causes::default();
        assert_eq!(causes.first(), None);
        causes.count(Errno::MSGSIZE, || "message too long".to_owned());
        causes.count(Errno::MSGSIZE, || unreachable!());
        let json = serde_json::to_string(&causes).unwrap();
        assert_eq!(json, r#"[{"cause":"message too long","count":2}]"#);
        (1..100).for_each(|number| causes.count(Errno::from_raw_os_error(number), String::new));
        assert_eq!((causes.iter().count(), causes.first()), (MOST_CAUSES, Some((Errno::MSGSIZE, "message too long"))));
    }
}
