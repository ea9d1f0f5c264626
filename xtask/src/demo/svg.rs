//! Draws the conversation as a picture: two lifelines, the calls beside them, and slanted arrows for what crossed the network.

use std::fmt::Write as _;

use super::layout::{Cell, Kind, Layout, Line};
use super::story::Side;
use super::wording::{self, COLUMN, UTF8};

/// Sizes are in pixels. A character of a monospace font is at most 0.62 of its height wide.
const FONT: usize = 13;
const CHARACTER: f64 = 0.62 * FONT as f64;
const LINE: usize = 22;
const MARGIN: usize = 24;
/// Room for the title and the names of the programs, and for what the lines mean.
const HEAD: usize = 86;
const FOOT: usize = 56;
/// Between the two lifelines.
const NETWORK: usize = 260;
/// Between a lifeline and the text beside it.
const GAP: usize = 12;
/// Characters of a label on an arrow.
const LABEL: usize = 26;

/// Its own background makes the picture legible on any page; a reader who prefers dark gets dark.
const STYLE: &str = "\
svg { --paper: #ffffff; --ink: #1f2328; --dim: #656d76; --net: #0550ae; --out: #116329; --rail: #8c959f; }
@media (prefers-color-scheme: dark) {
svg { --paper: #0d1117; --ink: #e6edf3; --dim: #9198a1; --net: #79c0ff; --out: #7ee787; --rail: #6e7681; }
}
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: var(--ink); \
white-space: pre; }
.title { font-size: 17px; font-weight: bold; }
.name { font-weight: bold; }
.dim { fill: var(--dim); }
.out { fill: var(--out); }
.label { fill: var(--net); text-anchor: middle; paint-order: stroke; stroke: var(--paper); stroke-width: 5px; }
.paper { fill: var(--paper); stroke: var(--rail); }
.rail { stroke: var(--rail); stroke-width: 2; }
.waits { stroke: var(--paper); stroke-width: 4; }
.dots { stroke: var(--rail); stroke-width: 2; stroke-dasharray: 2 5; }
.arrow { stroke: var(--net); stroke-width: 1.6; marker-end: url(#head); }
#head path { fill: var(--net); }";

/// The whole picture, as an SVG document.
pub fn draw(title: &str, server: &str, client: &str, layout: &Layout) -> String {
    let column = (COLUMN as f64 * CHARACTER).ceil() as usize;
    let left_rail = MARGIN + column + GAP;
    let right_rail = left_rail + NETWORK;
    let (width, height) = (right_rail + GAP + column + MARGIN, HEAD + layout.lines * LINE + FOOT);
    let text_x = |side| if side == Side::Server { MARGIN } else { right_rail + GAP };
    let rail_x = |side| if side == Side::Server { left_rail } else { right_rail };
    // The middle of a line, where its arrows are; its letters stand a little lower.
    let y = |line: usize| HEAD + line * LINE + LINE / 2;

    let mut svg = String::new();
    let mut put = |element: std::fmt::Arguments| {
        // Writing into a string can't fail.
        let _ = writeln!(svg, "{element}");
    };
    put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{}\">",
        escape(title)
    ));
    put(format_args!("<style>{STYLE}</style>"));
    put(format_args!(
        "<defs><marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"10\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0L10 5L0 10z\"/></marker></defs>"
    ));
    let (inner_width, inner_height) = (width - 1, height - 1);
    put(format_args!(
        "<rect class=\"paper\" x=\".5\" y=\".5\" width=\"{inner_width}\" height=\"{inner_height}\" rx=\"8\"/>"
    ));
    let mut text = |class: &str, x: usize, y: usize, text: &str| {
        put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{}\">{}</text>", y + FONT / 3, escape(text)));
    };
    text("title", MARGIN, 32, title);
    text("name", MARGIN, 66, &format!("server: {server}"));
    text("name", text_x(Side::Client), 66, &format!("client: {client}"));
    for Cell { side, line, text: lines, kind } in &layout.cells {
        let class = match kind {
            Kind::Call => "call",
            Kind::Waits | Kind::Remark | Kind::Stopped => "dim",
            Kind::Printed => "out",
        };
        for (index, words) in lines.iter().enumerate() {
            text(class, text_x(*side), y(line + index), words);
        }
    }
    let (legend_y, legend) = (height - FOOT / 2 + 4, "│ runs   ┊ waits   » printed on stdout");
    text("dim", MARGIN, legend_y, legend);

    let bottom = y(layout.lines);
    for side in [Side::Server, Side::Client] {
        let x = rail_x(side);
        put(format_args!("<line class=\"rail\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\"/>", HEAD - 8));
    }
    for (side, lines) in &layout.waits {
        let (x, from, to) = (rail_x(*side), y(lines.start), y(lines.end));
        for class in ["waits", "dots"] {
            put(format_args!("<line class=\"{class}\" x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{to}\"/>"));
        }
    }
    let across = |arrow: &Line| {
        let (x1, x2) = (rail_x(arrow.from_side), rail_x(arrow.from_side.other()));
        (x1, y(arrow.from), x2, y(arrow.to.unwrap_or(arrow.from)))
    };
    for (x1, y1, x2, y2) in layout.arrows.iter().map(across) {
        put(format_args!("<line class=\"arrow\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
    }
    // On top of all arrows.
    for arrow in &layout.arrows {
        let label = wording::label(&arrow.payload, LABEL, UTF8);
        let (x, y, angle) = label_place(across(arrow), label.chars().count() as f64 * CHARACTER);
        put(format_args!(
            "<text class=\"label\" dy=\"-5\" transform=\"translate({x:.1} {y:.1}) rotate({angle:.1})\">{}</text>",
            escape(&label)
        ));
    }
    put(format_args!("</svg>"));
    svg
}

/// Where on an arrow the middle of its label is, and how it is turned, in degrees. That of a slanted one is near its
/// beginning, where no other arrow is as near.
fn label_place((x1, y1, x2, y2): (usize, usize, usize, usize), width: f64) -> (f64, f64, f64) {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(|pixels| pixels as f64);
    let length = (x2 - x1).hypot(y2 - y1);
    let part = if y1 == y2 { 0.5 } else { ((GAP as f64 + width / 2.0) / length).min(0.5) };
    let angle = ((y2 - y1) / (x2 - x1)).atan().to_degrees();
    (x1 + part * (x2 - x1), y1 + part * (y2 - y1), angle)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_in_the_middle_of_a_level_arrow_and_near_the_beginning_of_a_slanted_one() {
        assert_eq!(label_place((300, 100, 560, 100), 30.0), (430.0, 100.0, 0.0));
        let (x, y, angle) = label_place((500, 100, 100, 400), 76.0);
        assert_eq!((x.round(), y.round(), angle.round()), (460.0, 130.0, -37.0));
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape(r#"<p a="&">"#), "&lt;p a=&quot;&amp;&quot;&gt;");
    }
}
