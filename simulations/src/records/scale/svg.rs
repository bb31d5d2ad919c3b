//! Small pictures for the documentation: lines over time, and bars.
//!
//! In: numbers and words. Out: the text of an SVG file. Grey and colours that can be read on white and on black, no background, no script.
//!
//! Not here: what the numbers mean ([`super::report`], [`crate::mailbox::churn`]).

use super::figures::float;
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 48.0;

/// Points up to which each is shown as a dot.
const MOST_DOTS: usize = 60;

/// Readable on light and dark pages alike.
const INK: &str = "#7d8590";
const COLOUR: &str = "#3b82c4";
const SECOND: &str = "#2f9e6e";
const ALARM: &str = "#d1702a";

/// A picture's words.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// What is shown.
    pub title: &'a str,
    /// Along the bottom.
    pub across: &'a str,
    /// Along the side.
    pub up: &'a str,
}

/// Points of one line, and what they are. Without a name it stands alone.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// What it is.
    pub name: &'a str,
    /// Across and up, in order.
    pub points: &'a [(f64, f64)],
}

/// Points joined by lines, two at most; `low` to `high` is what the side shows. `mark`: a moment with a word.
#[must_use]
pub fn lines(
    words: Words<'_>,
    series: &[Series<'_>],
    low: f64,
    high: f64,
    mark: Option<(f64, &str)>,
) -> String {
    let last = series.iter().flat_map(|series| series.points).map(|(x, _)| *x).fold(0.0, f64::max).max(1e-9);
    let x = |value: f64| LEFT + value / last * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| up(value, low, high);
    let mut svg = frame(words, low, high);
    for step in 0..=6_u8 {
        let value = last * f64::from(step) / 6.0;
        text(&mut svg, x(value), HEIGHT - BOTTOM + 18.0, "middle", &short(value));
    }
    if let Some((at, word)) = mark {
        let (at, bottom) = (x(at), HEIGHT - BOTTOM);
        push(
            &mut svg,
            format_args!(
                r#"<line x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom}" stroke="{ALARM}" stroke-dasharray="4 3"/>"#
            ),
        );
        push(
            &mut svg,
            format_args!(
                r#"<text x="{:.1}" y="{:.1}" fill="{ALARM}">{}</text>"#,
                at + 6.0,
                bottom - 8.0,
                escaped(word)
            ),
        );
    }
    for ((series, colour), row) in series.iter().zip([COLOUR, SECOND]).zip([54.0, 70.0]) {
        let path: Vec<String> =
            series.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
        push(
            &mut svg,
            format_args!(
                r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
                path.join(" ")
            ),
        );
        // Many points are a line by themselves.
        for (at, value) in series.points.iter().filter(|_| series.points.len() <= MOST_DOTS) {
            push(
                &mut svg,
                format_args!(r#"<circle cx="{:.1}" cy="{:.1}" r="3" fill="{colour}"/>"#, x(*at), y(*value)),
            );
        }
        if !series.name.is_empty() {
            push(
                &mut svg,
                format_args!(
                    r#"<text x="{:.1}" y="{row}" fill="{colour}">{}</text>"#,
                    LEFT + 12.0,
                    escaped(series.name)
                ),
            );
        }
    }
    svg + "</svg>\n"
}

/// How often each range of values occurs, in at most forty bars.
#[must_use]
pub fn histogram(words: Words<'_>, values: &[u64]) -> String {
    let (least, most) =
        (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0));
    let step = (most - least) / 40 + 1;
    let place = |value: u64| usize::try_from((value - least) / step).unwrap_or(0);
    let mut counts = vec![0_u64; place(most) + 1];
    for value in values {
        counts[place(*value)] += 1;
    }
    let tallest = float(counts.iter().max().copied().unwrap_or(0)).max(1.0);
    let bars = u32::try_from(counts.len()).map_or(1.0, f64::from);
    let wide = (WIDTH - LEFT - RIGHT) / bars;
    let mut svg = frame(words, 0.0, tallest);
    let mut from = least;
    for (n, count) in (0_u32..).zip(&counts) {
        let at = LEFT + wide * f64::from(n);
        let top = up(float(*count), 0.0, tallest);
        let high = HEIGHT - BOTTOM - top;
        push(
            &mut svg,
            format_args!(
                r#"<rect x="{:.1}" y="{top:.1}" width="{:.1}" height="{high:.1}" fill="{COLOUR}"/>"#,
                at + 1.0,
                (wide - 2.0).max(1.0)
            ),
        );
        if counts.len() <= 12 || n % 5 == 0 {
            text(&mut svg, at + wide / 2.0, HEIGHT - BOTTOM + 18.0, "middle", &from.to_string());
        }
        from += step;
    }
    svg + "</svg>\n"
}

fn up(value: f64, low: f64, high: f64) -> f64 {
    let share = (value.clamp(low, high) - low) / (high - low).max(1e-9);
    HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
}

/// Title, words at the axes, four lines across.
fn frame(words: Words<'_>, low: f64, high: f64) -> String {
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif" font-size="12" fill="{INK}">"#
    );
    let title = escaped(words.title);
    push(
        &mut svg,
        format_args!(r#"<title>{title}</title><text x="{LEFT}" y="20" font-size="14">{title}</text>"#),
    );
    for step in 0..=4_u8 {
        let value = low + (high - low) * f64::from(step) / 4.0;
        let at = up(value, low, high);
        push(
            &mut svg,
            format_args!(
                r#"<line x1="{LEFT}" y1="{at:.1}" x2="{}" y2="{at:.1}" stroke="{INK}" stroke-opacity="0.3"/>"#,
                WIDTH - RIGHT
            ),
        );
        text(&mut svg, LEFT - 6.0, at + 4.0, "end", &short(value));
    }
    text(&mut svg, LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 10.0, "middle", words.across);
    let middle = TOP + (HEIGHT - TOP - BOTTOM) / 2.0;
    push(
        &mut svg,
        format_args!(
            r#"<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{}</text>"#,
            escaped(words.up)
        ),
    );
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    push(
        svg,
        format_args!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escaped(words)),
    );
}

fn push(svg: &mut String, what: std::fmt::Arguments<'_>) {
    svg.write_fmt(what).expect("writing to a string cannot fail");
    svg.push('\n');
}

/// A number with as many places as it needs.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words<'_> = Words { title: "a < b & c", across: "hours", up: "%" };

    #[test]
    fn a_line_has_a_point_for_each_value_and_its_mark() {
        let points = [(0.0, 100.0), (1.0, 99.0), (2.0, 98.0)];
        let series = [Series { name: "one", points: &points }, Series { name: "other", points: &points }];
        let svg = lines(WORDS, &series, 95.0, 100.0, Some((1.0, "killed")));
        assert_eq!((svg.matches("<circle").count(), svg.matches("<polyline").count()), (6, 2));
        assert!(svg.contains(">one<") && svg.contains(">other<"));
        assert!(svg.contains("killed") && svg.contains("a &lt; b &amp; c") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn bars_count_every_value_once() {
        let svg = histogram(WORDS, &[3, 3, 4, 6]);
        assert_eq!(svg.matches("<rect").count(), 4);
        assert!(!histogram(WORDS, &(0..10_000).collect::<Vec<_>>()).contains("NaN"));
        assert_eq!(histogram(WORDS, &[]).matches("<rect").count(), 1);
    }
}
