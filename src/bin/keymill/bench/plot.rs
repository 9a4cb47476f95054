//! The latencies as a drawing: milliseconds over percentiles, both on scales of tens, a line for each
//! spec.

use core::fmt::Write as _;

use hdrhistogram::Histogram;

use super::tally::Tally;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 830.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 470.0;
/// The percentiles that are named: so many nines.
const NAMES: [&str; 7] = ["0%", "90%", "99%", "99.9%", "99.99%", "99.999%", "99.9999%"];
const COLORS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Steps of the histogram's curve for each halving of the distance to 100 %.
const STEPS: u32 = 20;

/// Where values stand in the drawing.
struct Axes {
    /// Number of nines at the right end.
    nines: f64,
    /// Powers of ten, in milliseconds, at the foot and at the top.
    decades: (i32, i32),
}

impl Axes {
    fn of(latency: &Histogram<u64>) -> Self {
        let nines = (latency.len().max(10) as f64).log10().ceil().min(NAMES.len() as f64 - 1.0);
        let decade = |ns: u64| (ns.max(1) as f64 / 1e6).log10();
        let (low, high) = (decade(latency.min()).floor(), decade(latency.max()).ceil());
        #[expect(clippy::cast_possible_truncation, reason = "tens of a histogram's bounds")]
        let (low, high) = (low as i32, high as i32);
        Self { nines, decades: (low, high.max(low + 1)) }
    }

    fn x(&self, nines: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (nines / self.nines).min(1.0)
    }

    fn y(&self, ms: f64) -> f64 {
        let (low, high) = (f64::from(self.decades.0), f64::from(self.decades.1));
        BOTTOM - (BOTTOM - TOP) * (ms.log10() - low) / (high - low)
    }

    /// The lines of both scales, and what they mean.
    fn draw(&self, svg: &mut String) {
        for (nines, name) in NAMES.iter().enumerate() {
            let x = self.x(nines as f64);
            if nines as f64 <= self.nines {
                rule(svg, (x, TOP), (x, BOTTOM));
                text(svg, (x, BOTTOM + 20.0), "middle", name);
            }
        }
        for decade in self.decades.0..=self.decades.1 {
            let y = self.y(10_f64.powi(decade));
            rule(svg, (LEFT, y), (RIGHT, y));
            text(svg, (LEFT - 8.0, y + 4.0), "end", &format!("{} ms", 10_f64.powi(decade)));
        }
    }

    /// The points of a curve.
    fn points(&self, latency: &Histogram<u64>) -> String {
        let mut points = String::new();
        for step in latency.iter_quantiles(STEPS) {
            let nines = -(1.0 - step.quantile_iterated_to()).max(1e-9).log10();
            let ms = step.value_iterated_to() as f64 / 1e6;
            let _ = write!(points, "{:.1},{:.1} ", self.x(nines), self.y(ms));
        }
        points
    }
}

/// The drawing, as SVG.
pub fn plot(title: &str, tally: &Tally) -> String {
    let axes = Axes::of(&tally.latency());
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' \
         font-family='Helvetica, Arial, sans-serif' font-size='12' fill='#222'>\n\
         <rect width='{WIDTH}' height='{HEIGHT}' fill='white'/>\n"
    );
    text(&mut svg, (LEFT, 24.0), "start", title);
    axes.draw(&mut svg);
    let answered = tally.specs.iter().filter(|spec| !spec.latency.is_empty());
    for (place, spec) in answered.enumerate() {
        let color = COLORS[place % COLORS.len()];
        let points = axes.points(&spec.latency);
        let _ = writeln!(
            svg,
            "<polyline points='{points}' fill='none' stroke='{color}' stroke-width='2'/>"
        );
        let x = LEFT + 190.0 * place as f64;
        let _ = writeln!(svg, "<rect x='{x}' y='36' width='12' height='12' fill='{color}'/>");
        text(&mut svg, (x + 18.0, 46.0), "start", spec.spec.name());
    }
    svg + "</svg>\n"
}

fn rule(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ =
        writeln!(svg, "<line x1='{x1:.1}' y1='{y1:.1}' x2='{x2:.1}' y2='{y2:.1}' stroke='#ddd'/>");
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}'>{text}</text>");
}
