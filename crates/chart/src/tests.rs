//! Every kind of chart, wide and narrow: inside its edges, well-formed, without references to other files.

use super::*;
use crate::bars::{BarChart, BarGroup};
use crate::heat::{HeatCell, HeatMap, HeatRow};
use crate::lines::{LineChart, Mark, Series};
use crate::roofline::{Ceiling, PointLabel, RooflineChart};
use crate::timeline::{Lane, Span, Timeline};

const NAMES: [&str; 4] = ["cke", "OpenBLAS <0.3>", "MKL & more", "oneDNN"];

fn ink(index: usize) -> Ink {
    if index == 0 { Ink::OURS } else { Ink::other(index - 1) }
}

fn lines() -> LineChart {
    let series = |i: usize| {
        let series = Series::new(NAMES[i], ink(i)).point(f64::NAN, 1.0, "never drawn");
        (3..12)
            .fold(series, |series, power| series.point(2f64.powi(power), (i + power as usize) as f64 * 10.0, "a < b"))
    };
    LineChart {
        heading: Heading::new("Speed \"by\" size", "GFLOP/s & more"),
        x: Axis::log2("bytes").format(NumberFormat::Bytes),
        y: Axis::linear("GFLOP/s"),
        series: (0..4).map(series).collect(),
        marks: [50.0, 60.0, 1e9].map(|x| Mark { x, label: format!("level {x}") }).to_vec(),
    }
}

fn bars() -> BarChart {
    let group = |label: &str, scale: f64| BarGroup {
        label: label.to_owned(),
        values: vec![Some(scale), None, Some(0.0), Some(scale / 3.0)],
        limit: Some(scale * 1.05),
    };
    BarChart {
        heading: Heading::new("Bars", ""),
        format: NumberFormat::Plain,
        series: (0..4).map(|i| (NAMES[i].to_owned(), ink(i))).collect(),
        groups: vec![group("a group with a long name & more", 480.0), group("short", 1.0)],
    }
}

fn heat() -> HeatMap {
    let row = |i: usize| HeatRow {
        label: format!("{i}×3072×768"),
        cells: (0..4)
            .map(|j| (j != 2).then(|| HeatCell { share: (i * j) as f64 / 30.0, title: "tip".to_owned() }))
            .collect(),
    };
    HeatMap {
        heading: Heading::new("Heat", "shares"),
        columns: NAMES.map(str::to_owned).to_vec(),
        subject: Some(0),
        rows: (1..10).map(row).collect(),
    }
}

fn roofline() -> RooflineChart {
    let ceiling = |label: &str, value: f64| Ceiling { label: format!("{label} {value}"), value };
    let series = |i: usize| {
        (1..9).fold(Series::new(NAMES[i], ink(i)), |series, n| {
            series.point(0.5 * f64::from(1 << n), (20 * n * (i as i32 + 1)).min(200).into(), "point")
        })
    };
    RooflineChart {
        heading: Heading::new("Roofline", "one thread"),
        peak: ceiling("peak", 240.0),
        bandwidths: vec![ceiling("L1", 480.0), ceiling("L2", 180.0), ceiling("L3", 100.0), ceiling("memory", 40.0)],
        series: (0..4).map(series).collect(),
        labels: vec![PointLabel { intensity: 1.0, gflops: 20.0, text: "a slow one".to_owned() }],
    }
}

fn timeline() -> Timeline {
    let span = |i: usize| Span {
        start: i as f64 * 0.7,
        end: i as f64 * 0.7 + if i.is_multiple_of(3) { 0.001 } else { 0.6 },
        ink: ink(i % 4),
        label: NAMES[i % 4].to_owned(),
        title: "a < b".to_owned(),
    };
    let lane = |i: usize| Lane { label: format!("thread {i} & more"), spans: (i..20).map(span).collect() };
    Timeline {
        heading: Heading::new("Timeline", "one pass"),
        axis: "ms".to_owned(),
        range: (1.5, 12.0),
        legend: (0..4).map(|i| (NAMES[i].to_owned(), ink(i))).collect(),
        lanes: (0..3).map(lane).collect(),
    }
}

fn all() -> Vec<(&'static str, Picture)> {
    let mut pictures = Vec::new();
    for width in [340.0, 860.0] {
        pictures.push(("lines", lines().draw(width)));
        pictures.push(("bars", bars().draw(width)));
        pictures.push(("heat", heat().draw(width)));
        pictures.push(("roofline", roofline().draw(width)));
        pictures.push(("timeline", timeline().draw(width)));
    }
    pictures
}

