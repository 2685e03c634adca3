//! Line charts as SVG, drawn the same from the same numbers.

use std::fmt::Write;

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 470.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 214.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 62.0;
/// Okabe and Ito's colours, told apart by everybody.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];
const FONT: &str = "font-family=\"Helvetica, Arial, sans-serif\"";
/// The least distance of two labels beside each other's lines.
const LABEL_GAP: f64 = 30.0;

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is, in a few words.
    pub name: String,
    /// Its points from left to right; those that are not positive are left out.
    pub points: Vec<(f64, f64)>,
    /// Drawn with dashes and without marks: a bound, not a measurement.
    pub is_bound: bool,
}

/// A chart with logarithmic axes.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above it.
    pub title: &'static str,
    /// Below the title.
    pub subtitle: String,
    /// What is from left to right, with its unit.
    pub x: &'static str,
    /// What is from bottom to top, with its unit.
    pub y: &'static str,
    /// Where the horizontal axis has its marks.
    pub marks: Vec<f64>,
    /// What it shows.
    pub lines: Vec<Line>,
}

/// A logarithmic axis, from pixel to pixel.
#[derive(Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn place(self, value: f64) -> f64 {
        let part = (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln());
        self.from + part * (self.to - self.from)
    }
}

impl Chart {
    /// The picture.
    pub fn svg(&self) -> String {
        let (x, y) = (self.x_axis(), self.y_axis());
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">"
        );
        let _ = writeln!(svg, "<title>{}</title>", escaped(self.title));
        let _ = writeln!(
            svg,
            "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>"
        );
        text(&mut svg, (LEFT, 24.0), "start", 17, "#111111", self.title);
        text(&mut svg, (LEFT, 43.0), "start", 12, "#555555", &self.subtitle);
        self.grid(&mut svg, x, y);
        let labels = self.labels(y);
        for ((line, colour), label) in self.lines.iter().zip(COLOURS.iter().cycle()).zip(labels) {
            draw(&mut svg, line, colour, x, y);
            if let Some(at) = label {
                text(
                    &mut svg,
                    (WIDTH - RIGHT + 12.0, at),
                    "start",
                    13,
                    colour,
                    &line.name,
                );
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn x_axis(&self) -> Axis {
        let low = self.marks.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.marks.iter().copied().fold(0.0, f64::max);
        Axis {
            low: low * 0.94,
            high: (high * 1.04).max(low * 1.5),
            from: LEFT,
            to: WIDTH - RIGHT,
        }
    }

    fn y_axis(&self) -> Axis {
        let values = || self.lines.iter().flat_map(shown).map(|(_, y)| y);
        let low = values().fold(f64::INFINITY, f64::min).min(1e12);
        let high = values().fold(0.0, f64::max).max(low * 1.5);
        Axis {
            low: nice_below(low),
            high: nice_above(high),
            from: HEIGHT - BOTTOM,
            to: TOP,
        }
    }

    fn grid(&self, svg: &mut String, x: Axis, y: Axis) {
        for value in ticks(y) {
            let at = y.place(value);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#e2e2e2\"/>",
                WIDTH - RIGHT
            );
            text(svg, (LEFT - 8.0, at + 4.0), "end", 12, "#333333", &number(value));
        }
        for value in &self.marks {
            let (at, foot) = (x.place(*value), HEIGHT - BOTTOM);
            let _ = writeln!(svg, "<path d=\"M{at:.1} {foot:.1}v5\" stroke=\"#333333\"/>");
            text(svg, (at, foot + 20.0), "middle", 12, "#333333", &number(*value));
        }
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {TOP}V{:.1}H{:.1}\" stroke=\"#333333\" fill=\"none\"/>",
            HEIGHT - BOTTOM,
            WIDTH - RIGHT
        );
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        text(svg, (middle, HEIGHT - 18.0), "middle", 13, "#111111", self.x);
        let _ = writeln!(
            svg,
            "<text transform=\"translate(20 {:.1}) rotate(-90)\" text-anchor=\"middle\" font-size=\"13\" {FONT} \
             fill=\"#111111\">{}</text>",
            (TOP + HEIGHT - BOTTOM) / 2.0,
            escaped(self.y)
        );
    }

