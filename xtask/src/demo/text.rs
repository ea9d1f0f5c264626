//! Draws the conversation for a terminal: the server's calls on the left, the client's on the right, and between them the
//! network, in 100 columns.

use std::fmt::Write as _;

use super::layout::{Cell, Kind, Layout, Line};
use super::story::Side;
use super::wording::{self, COLUMN, Marks};

/// The width of the network, in characters.
const NETWORK: usize = 24;
/// Arrows that are under way at the same time turn down in lanes of their own, this far from each other.
const LANE_STEP: usize = 2;

/// What a terminal can show.
#[derive(Clone, Copy)]
pub struct Terminal {
    pub marks: Marks,
    pub colour: bool,
}

impl Terminal {
    /// What the one behind stdout can show, according to the environment.
    pub fn of_stdout() -> Terminal {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let is_plain = variable("NO_COLOR").is_some() || variable("TERM").as_deref() == Some("dumb");
        let colour = !is_plain && std::io::IsTerminal::is_terminal(&std::io::stdout());
        let locale = variable("LC_ALL").or_else(|| variable("LC_CTYPE")).or_else(|| variable("LANG"));
        // Windows has no such variables, and its terminals know UTF-8.
        let utf8 = locale.map_or(cfg!(windows), |locale| is_utf8(&locale));
        Terminal { marks: if utf8 { wording::UTF8 } else { wording::ASCII }, colour }
    }
}

fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// The characters of lifelines and arrows.
struct Strokes {
    runs: char,
    waits: char,
    across: char,
    down: char,
    heads: [char; 2],
    /// Where an arrow turns down, to the left and to the right, and where it turns to its head.
    corners: [[char; 2]; 2],
}

const UTF8: Strokes =
    Strokes {
        runs: '│', waits: '┊', across: '─', down: '│', heads: ['◄', '►'], corners: [['┌', '┐'], ['┘', '└']]
    };
const ASCII: Strokes =
    Strokes { runs: '|', waits: ':', across: '-', down: '|', heads: ['<', '>'], corners: [['.', '.'], ['\'', '\'']] };

/// The whole picture, with the names of the programs above it and what the lines mean below.
pub fn draw(server: &str, client: &str, layout: &Layout, terminal: Terminal) -> String {
    let strokes = if terminal.marks == wording::UTF8 { UTF8 } else { ASCII };
    let network = network(layout, &strokes, terminal.marks);
    let paint =
        |text: &str, code: &str| if terminal.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() };
    let mut text = String::new();
    let (server, client) = (format!("server: {server}"), format!("client: {client}"));
    let gap = " ".repeat(NETWORK + 4);
    let _ = writeln!(text, "{}{gap}{}", paint(&format!("{server:<COLUMN$}"), "1"), paint(&client, "1"));
    let rule = strokes.across.to_string().repeat(COLUMN);
    let _ = writeln!(text, "{rule} {}{}{} {rule}", strokes.runs, " ".repeat(NETWORK), strokes.runs);
    for (line, network) in network.iter().enumerate() {
        let rail = |side| {
            let waits = layout.waits.iter().any(|(waiting, lines)| *waiting == side && lines.contains(&line));
            if waits { strokes.waits } else { strokes.runs }
        };
        let column = |side| {
            let (kind, cell) = cell_text(layout, side, line);
            let padded = format!("{cell:<COLUMN$}");
            match kind {
                Some(Kind::Waits | Kind::Remark | Kind::Stopped) => paint(&padded, "2"),
                Some(Kind::Printed) => paint(&padded, "32"),
                Some(Kind::Call) | None => padded,
            }
        };
        let network: String = network.iter().collect();
        let network = if network.trim().is_empty() { network } else { paint(&network, "36") };
        let left = format!("{} {}{network}", column(Side::Server), rail(Side::Server));
        let right = format!("{} {}", rail(Side::Client), column(Side::Client));
        let _ = writeln!(text, "{}", format_args!("{left}{right}").to_string().trim_end());
    }
    let printed = terminal.marks.printed.trim_end();
    let _ = writeln!(text, "\n{} runs   {} waits   {printed} printed on stdout", strokes.runs, strokes.waits);
    text
}

/// What stands on a line of a column, and what kind of thing it is.
fn cell_text(layout: &Layout, side: Side, line: usize) -> (Option<Kind>, &str) {
    let on_line = |cell: &&Cell| cell.side == side && (cell.line..cell.line + cell.text.len()).contains(&line);
    match layout.cells.iter().find(on_line) {
        Some(cell) => (Some(cell.kind), &cell.text[line - cell.line]),
        None => (None, ""),
    }
}

/// The network's part of every line.
fn network(layout: &Layout, strokes: &Strokes, marks: Marks) -> Vec<[char; NETWORK]> {
    let mut canvas = vec![[' '; NETWORK]; layout.lines];
    let mut lanes: Vec<(Side, usize, usize)> = Vec::new();
    for arrow in &layout.arrows {
        let to = arrow.to.unwrap_or(arrow.from);
        // A lane that no earlier arrow is in until after this one begins. What came first keeps nearest to its goal.
        let busy = |lane| {
            lanes.iter().any(|&(side, taken, until)| (side, taken) == (arrow.from_side, lane) && until >= arrow.from)
        };
        let lane = (0..).find(|lane| !busy(*lane)).unwrap_or(0);
        if to > arrow.from {
            lanes.push((arrow.from_side, lane, to));
        }
        let bend = (to > arrow.from).then_some(1 + lane * LANE_STEP).filter(|bend| *bend < NETWORK / 2);
        draw_arrow(&mut canvas, arrow, bend, strokes, marks);
    }
    canvas
}

/// Draws one arrow: straight across, or with a bend so far from its head.
fn draw_arrow(canvas: &mut [[char; NETWORK]], arrow: &Line, bend: Option<usize>, strokes: &Strokes, marks: Marks) {
    // Drawn from right to left, as from the client; the server's is the mirror image.
    let right = arrow.from_side == Side::Server;
    let x = |x: usize| if right { NETWORK - 1 - x } else { x };
    let start = bend.unwrap_or(0);
    for at in start + 1..NETWORK {
        canvas[arrow.from][x(at)] = strokes.across;
    }
    match (bend, arrow.to) {
        (Some(bend), Some(to)) => {
            canvas[arrow.from][x(bend)] = strokes.corners[0][usize::from(right)];
            for line in &mut canvas[arrow.from + 1..to] {
                line[x(bend)] = strokes.down;
            }
            for at in 1..bend {
                canvas[to][x(at)] = strokes.across;
            }
            canvas[to][x(bend)] = strokes.corners[1][usize::from(right)];
            canvas[to][x(0)] = strokes.heads[usize::from(right)];
        }
        _ => canvas[arrow.from][x(0)] = strokes.heads[usize::from(right)],
    }
    // A stroke and a space remain at both ends of the label.
    let room = NETWORK - start - 1;
    let label = format!(" {} ", wording::label(&arrow.payload, room - 4, marks));
    let length = label.chars().count();
    let (first, last) = if right { (0, NETWORK - 1 - start) } else { (start + 1, NETWORK) };
    let at = first + (last - first).saturating_sub(length) / 2;
    for (place, letter) in canvas[arrow.from][at..last].iter_mut().zip(label.chars()) {
        *place = letter;
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
