//! The style sheet of all charts.
//!
//! Colours are written out in each rule: many programs that show SVG know neither variables nor media queries of CSS. They use the colours
//! on white.

/// The rules with colours: of paper, text, secondary text, rules and grid; then each ink, then each step of a heat map with the text on it.
macro_rules! colours {
    (
        $paper:literal $ink:literal $muted:literal $rule:literal $grid:literal;
        $($i:literal $series:literal)*;
        $($h:literal $heat:literal $on_heat:literal)*
    ) => {
        concat!(
            ".chart .paper, .chart .inside { fill: ", $paper, "; }\n",
            ".chart text { fill: ", $ink, "; }\n",
            ".chart .subheading, .chart .muted { fill: ", $muted, "; }\n",
            ".chart line, .chart polyline { stroke: ", $rule, "; }\n",
            ".chart .grid, .chart .none { stroke: ", $grid, "; }\n",
            ".chart .roof { stroke: ", $muted, "; } .chart .limit { stroke: ", $ink, "; }\n",
            ".chart .halo, .chart .marker { stroke: ", $paper, "; }\n",
            $(".chart .i", $i, " { fill: ", $series, "; } .chart .s", $i, " { stroke: ", $series, "; }\n",)*
            $(".chart .h", $h, " { fill: ", $heat, "; } .chart text.t", $h, " { fill: ", $on_heat, "; }\n",)*
        )
    };
}

/// Rules for everything within an element of class `chart`; a page with charts contains this once.
pub const STYLE: &str = concat!(
    "\
.chart { display: block; max-width: 100%; height: auto; font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
.chart text { font-variant-numeric: tabular-nums; }
.chart .heading { font-size: 16px; font-weight: 600; }
.chart .strong { font-weight: 600; }
.chart .halo { paint-order: stroke; stroke-width: 3px; stroke-linejoin: round; }
.chart line, .chart polyline { fill: none; stroke-width: 1; }
.chart .mark { stroke-dasharray: 2 3; }
.chart .series { stroke-width: 2; stroke-linejoin: round; }
.chart .dashed { stroke-dasharray: 6 4; stroke-width: 1.5; }
.chart .roof { stroke-width: 1.5; }
.chart .limit { stroke-width: 2; }
.chart .marker { stroke-width: 1; }
.chart .none { fill: none; }
",
    colours! {
        "#ffffff" "#1b1f24" "#5a6470" "#c3c9d1" "#e6e9ed";
        0 "#c8430b" 1 "#0b62a8" 2 "#00806a" 3 "#a2408a" 4 "#b98500" 5 "#4fa3d8" 6 "#6b5bd2" 7 "#5a6470";
        0 "#9e3a06" "#ffffff" 1 "#cc5c1b" "#ffffff" 2 "#ee9a5c" "#1b1f24" 3 "#f9d3b4" "#1b1f24"
        4 "#d5e4f3" "#1b1f24" 5 "#95bfe3" "#1b1f24" 6 "#3a80bb" "#ffffff" 7 "#0b4f8c" "#ffffff"
    },
    "@media screen and (prefers-color-scheme: dark) {\n",
    colours! {
        "#15181c" "#e8eaed" "#a2abb5" "#4a525b" "#2a3037";
        0 "#ff8a4c" 1 "#5aa9e6" 2 "#2cc5a4" 3 "#e08ac9" 4 "#e3c341" 5 "#a5d8f7" 6 "#a99cf5" 7 "#a2abb5";
        0 "#ff9a52" "#15181c" 1 "#d66f26" "#15181c" 2 "#9a4f1e" "#ffffff" 3 "#5c3a26" "#ffffff"
        4 "#26384a" "#ffffff" 5 "#2b5a86" "#ffffff" 6 "#3f8ed0" "#15181c" 7 "#7cc4ff" "#15181c"
    },
    "}\n",
    // White would be hard to read on these two.
    ".chart text.on4, .chart text.on5 { fill: #15181c; }\n",
);