/// Values of an attribute that are single numbers.
fn numbers(svg: &str, attribute: &str) -> Vec<f64> {
    let opening = format!(" {attribute}=\"");
    let parts = svg.split(&opening).skip(1);
    parts.filter_map(|part| part.split('"').next()?.parse().ok()).collect()
}

#[test]
fn draw_every_chart_stays_within_its_picture() {
    for (name, picture) in all() {
        let (width, height) = picture.size();
        let svg = picture.inline();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: {svg}");
        for (attribute, most) in
            [("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("y2", height)]
        {
            for number in numbers(&svg, attribute) {
                assert!((-0.1..=most + 0.1).contains(&number), "{name} {width}: {attribute}={number} of {most}");
            }
        }
    }
}

#[test]
fn draw_every_chart_is_well_formed_and_free_of_outside_resources() {
    for (name, picture) in all() {
        for svg in [picture.inline(), picture.standalone()] {
            // Each element either closes itself or has its closing tag, and text holds no markup of its own.
            let opened = svg.matches('<').count() - 2 * svg.matches("</").count() - svg.matches("/>").count();
            assert_eq!(opened, 0, "{name}: {svg}");
            assert!(!svg.contains("a < b") && !svg.contains("MKL & more"), "{name}: {svg}");
            let addresses = svg.matches("http").count();
            assert_eq!(addresses, 1, "{name} has the name of the SVG namespace only");
            assert!(!svg.contains("url(") && !svg.contains("@import"));
        }
    }
}

#[test]
fn standalone_brings_heading_and_style_inline_does_not() {
    let picture = lines().draw(640.0);
    let (standalone, inline) = (picture.standalone(), picture.inline());
    assert!(standalone.contains("<style>") && standalone.contains(">Speed &quot;by&quot; size</text>"));
    assert!(!inline.contains("<style>") && !inline.contains(">Speed &quot;by&quot; size</text>"));
    assert!(inline.contains("aria-label=\"Speed &quot;by&quot; size: GFLOP/s &amp; more\""));
}

#[test]
fn draw_nothing_is_still_a_picture() {
    let lines = LineChart { series: Vec::new(), marks: Vec::new(), ..lines() }.draw(400.0);
    let bars = BarChart { groups: Vec::new(), ..bars() }.draw(400.0);
    let heat = HeatMap { rows: Vec::new(), columns: Vec::new(), ..heat() }.draw(400.0);
    let roofline = RooflineChart { series: Vec::new(), bandwidths: Vec::new(), ..roofline() }.draw(400.0);
    let timeline = Timeline { lanes: Vec::new(), legend: Vec::new(), range: (0.0, 0.0), ..timeline() }.draw(400.0);
    for picture in [lines, bars, heat, roofline, timeline] {
        assert!(picture.size().0 > 0.0 && picture.size().1 > 0.0);
        assert!(!picture.standalone().contains("NaN"));
    }
}

#[test]
fn style_has_a_colour_for_every_ink_in_light_and_dark_and_no_variables() {
    for index in 0..canvas::INKS {
        for rule in [format!(".chart .i{index} {{ fill: #"), format!(".chart .s{index} {{ stroke: #")] {
            assert_eq!(STYLE.matches(&rule).count(), 2, "{rule}");
        }
    }
    assert!(!STYLE.contains("var("), "most programs that show SVG do not know them");
    assert_eq!(STYLE.matches('{').count(), STYLE.matches('}').count());
}

#[test]
fn bars_series_without_a_value_takes_no_room() {
    let bars = bars();
    let without =
        BarChart { groups: vec![BarGroup { values: vec![Some(1.0), None, None], ..bars.groups[0].clone() }], ..bars };
    let with = BarChart {
        groups: vec![BarGroup { values: vec![Some(1.0); 3], ..without.groups[0].clone() }],
        ..without.clone()
    };
    let nothing =
        BarChart { groups: vec![BarGroup { values: vec![None; 3], ..without.groups[0].clone() }], ..without.clone() };
    let height = |chart: &BarChart| chart.draw(600.0).size().1;
    assert!(height(&without) < height(&with));
    assert_eq!(height(&nothing), height(&without), "a label needs a line");
}