    /// Where each line's name stands: at its end, apart from the others'.
    fn labels(&self, y: Axis) -> Vec<Option<f64>> {
        let ends = self
            .lines
            .iter()
            .map(|line| shown(line).last().map(|(_, value)| y.place(value) + 4.0));
        let mut places: Vec<Option<f64>> = ends.collect();
        let mut order: Vec<usize> = (0..places.len()).filter(|line| places[*line].is_some()).collect();
        order.sort_by(|a, b| {
            places[*a]
                .partial_cmp(&places[*b])
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let mut above = f64::NEG_INFINITY;
        let gap = LABEL_GAP * 0.6;
        for line in order {
            let at = places[line].map_or(above, |at| at.max(above + gap));
            places[line] = Some(at);
            above = at;
        }
        places
    }
}

fn draw(svg: &mut String, line: &Line, colour: &str, x: Axis, y: Axis) {
    let mut path = String::new();
    for (n, (at_x, at_y)) in shown(line).enumerate() {
        let letter = if n == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{:.1} {:.1}", x.place(at_x), y.place(at_y));
    }
    let dashes = if line.is_bound {
        " stroke-dasharray=\"7 5\""
    } else {
        ""
    };
    let _ = writeln!(
        svg,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>"
    );
    if line.is_bound {
        return;
    }
    for (at_x, at_y) in shown(line) {
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"/>",
            x.place(at_x),
            y.place(at_y)
        );
    }
}

/// Points that a logarithmic axis has a place for.
fn shown(line: &Line) -> impl Iterator<Item = (f64, f64)> {
    line.points.iter().copied().filter(|(x, y)| *x > 0.0 && *y > 0.0)
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, size: u32, colour: &str, what: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" {FONT} fill=\"{colour}\">{}</text>",
        escaped(what)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The power of ten at or below.
fn decade(value: f64) -> f64 {
    10f64.powf(value.log10().floor())
}

fn nice_below(value: f64) -> f64 {
    let decade = decade(value);
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|step| step * decade)
        .find(|nice| *nice <= value * 1.000_001)
        .unwrap_or(decade)
}

fn nice_above(value: f64) -> f64 {
    let decade = decade(value);
    let nice = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * decade);
    nice.into_iter()
        .find(|nice| *nice >= value * 0.999_999)
        .unwrap_or(decade * 10.0)
}

/// Every 1, 2 and 5 of few decades, every 1 of many.
fn ticks(axis: Axis) -> Vec<f64> {
    let decades = (axis.high / axis.low).log10();
    let steps: &[f64] = if decades <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let mut found = Vec::new();
    let mut at = decade(axis.low);
    while at <= axis.high * 1.000_001 {
        let within = steps.iter().map(|step| step * at);
        found.extend(within.filter(|v| *v >= axis.low * 0.999_999 && *v <= axis.high * 1.000_001));
        at *= 10.0;
    }
    found
}

/// A number as short as it can be read.
fn number(value: f64) -> String {
    match value {
        v if v >= 999_999.0 => format!("{} M", plain(v / 1e6)),
        v if v >= 9_999.0 => format!("{} k", plain(v / 1e3)),
        v => plain(v),
    }
}

fn plain(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let line = |name: &str, factor: f64| Line {
            name: name.to_owned(),
            points: [3.0, 10.0, 100.0].map(|x| (x, x * factor)).to_vec(),
            is_bound: false,
        };
        Chart {
            title: "a < b & c",
            subtitle: "of nothing".to_owned(),
            x: "directors",
            y: "messages a second",
            marks: vec![3.0, 10.0, 100.0],
            lines: vec![line("one", 1.0), line("another", 1.01)],
        }
    }

    #[test]
    fn tags_are_closed_and_special_characters_escaped() {
        let svg = chart().svg();
        let mut open = Vec::new();
        for part in svg.split('<').skip(1) {
            let (tag, rest) = part.split_once('>').expect("every tag ends");
            assert!(!rest.contains('>') && tag.matches('"').count() % 2 == 0, "{part}");
            let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert_eq!(open, Vec::<&str>::new());
        assert!(svg.contains("a &lt; b &amp; c") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn names_of_lines_do_not_lie_on_each_other() {
        let chart = chart();
        let labels = chart.labels(chart.y_axis());
        let (one, other) = (
            labels[0].expect("it has points"),
            labels[1].expect("it has points"),
        );
        assert!((one - other).abs() >= 15.0, "{one} {other}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.002, 1.0, 500.0, 20_000.0, 5e6].map(number),
            ["0.002", "1", "500", "20 k", "5 M"]
        );
    }
}
