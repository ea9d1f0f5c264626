//! The account of a run: each request that was sent has one fate, and the sums agree.

use std::fmt;

use serde::Serialize;

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
}
