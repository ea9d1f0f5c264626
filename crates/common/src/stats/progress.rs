//! The bar on the terminal; nothing where there is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Errors, Plan};

/// Not more often than this: drawing is not what the time is for.
const REFRESHES_A_SECOND: u8 = 5;

/// A progress bar on stderr, if that is a terminal.
pub struct Progress {
    bar: ProgressBar,
    began_ns: u64,
    arrivals: u64,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Progress {
    /// The bar is drawn when there is something to tell. It has no colours.
    pub fn new() -> Progress {
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(REFRESHES_A_SECOND));
        let style =
            ProgressStyle::with_template("[{bar:30}] {percent:>3} %  {msg}").map(|style| style.progress_chars("=> "));
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Progress { bar, began_ns: 0, arrivals: 0 }
    }

    /// How far the run is.
    pub fn show(&mut self, plan: &Plan, errors: &Errors, now_ns: u64) {
        let since_ns = now_ns - self.began_ns;
        if self.bar.is_hidden() || since_ns < 1_000_000_000 / u64::from(REFRESHES_A_SECOND) {
            return;
        }
        let rate = (plan.arrivals() - self.arrivals) as f64 * 1e9 / since_ns as f64;
        (self.began_ns, self.arrivals) = (now_ns, plan.arrivals());
        let (position, length) = plan.progress(now_ns);
        let backlog = plan.backlog(now_ns);
        let behind = if backlog > 0 { format!(", {backlog} waiting") } else { String::new() };
        self.bar.update(|state| {
            state.set_len(length);
            state.set_pos(position);
        });
        self.bar.set_message(format!("{rate:.0} replies/s{behind}, errors: {errors}"));
    }

    /// The bar disappears.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How often a load looks whether there is something to show, and whether somebody is overdue.
pub const TICK: Duration = Duration::from_millis(100);
