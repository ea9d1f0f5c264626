//! Tables: a line for each server, with its median, the ratio, and whether a bar is met.

use serde_json::{Value, json};

use super::measure::median;
use super::subjects::OURS;

/// One table.
pub struct Table {
    pub title: String,
    /// What the figures are, as the head of their column.
    pub unit: &'static str,
    /// What a ratio compares, as the head of its column.
    pub ratio: &'static str,
    pub rows: Vec<Row>,
}

/// A line of it.
#[derive(Default)]
pub struct Row {
    pub name: String,
    /// A figure for each round; none: it was not measured.
    pub samples: Vec<f64>,
    /// Operations in a second of the clock on the wall, for each round; may be empty.
    pub rates: Vec<f64>,
    /// A ratio for each round; may be empty.
    pub ratios: Vec<f64>,
    /// The most that the ratio may be or, if there is none, the figure.
    pub bar: Option<f64>,
    /// What else there is to say.
    pub note: String,
}

impl Row {
    /// The median of the ratios, in hundredths; each is that of one round, whose parts were measured one right after the
    /// other.
    fn ratio(&self) -> Option<f64> {
        median(&self.ratios).map(|ratio| (ratio * 100.0).round() / 100.0)
    }

    /// Whether the bar is met. None: there is no bar, or nothing to hold against it.
    pub fn is_met(&self) -> Option<bool> {
        let figure = if self.ratios.is_empty() { median(&self.samples) } else { self.ratio() };
        Some(figure? <= self.bar?)
    }

    fn cells(&self) -> [String; 7] {
        let (least, most) = self.samples.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), x| (a.min(*x), b.max(*x)));
        let range =
            if self.samples.len() > 1 { format!("{} - {}", figure(least), figure(most)) } else { String::new() };
        let verdict = match (self.bar, self.is_met()) {
            (Some(_), Some(true)) => "ok",
            (Some(_), Some(false)) => "MISSED",
            (Some(_), None) => "not measured",
            (None, _) => "",
        };
        let bar = |bar: f64| if self.ratios.is_empty() { figure(bar) } else { format!("{bar:.2}") };
        [
            self.name.clone(),
            median(&self.samples).map_or("-".to_owned(), figure),
            range,
            median(&self.rates).map_or(String::new(), |rate| grouped(rate as u64)),
            self.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}")),
            self.bar.map_or(String::new(), |at_most| format!("<= {}", bar(at_most))),
            [verdict, &self.note].iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join("  "),
        ]
    }
}

impl Table {
    /// The table as text, aligned.
    pub fn text(&self) -> String {
        let head = ["", self.unit, "lowest - highest", "a second", self.ratio, "bar", ""].map(str::to_owned);
        let rows: Vec<[String; 7]> = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        // A column that has nothing in it is left out, its head too.
        let is_empty = |column: usize| rows[1..].iter().all(|row| row[column].is_empty());
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let columns: Vec<(usize, usize)> =
            (0..7).filter(|column| !is_empty(*column)).map(|column| (column, width(column))).collect();
        let mut text = format!("{}\n", self.title);
        for row in &rows {
            let mut line = String::new();
            for (column, width) in &columns {
                let cell = &row[*column];
                match column {
                    0 => line += &format!("  {cell:<width$}"),
                    6 => line += &format!("  {cell}"),
                    _ => line += &format!("  {cell:>width$}"),
                }
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    /// What there is to say of a server in few words.
    fn cell(&self, name: &str) -> Option<String> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        let ratio = row.ratio().map_or(String::new(), |ratio| format!(" ({ratio:.2})"));
        let rate = median(&row.rates).map_or(String::new(), |rate| format!(", {}/s", grouped(rate as u64)));
        Some(format!("{}{ratio}{rate}", figure(median(&row.samples)?)))
    }

    /// The table with every sample, for tools.
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "name": row.name, "samples": row.samples, "median": median(&row.samples),
                "rates_per_second": row.rates, "ratios": row.ratios, "ratio": row.ratio(),
                "bar": row.bar, "met": row.is_met(), "note": row.note,
            })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        json!({ "title": self.title, "unit": self.unit, "ratio": self.ratio, "rows": rows })
    }
}

