//! The style sheet of all charts.

/// Rules for everything within an element of class `chart`; a page with charts contains this once.
pub const STYLE: &str = "\
.chart {
  --paper: #ffffff; --ink: #1b1f24; --muted: #5a6470; --rule: #c3c9d1; --grid: #e6e9ed;
  --i0: #c8430b; --i1: #0b62a8; --i2: #00806a; --i3: #a2408a; --i4: #b98500; --i5: #4fa3d8; --i6: #6b5bd2; --i7: #5a6470;
  --h0: #9e3a06; --h1: #cc5c1b; --h2: #ee9a5c; --h3: #f9d3b4; --h4: #d5e4f3; --h5: #95bfe3; --h6: #3a80bb; --h7: #0b4f8c;
  --t0: #ffffff; --t1: #ffffff; --t2: #1b1f24; --t3: #1b1f24; --t4: #1b1f24; --t5: #1b1f24; --t6: #ffffff; --t7: #ffffff;
  display: block; max-width: 100%; height: auto; font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
}
@media screen and (prefers-color-scheme: dark) {
  .chart {
    --paper: #15181c; --ink: #e8eaed; --muted: #a2abb5; --rule: #4a525b; --grid: #2a3037;
    --i0: #ff8a4c; --i1: #5aa9e6; --i2: #2cc5a4; --i3: #e08ac9; --i4: #e3c341; --i5: #a5d8f7; --i6: #a99cf5; --i7: #a2abb5;
    --h0: #ff9a52; --h1: #d66f26; --h2: #9a4f1e; --h3: #5c3a26; --h4: #26384a; --h5: #2b5a86; --h6: #3f8ed0; --h7: #7cc4ff;
    --t0: #15181c; --t1: #15181c; --t2: #ffffff; --t3: #ffffff; --t4: #ffffff; --t5: #ffffff; --t6: #15181c; --t7: #15181c;
  }
}
.chart .paper { fill: var(--paper); }
.chart text { fill: var(--ink); font-variant-numeric: tabular-nums; }
.chart .heading { font-size: 16px; font-weight: 600; }
.chart .subheading, .chart .muted { fill: var(--muted); }
.chart .inside { fill: var(--paper); }
.chart .strong { font-weight: 600; }
.chart .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
.chart line, .chart polyline { fill: none; stroke: var(--rule); stroke-width: 1; }
.chart .grid { stroke: var(--grid); }
.chart .mark { stroke-dasharray: 2 3; }
.chart .series { stroke-width: 2; stroke-linejoin: round; }
.chart .dashed { stroke-dasharray: 6 4; stroke-width: 1.5; }
.chart .roof { stroke: var(--muted); stroke-width: 1.5; }
.chart .limit { stroke: var(--ink); stroke-width: 2; }
.chart .span { stroke: var(--rule); }
.chart .marker { stroke: var(--paper); stroke-width: 1; }
.chart .i0 { fill: var(--i0); } .chart .i1 { fill: var(--i1); } .chart .i2 { fill: var(--i2); } .chart .i3 { fill: var(--i3); }
.chart .i4 { fill: var(--i4); } .chart .i5 { fill: var(--i5); } .chart .i6 { fill: var(--i6); } .chart .i7 { fill: var(--i7); }
.chart .s0 { stroke: var(--i0); } .chart .s1 { stroke: var(--i1); } .chart .s2 { stroke: var(--i2); } .chart .s3 { stroke: var(--i3); }
.chart .s4 { stroke: var(--i4); } .chart .s5 { stroke: var(--i5); } .chart .s6 { stroke: var(--i6); } .chart .s7 { stroke: var(--i7); }
.chart .h0 { fill: var(--h0); } .chart .h1 { fill: var(--h1); } .chart .h2 { fill: var(--h2); } .chart .h3 { fill: var(--h3); }
.chart .h4 { fill: var(--h4); } .chart .h5 { fill: var(--h5); } .chart .h6 { fill: var(--h6); } .chart .h7 { fill: var(--h7); }
.chart text.t0 { fill: var(--t0); } .chart text.t1 { fill: var(--t1); } .chart text.t2 { fill: var(--t2); } .chart text.t3 { fill: var(--t3); }
.chart text.t4 { fill: var(--t4); } .chart text.t5 { fill: var(--t5); } .chart text.t6 { fill: var(--t6); } .chart text.t7 { fill: var(--t7); }
.chart .none { fill: none; stroke: var(--grid); }
";
