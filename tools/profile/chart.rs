//! The profiles as bars, in SVG.

use crate::Profile;

const WIDTH: f64 = 900.0;
const MARGIN: f64 = 20.0;
const BAR: f64 = 26.0;
const ROW: f64 = 96.0;

const COLOURS: [&str; 8] =
    ["#8c8c8c", "#4e79a7", "#a0cbe8", "#59a14f", "#8cd17d", "#e15759", "#f28e2b", "#d4d4d4"];

/// One row a spec: the engine alone above, the stages of the job below, to one scale.
pub(crate) fn draw(profiles: &[Profile]) -> String {
    let height = 70.0 + ROW * profiles.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    legend(&mut svg, profiles);
    for (place, profile) in profiles.iter().enumerate() {
        row(&mut svg, profile, 70.0 + ROW * place as f64);
    }
    svg + "</svg>\n"
}

fn legend(svg: &mut String, profiles: &[Profile]) {
    text(svg, MARGIN, 24.0, "Nanoseconds of a worker a key, by stage");
    let Some(profile) = profiles.first() else { return };
    for (place, ((stage, _), colour)) in profile.stages.iter().zip(COLOURS).enumerate() {
        let x = MARGIN + 100.0 * place as f64;
        rect(svg, x, 36.0, 12.0, 12.0, colour);
        text(svg, x + 17.0, 47.0, stage);
    }
}

fn row(svg: &mut String, profile: &Profile, top: f64) {
    let scale = (WIDTH - 2.0 * MARGIN) / profile.job_ns.max(profile.engine_ns);
    let Profile { spec, backend, threads, .. } = profile;
    let title = format!(
        "{spec} ({backend}, {threads} worker{}): engine {:.0} ns, job {:.0} ns = {:.0} % of it",
        if *threads == 1 { "" } else { "s" },
        profile.engine_ns,
        profile.job_ns,
        100.0 * profile.share_of_engine
    );
    text(svg, MARGIN, top + 14.0, &title);
    rect(svg, MARGIN, top + 22.0, profile.engine_ns * scale, BAR, "#bab0ac");
    text(svg, MARGIN + 6.0, top + 40.0, "engine alone");
    let mut x = MARGIN;
    for ((_, ns), colour) in profile.stages.iter().zip(COLOURS) {
        let width = ns.max(0.0) * scale;
        rect(svg, x, top + 52.0, width, BAR, colour);
        let label = format!("{ns:.0}");
        if width > 9.0 * label.len() as f64 {
            text(svg, x + 4.0, top + 70.0, &label);
        }
        x += width;
    }
}

fn rect(svg: &mut String, x: f64, y: f64, width: f64, height: f64, colour: &str) {
    *svg += &format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         fill=\"{colour}\"/>\n"
    );
}

fn text(svg: &mut String, x: f64, y: f64, text: &str) {
    *svg += &format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n");
}
