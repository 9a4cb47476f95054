//! `Svg`: the few marks a bar chart needs, as a text that every browser draws.

use std::fmt::{self, Display, Write};

/// Width of every drawing, in its own units.
pub const WIDTH: f64 = 900.0;

/// Where a text stands against its point.
#[derive(Clone, Copy, Debug)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing that grows downwards.
#[derive(Debug, Default)]
pub struct Svg {
    marks: String,
    height: f64,
}

impl Svg {
    /// A filled rectangle.
    pub fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), color: &str) {
        self.mark(
            y + height,
            format_args!(
                "<rect x='{x:.1}' y='{y:.1}' width='{:.1}' height='{height:.1}' fill='{color}'/>",
                width.max(0.5)
            ),
        );
    }

    /// A thin dashed line from top to bottom.
    pub fn rule(&mut self, x: f64, (top, bottom): (f64, f64)) {
        self.mark(
            bottom,
            format_args!(
                "<line x1='{x:.1}' y1='{top:.1}' x2='{x:.1}' y2='{bottom:.1}' stroke='#666' \
                 stroke-dasharray='3 3'/>"
            ),
        );
    }

    /// A line of text; `y` is its foot.
    pub fn text(&mut self, (x, y): (f64, f64), size: u32, anchor: Anchor, text: impl Display) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.to_string().replace('&', "&amp;").replace('<', "&lt;");
        self.mark(
            y,
            format_args!(
                "<text x='{x:.1}' y='{y:.1}' font-size='{size}' text-anchor='{anchor}'>{text}</text>"
            ),
        );
    }

    fn mark(&mut self, bottom: f64, mark: fmt::Arguments<'_>) {
        self.height = self.height.max(bottom);
        writeln!(self.marks, "{mark}").expect("a string takes all");
    }
}

impl Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let height = self.height + 24.0;
        writeln!(
            f,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:.0}' \
             font-family='Helvetica, Arial, sans-serif' fill='#222'>\n\
             <rect width='{WIDTH}' height='{height:.0}' fill='white'/>\n{}</svg>",
            self.marks
        )
    }
}
