//! What is measured: cases, which take turns, round by round, and become the lines of a table.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use anyhow::{Result, ensure};

use super::subjects::{OURS, Subject};
use super::table::{Row, Table};
use super::{Bench, measure};

/// Measures one table; None: that can't be done here, which it has then said.
pub type Make = Box<dyn Fn(&Bench, &[Subject]) -> Result<Option<Table>>>;

/// What a load has done.
pub struct Done {
    /// Operations: echoes, clients, requests.
    pub count: u64,
    /// Operations in a second.
    pub rate: f64,
}

/// What one measurement gives: the figure, and operations in a second of the clock on the wall.
pub struct Sample {
    pub figure: f64,
    pub rate: Option<f64>,
}

/// Something to measure, a line of a table.
pub struct Case<'a> {
    pub name: String,
    /// None: the server isn't there.
    pub measure: Option<Box<dyn Fn() -> Result<Sample> + 'a>>,
    pub bar: Option<f64>,
}

/// What the ratios of a table are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ratio {
    /// Ours, the first line's figure, by each other one's.
    OursByOther,
    /// Each other line's figure by the first one's.
    OtherByFirst,
    /// There are none: bars are for the figures.
    None,
}

/// A line for ours and each of `peers`, with the most that ours may cost of what it does.
pub fn cases<'a>(
    subjects: &'a [Subject],
    peers: &[(&str, Option<f64>)],
    measure: impl Fn(&Subject) -> Result<Sample> + Copy + 'a,
) -> Vec<Case<'a>> {
    let line = |name: &str, bar| {
        let subject = subjects.iter().find(|subject| subject.name == name);
        let measure = subject.map(|subject| Box::new(move || measure(subject)) as Box<dyn Fn() -> Result<Sample>>);
        Case { name: name.to_owned(), measure, bar }
    };
    std::iter::once(line(OURS, None)).chain(peers.iter().map(|(name, bar)| line(name, *bar))).collect()
}

/// Lets `act` do operations with a server, and returns what one cost, in microseconds.
///
/// Errors: it fails; the server has ended, or doesn't come to rest.
pub fn cost(server: u32, processes: usize, act: impl FnOnce() -> Result<Done>) -> Result<Sample> {
    let before = measure::settle(server, processes)?;
    let done = act()?;
    let after = measure::settle(server, processes)?;
    ensure!(done.count > 0, "nothing was done in time");
    let figure = after.saturating_sub(before) as f64 / 1000.0 / done.count as f64;
    Ok(Sample { figure, rate: Some(done.rate) })
}

/// Operations in a second of the clock on the wall, of those that `act` does and counts.
///
/// Errors: it fails.
pub fn timed(act: impl FnOnce() -> Result<u64>) -> Result<Done> {
    let began = Instant::now();
    let count = act()?;
    Ok(Done { count, rate: count as f64 / began.elapsed().as_secs_f64() })
}

impl Bench {
    /// Measures the cases in turn, round by round. One that fails in the first round is not measured
    /// again, and its line says why.
    ///
    /// Errors: the first case fails, to which the others are compared; in a test, any.
    pub fn table(&self, title: &str, unit: &'static str, ratio: Ratio, cases: &[Case]) -> Result<Table> {
        let row = |case: &Case| Row { name: case.name.clone(), bar: case.bar, ..Row::default() };
        let mut rows: Vec<Row> = cases.iter().map(row).collect();
        for round in 1..=self.runs {
            let mut first = f64::NAN;
            for (at, (case, row)) in cases.iter().zip(&mut rows).enumerate() {
                let has_hope = round == 1 || !row.samples.is_empty();
                let Some(measure) = case.measure.as_ref().filter(|_| has_hope) else { continue };
                progress(&format!("{title}: round {round}, {}", case.name));
                let sample = match measure() {
                    Ok(sample) => sample,
                    Err(error) if at == 0 || self.smoke => {
                        return Err(error.context(format!("cannot measure {}", case.name)));
                    }
                    Err(error) => {
                        row.note = format!("{error:#}");
                        continue;
                    }
                };
                row.samples.push(sample.figure);
                row.rates.extend(sample.rate);
                match ratio {
                    Ratio::None => {}
                    _ if at == 0 => first = sample.figure,
                    Ratio::OursByOther => row.ratios.push(first / sample.figure),
                    Ratio::OtherByFirst => row.ratios.push(sample.figure / first),
                }
            }
        }
        progress("");
        let head = if ratio == Ratio::OursByOther { "ours / it" } else { "it / first" };
        Ok(Table { title: title.to_owned(), unit, ratio: head, rows })
    }
}

/// What is going on, on a terminal; "" takes it away.
fn progress(text: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{text}");
    }
}
