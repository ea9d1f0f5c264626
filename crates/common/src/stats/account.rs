//! The account of a run: each request that was sent has one fate, and the sums agree.

use std::fmt;

use serde::Serialize;

use crate::Errno;

/// What became of the requests. `sent = received + lost + refused + late + corrupt + truncated + send_errors` at the end of
/// a run. What stands outside is not the fate of a request: a duplicate is one more reply to something that has its fate
/// already, and whoever hears the wrong server has not heard the right one. Only datagrams have such things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Handed to the kernel, or meant to be.
    pub sent: u64,
    /// Answered rightly and in time.
    pub received: u64,
    /// Not answered until the end of the run.
    pub lost: u64,
    /// Nobody listened there.
    pub refused: u64,
    /// Answered rightly, but after the timeout.
    pub late: u64,
    /// Answered with something else.
    pub corrupt: u64,
    /// Answered in part.
    pub truncated: u64,
    /// The kernel didn't take it.
    pub send_errors: u64,
    /// Answered once more.
    pub duplicates: u64,
    /// Answered after one that was sent later.
    pub out_of_order: u64,
    /// Answered from another address than the one that was asked.
    pub wrong_source: u64,
    /// What answers nothing of this run.
    pub strays: u64,
}

/// What may become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The right reply, in time.
    Received,
    /// No reply.
    Lost,
    /// Nobody listens there.
    Refused,
    /// The right reply, but after the timeout.
    Late,
    /// Another reply than the right one.
    Corrupt,
    /// The beginning of the right reply, and then the end.
    Truncated,
    /// It couldn't be sent.
    SendError,
}

impl Account {
    /// One more is sent.
    pub fn send(&mut self) {
        self.sent += 1;
    }

    /// This became of one that was sent.
    pub fn settle(&mut self, fate: Fate) {
        *match fate {
            Fate::Received => &mut self.received,
            Fate::Lost => &mut self.lost,
            Fate::Refused => &mut self.refused,
            Fate::Late => &mut self.late,
            Fate::Corrupt => &mut self.corrupt,
            Fate::Truncated => &mut self.truncated,
            Fate::SendError => &mut self.send_errors,
        } += 1;
    }

    /// How many have met their fate.
    pub fn settled(&self) -> u64 {
        self.received + self.lost + self.refused + self.late + self.corrupt + self.truncated + self.send_errors
    }

    /// How many wait for it.
    pub fn open(&self) -> u64 {
        self.sent - self.settled()
    }

    /// How many were sent and not answered as they should have been.
    pub fn missing(&self) -> u64 {
        self.sent - self.received
    }
}

impl Account {
    /// What may become of a request instead of a right reply.
    fn faults(&self) -> [(u64, &'static str); 6] {
        [
            (self.lost, "lost"),
            (self.refused, "refused"),
            (self.late, "late"),
            (self.corrupt, "corrupt"),
            (self.truncated, "truncated"),
            (self.send_errors, "not sent for an error"),
        ]
    }

    /// `3 of 20 lost, 1 late`: what became of those that were not answered as they should have been.
    pub fn in_vain(&self) -> String {
        let some = self.faults().into_iter().filter(|(count, _)| *count > 0);
        let some = some.enumerate().map(|(index, (count, what))| match index {
            0 => format!("{count} of {} {what}", self.sent),
            _ => format!("{count} {what}"),
        });
        some.collect::<Vec<_>>().join(", ")
    }
}

/// `5 sent, 4 received, 1 lost (20.0 %)`, and the rarer fates if they have occurred. The share is that of all that have not been
/// answered as they should have been.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} received, {} lost", self.sent, self.received, self.lost)?;
        let rare = self.faults().into_iter().skip(1).filter(|(count, _)| *count > 0);
        rare.clone().try_for_each(|(count, what)| write!(f, ", {count} {what}"))?;
        if self.sent > 0 {
            // As long as nothing else has happened, it is what people know from ping.
            let what = if rare.count() == 0 { "%" } else { "% without a right reply in time" };
            write!(f, " ({:.1} {what})", self.missing() as f64 * 100.0 / self.sent as f64)?;
        }
        let mut besides = [
            (self.duplicates, "duplicate"),
            (self.out_of_order, "out of order"),
            (self.wrong_source, "from a wrong source"),
            (self.strays, "stray"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0);
        if let Some((count, what)) = besides.next() {
            write!(f, "; besides {count} {what}")?;
        }
        besides.try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

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
    use proptest::prelude::*;

    const FATES: [Fate; 7] =
        [Fate::Received, Fate::Lost, Fate::Refused, Fate::Late, Fate::Corrupt, Fate::Truncated, Fate::SendError];

    proptest! {
        #[test]
        fn the_account_balances(fates in prop::collection::vec(0..FATES.len(), 0..200), open in 0u64..20) {
            let mut account = Account { sent: open, ..Account::default() };
            for fate in &fates {
                account.send();
                account.settle(FATES[*fate]);
            }
            prop_assert_eq!(account.sent, fates.len() as u64 + open);
            prop_assert_eq!(account.sent, account.settled() + account.open());
            prop_assert_eq!(account.open(), open);
            let right = fates.iter().filter(|fate| FATES[**fate] == Fate::Received).count() as u64;
            prop_assert_eq!(account.missing(), account.sent - right);
        }
    }

    #[test]
    fn rare_fates_are_named_only_if_they_occur() {
        let mut account = Account { sent: 4, received: 3, lost: 1, ..Account::default() };
        assert_eq!(account.to_string(), "4 sent, 3 received, 1 lost (25.0 %)");
        (account.lost, account.refused) = (0, 1);
        let told = "4 sent, 3 received, 0 lost, 1 refused (25.0 % without a right reply in time)";
        assert_eq!(account.to_string(), told);
        (account.duplicates, account.strays) = (2, 1);
        assert_eq!(account.to_string(), format!("{told}; besides 2 duplicate, 1 stray"));
        assert_eq!(Account::default().to_string(), "0 sent, 0 received, 0 lost");
    }

    #[test]
    fn what_was_in_vain_is_told_by_fate_and_not_as_lost() {
        let account = Account { sent: 20, corrupt: 20, ..Account::default() };
        assert_eq!(
            account.to_string(),
            "20 sent, 0 received, 0 lost, 20 corrupt (100.0 % without a right reply in time)"
        );
        assert_eq!(account.in_vain(), "20 of 20 corrupt");
        let account = Account { sent: 9, received: 4, lost: 2, late: 3, ..Account::default() };
        assert_eq!(account.in_vain(), "2 of 9 lost, 3 late");
    }

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
