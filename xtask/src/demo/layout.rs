//! Gives each row of a story its line, so that the text and the picture show the same.
//!
//! Every row begins on a line of its own, below the one before it. There is one exception: a call that takes what the row
//! before it has sent stands on the same line, at the head of the arrow, as in the lecture's figure.

use std::ops::Range;

use super::network::Payload;
use super::story::{Begun, Side, Story, What};
use super::wording::{self, Marks};

/// Where everything goes.
#[derive(Debug, Default)]
pub struct Layout {
    pub lines: usize,
    pub cells: Vec<Cell>,
    pub arrows: Vec<Line>,
    /// The lines on which a program waits.
    pub waits: Vec<(Side, Range<usize>)>,
}

/// What stands in one of the columns, from a line on.
#[derive(Debug)]
pub struct Cell {
    pub side: Side,
    pub line: usize,
    pub text: Vec<String>,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Call,
    Waits,
    /// What is said about a call, on the line below it.
    Remark,
    Printed,
    Stopped,
}

/// An arrow, from a line of one column to a line of the other: the same, or one further down. With no call at its end, it
/// goes straight across.
#[derive(Debug)]
pub struct Line {
    pub from_side: Side,
    pub from: usize,
    pub to: Option<usize>,
    pub payload: Payload,
}

/// Places all the rows of a story.
pub fn place(story: &Story, marks: Marks) -> Layout {
    let mut layout = Layout::default();
    let mut lines = Vec::with_capacity(story.rows.len());
    let mut free = [0, 0];
    let mut waits_since = [None, None];
    let mut next = 0;
    for (index, row) in story.rows.iter().enumerate() {
        let column = row.side as usize;
        let answers = index > 0 && takes_all_of(story, index - 1, index) && free[column] < next;
        let line = free[column].max(if answers { next - 1 } else { next });
        let (text, remark, kind) = cell(story, index, marks);
        match row.what {
            What::Waits(_) => waits_since[column] = Some(line),
            What::Did(_, _, Begun::Before) => {
                layout.waits.extend(waits_since[column].take().map(|since| (row.side, since..line)));
            }
            _ => {}
        }
        next = line + 1;
        free[column] = line + text.len();
        layout.cells.push(Cell { side: row.side, line, text, kind });
        if !remark.is_empty() {
            layout.cells.push(Cell { side: row.side, line: free[column], text: vec![remark], kind: Kind::Remark });
            free[column] += 1;
        }
        lines.push(line);
    }
    for arrow in &story.arrows {
        let (from, to) = (lines[arrow.from], arrow.to.map(|to| lines[to]));
        let from_side = story.rows[arrow.from].side;
        layout.arrows.push(Line { from_side, from, to, payload: arrow.payload.clone() });
    }
    layout.lines = free[0].max(free[1]);
    layout
}

/// Whether the call of row `to` takes what row `from` has sent, and nothing else.
fn takes_all_of(story: &Story, from: usize, to: usize) -> bool {
    let mut taken = story.arrows.iter().filter(|arrow| arrow.to == Some(to));
    taken.next().is_some_and(|arrow| arrow.from == from) && taken.next().is_none()
}

/// The text of a row, a remark below it if there is something to say, and what it is.
fn cell(story: &Story, index: usize, marks: Marks) -> (Vec<String>, String, Kind) {
    match &story.rows[index].what {
        What::Waits(call) => (wording::waits(call, marks), String::new(), Kind::Waits),
        What::Did(call, waited_ns, begun) => {
            let ends = story.arrows.iter().any(|arrow| arrow.to == Some(index) && arrow.payload == Payload::Fin);
            let waited = waited_ns.map(|ns| format!("waited {}", wording::time(ns)));
            let remarks: Vec<String> = ends.then(|| "end of file".to_owned()).into_iter().chain(waited).collect();
            let remark = if remarks.is_empty() { String::new() } else { format!("    {}", remarks.join(", ")) };
            (wording::did(call, *begun, marks), remark, Kind::Call)
        }
        What::Printed(line) => (wording::printed(line, marks), String::new(), Kind::Printed),
        What::Stopped => (vec!["(SIGTERM: please stop)".to_owned()], String::new(), Kind::Stopped),
    }
}