/// One table of those in which ours is compared with other servers, as Markdown: a line for each server, and in its columns the
/// median, in brackets ours by its, and operations in a second.
pub fn markdown(tables: &[Table]) -> String {
    let tables: Vec<&Table> = tables.iter().filter(|table| table.rows[0].name == OURS).collect();
    let mut names: Vec<&str> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        if !row.samples.is_empty() && !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    let line = |first: &str, cell: &dyn Fn(&Table) -> String| {
        let cells = tables.iter().map(|table| format!(" {} |", cell(table)));
        format!("| {first} |{}\n", cells.collect::<String>())
    };
    let heads = line("", &|table| format!("{}: {}", table.title, table.unit)) + &line("---", &|_| "---".to_owned());
    let lines = names.iter().map(|name| line(name, &|table| table.cell(name).unwrap_or("-".to_owned())));
    heads + &lines.collect::<String>()
}

/// Three digits that count.
fn figure(value: f64) -> String {
    match value.abs() {
        less if less < 10.0 => format!("{value:.2}"),
        less if less < 100.0 => format!("{value:.1}"),
        _ => grouped(value.round() as u64),
    }
}

/// 1234567 is 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |name: &str, samples: &[f64], ratios: &[f64], bar| Row {
            name: name.to_owned(),
            samples: samples.to_vec(),
            ratios: ratios.to_vec(),
            bar,
            ..Row::default()
        };
        let rows = vec![
            row("ours", &[4.0, 3.9, 4.4], &[], None),
            row("Go", &[6.0, 6.1, 6.2], &[0.66, 0.64, 0.7], Some(0.6)),
            row("bare epoll", &[4.0, 4.0, 4.0], &[1.054, 0.98, 1.1], Some(1.05)),
            row("xinetd", &[], &[], Some(0.45)),
            row("memory", &[45.0], &[], Some(100.0)),
        ];
        Table { title: "50 connections".to_owned(), unit: "us", ratio: "ours / it", rows }
    }

    #[test]
    fn a_bar_is_held_against_the_median_ratio_or_the_median() {
        let met: Vec<_> = table().rows.iter().map(Row::is_met).collect();
        assert_eq!(met, [None, Some(false), Some(true), None, Some(true)]);
    }

    #[test]
    fn the_columns_are_aligned_and_empty_ones_left_out() {
        let expected = "\
50 connections
                 us  lowest - highest  ours / it     bar
  ours         4.00       3.90 - 4.40
  Go           6.10       6.00 - 6.20       0.66  <= 0.60  MISSED
  bare epoll   4.00       4.00 - 4.00       1.05  <= 1.05  ok
  xinetd          -                               <= 0.45  not measured
  memory       45.0                               <= 100  ok
";
        let squeeze = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        assert_eq!(squeeze(&table().text()), squeeze(expected));
        let lines: Vec<String> = table().text().lines().map(str::to_owned).collect();
        assert_eq!(lines[2].find("4.00"), lines[4].find("4.00"));
    }

    #[test]
    fn the_tables_of_servers_become_one() {
        let mut rates = table();
        rates.title = "500 connections".to_owned();
        rates.rows.truncate(2);
        rates.rows[1].rates = vec![163_999.5];
        let mut of_others = table();
        of_others.rows.remove(0);
        let expected = "\
|  | 50 connections: us | 500 connections: us |
| --- | --- | --- |
| ours | 4.00 | 4.00 |
| Go | 6.10 (0.66) | 6.10 (0.66), 163,999/s |
| bare epoll | 4.00 (1.05) | - |
| memory | 45.0 | - |
";
        assert_eq!(markdown(&[table(), rates, of_others]), expected);
    }

    #[test]
    fn figures_have_three_digits_that_count() {
        assert_eq!([3.678, 36.78, 367.8, 36780.0].map(figure), ["3.68", "36.8", "368", "36,780"]);
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn the_json_has_every_sample() {
        let json = table().json();
        assert_eq!(json["rows"][1]["samples"], json!([6.0, 6.1, 6.2]));
        assert_eq!(json["rows"][3]["median"], Value::Null);
    }
}
