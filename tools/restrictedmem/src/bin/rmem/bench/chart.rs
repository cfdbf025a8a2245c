// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Ratios as a picture: bars to the left are less than the baseline, bars to the right more.

use std::fmt::Write as _;

/// One ratio.
pub struct Bar {
    /// Which of the chart's subjects.
    pub subject: usize,
    pub ratio: f64,
    /// What to write beside it.
    pub text: String,
}

/// The ratios of one work.
pub struct Row {
    pub what: String,
    pub bars: Vec<Bar>,
}

/// A picture.
pub struct Chart<'a> {
    pub title: &'a str,
    /// What is 1.
    pub baseline: &'a str,
    pub subjects: &'a [String],
    /// What to say after the name of one.
    pub noun: &'a str,
    pub rows: Vec<Row>,
}

const COLOURS: [&str; 5] = ["#4477aa", "#117733", "#999999", "#ddaa33", "#aa4499"];

const WIDTH: f64 = 900.0;
/// Where the bars may be.
const LEFT: f64 = 250.0;
const RIGHT: f64 = 650.0;
const TOP: f64 = 84.0;
const BAR: f64 = 16.0;
const GAP: f64 = 12.0;

/// A logarithmic axis.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// One on which all of these have a place, and 1.
    fn for_ratios(ratios: impl Iterator<Item = f64>) -> Self {
        let (low, high) = ratios.fold((0.5, 2.0), |(low, high): (f64, f64), ratio| {
            (low.min(ratio), high.max(ratio))
        });
        Self {
            low: low / 1.3,
            high: high * 1.3,
        }
    }

    fn x(&self, ratio: f64) -> f64 {
        let share = (ratio / self.low).ln() / (self.high / self.low).ln();
        LEFT + (RIGHT - LEFT) * share.clamp(0.0, 1.0)
    }

    /// Powers of ten; halves and doubles where there is but one of those.
    fn ticks(&self) -> Vec<f64> {
        let inside = |tick: &f64| (self.low..=self.high).contains(tick);
        let tens: Vec<f64> = (-9..=9).map(|n| 10f64.powi(n)).filter(inside).collect();
        match tens.len() {
            0 | 1 => [0.5, 1.0, 2.0, 4.0].into_iter().filter(inside).collect(),
            _ => tens,
        }
    }
}

impl Chart<'_> {
    /// The picture as SVG.
    pub fn svg(&self) -> String {
        let ratios = self.rows.iter().flat_map(|row| &row.bars);
        let axis = Axis::for_ratios(ratios.map(|bar| bar.ratio));
        let bars: usize = self.rows.iter().map(|row| row.bars.len()).sum();
        let bottom = TOP + bars as f64 * BAR + self.rows.len() as f64 * GAP;
        let height = bottom + 24.0;

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <!-- SPDX-License-Identifier: GPL-2.0 -->\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        text(
            &mut svg,
            12.0,
            24.0,
            "start",
            self.title,
            " font-size=\"16\"",
        );
        let axis_name = format!("1 is {}{}; less is to the left", self.baseline, self.noun);
        text(&mut svg, WIDTH - 12.0, 24.0, "end", &axis_name, "");
        self.legend(&mut svg);
        for tick in axis.ticks() {
            let (x, stroke) = (
                axis.x(tick),
                if tick == 1.0 { "#000000" } else { "#dddddd" },
            );
            let _ = writeln!(
                svg,
                "<path d=\"M{x:.1} {:.1}V{bottom:.1}\" stroke=\"{stroke}\"/>",
                TOP - 6.0
            );
            text(&mut svg, x, bottom + 16.0, "middle", &tick.to_string(), "");
        }
        let mut y = TOP;
        for row in &self.rows {
            text(&mut svg, LEFT - 12.0, y + 12.0, "end", &row.what, "");
            for bar in &row.bars {
                bar_at(&mut svg, &axis, y, bar);
                y += BAR;
            }
            y += GAP;
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn legend(&self, svg: &mut String) {
        let others = self.subjects.iter().enumerate();
        let others = others.filter(|(_, name)| *name != self.baseline);
        for (place, (subject, name)) in others.enumerate() {
            let x = LEFT + place as f64 * 130.0;
            let fill = colour(subject);
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"44\" width=\"12\" height=\"12\" fill=\"{fill}\"/>"
            );
            let name = format!("{name}{}", self.noun);
            text(svg, x + 18.0, 54.0, "start", &name, "");
        }
    }
}

fn bar_at(svg: &mut String, axis: &Axis, y: f64, bar: &Bar) {
    let (from, to) = (axis.x(1.0), axis.x(bar.ratio));
    let (x, width) = (from.min(to), (from - to).abs().max(1.0));
    let (height, fill) = (BAR - 3.0, colour(bar.subject));
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{fill}\"/>"
    );
    text(svg, RIGHT + 12.0, y + 11.0, "start", &bar.text, "");
}

fn colour(subject: usize) -> &'static str {
    COLOURS[subject % COLOURS.len()]
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str, more: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{text}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_to_the_left() {
        let axis = Axis::for_ratios([0.01, 3.0].into_iter());
        assert!(axis.x(0.01) < axis.x(1.0) && axis.x(1.0) < axis.x(3.0));
        assert!(axis.x(0.01) > LEFT && axis.x(3.0) < RIGHT);
        assert_eq!(axis.ticks(), [0.01, 0.1, 1.0]);
    }

    #[test]
    fn draws_every_bar() {
        let subjects = ["ours".to_owned(), "theirs".to_owned()];
        let bar = |ratio| Bar {
            subject: 0,
            ratio,
            text: String::new(),
        };
        let chart = Chart {
            title: "x",
            baseline: "theirs",
            subjects: &subjects,
            noun: "",
            rows: vec![Row {
                what: "work".into(),
                bars: vec![bar(0.1), bar(1.0)],
            }],
        };
        let svg = chart.svg();
        // The background, one entry in the legend, two bars.
        assert_eq!(svg.matches("<rect ").count(), 4);
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
