//! The profile as a drawing: bars of time, and how full the vector ports are.

use crate::kernel_cost::KernelCost;
use crate::report::Report;
use crate::stages::Profile;
use crate::svg::{Anchor, Svg, WIDTH};

const COLORS: [&str; 6] = ["#8ecae6", "#219ebc", "#023047", "#ffb703", "#fb8500", "#bbbbbb"];
const LEFT: f64 = 210.0;
const BARS: f64 = WIDTH - LEFT - 210.0;
const ROW: f64 = 26.0;

/// Draws every profile, then the kernel.
pub fn draw(report: &Report) -> Svg {
    let mut svg = Svg::default();
    let mut y = 20.0;
    for profile in &report.profiles {
        y = draw_profile(&mut svg, y, profile);
    }
    if report.madds_per_ns.is_some() {
        y = draw_kernel(&mut svg, y, &report.kernel);
    }
    for line in report.machine.to_string().lines() {
        y += 16.0;
        svg.text((20.0, y), 12, Anchor::Start, line);
    }
    svg
}

fn draw_profile(svg: &mut Svg, top: f64, profile: &Profile) -> f64 {
    let c = &profile.candidates;
    let mut y = top + 14.0;
    let title = format!(
        "{} on {}: {:.2} ms a key, {:.0} keys a second",
        profile.spec,
        profile.backend,
        profile.us_per_key / 1e3,
        1e6 / profile.us_per_key
    );
    svg.text((20.0, y), 18, Anchor::Start, title);
    y += 20.0;
    let subtitle = format!(
        "{:.1} Fermat tests a prime (theory {:.1}), {:.1} us each; a Miller-Rabin round is {:.2} of them",
        c.tests, c.tests_theory, c.us_per_test, c.round_in_tests
    );
    svg.text((20.0, y), 13, Anchor::Start, subtitle);
    y += 12.0;
    let longest = profile.stages.iter().map(|stage| stage.share).fold(0.0, f64::max);
    for (stage, color) in profile.stages.iter().zip(COLORS) {
        let width = BARS * stage.share / longest;
        svg.text((LEFT - 8.0, y + 17.0), 13, Anchor::End, stage.name);
        svg.bar((LEFT, y + 3.0), (width, ROW - 6.0), color);
        let label =
            format!("{:.1} %, {:.1} us a prime", 100.0 * stage.share, stage.ns_per_prime / 1e3);
        svg.text((LEFT + width + 8.0, y + 17.0), 13, Anchor::Start, label);
        y += ROW;
    }
    y + 22.0
}

fn draw_kernel(svg: &mut Svg, top: f64, kernel: &[KernelCost]) -> f64 {
    let mut y = top + 14.0;
    svg.text((20.0, y), 18, Anchor::Start, "How full the two vector ports are");
    y += 20.0;
    let subtitle =
        "all their operations at the measured rate of multiply-adds, over the time taken";
    svg.text((20.0, y), 13, Anchor::Start, subtitle);
    y += 12.0;
    let first = y;
    for cost in kernel {
        let width = BARS * cost.port_share();
        let name = format!("{} bits, {}", cost.bits, cost.operation);
        svg.text((LEFT - 8.0, y + 17.0), 13, Anchor::End, name);
        let color = COLORS[if cost.operation == "square" { 2 } else { 1 }];
        svg.bar((LEFT, y + 3.0), (width, ROW - 6.0), color);
        let ns = cost.ns_per_lane;
        let time = if ns < 1e3 { format!("{ns:.1} ns") } else { format!("{:.1} us", ns / 1e3) };
        let label = format!("{:.1} %, {time} a lane", 100.0 * cost.port_share());
        svg.text((LEFT + BARS + 8.0, y + 17.0), 13, Anchor::Start, label);
        y += ROW;
    }
    svg.rule(LEFT + BARS, (first, y));
    svg.text((LEFT + BARS, y + 12.0), 11, Anchor::Middle, "100 %");
    y + 30.0
}
