//! The page of a report that was never measured.

use super::super::suite::Family;
use super::super::{example, report::OURS};
use super::*;

fn page() -> String {
    let rates = |ours: f64, theirs: f64| [(OURS, ours), ("OpenBLAS", theirs)];
    html(&example::report(vec![
        example::row(Family::Squares, "64 64 64", &rates(190.0, 185.0), 200.0),
        example::row(Family::Squares, "512 512 512", &rates(195.0, 170.0), 200.0),
        example::row(Family::Rows, "1 3072 768 n t", &rates(49.0, 7.0), 50.0),
        example::row(Family::Rows, "8 3072 768 n t", &rates(180.0, 53.0), 200.0),
    ]))
}

#[test]
fn page_needs_nothing_from_outside() {
    let page = page().replace("http://www.w3.org/2000/svg", "");
    for forbidden in ["http", "src=", "href=", "url(", "@import", "<script", "<link", "<img"] {
        assert!(!page.contains(forbidden), "{forbidden} in the page");
    }
}

#[test]
fn page_has_every_section_and_no_raw_names() {
    let page = page();
    for id in ["findings", "products", "machine", "numbers", "method"] {
        assert!(page.contains(&format!("<section id=\"{id}\">")), "no section {id}");
    }
    assert!(page.contains("Example CPU &lt;9000&gt;") && !page.contains("<9000>"));
    assert!(page.contains("1.2.3 &lt;beta&gt;") && !page.contains("<beta>"));
    assert!(!page.contains("NaN"), "a number that is none");
}

#[test]
fn page_elements_are_closed() {
    let page = page();
    for name in
        ["section", "figure", "table", "tr", "td", "th", "ul", "li", "div", "p", "h2", "h3", "svg", "text", "title"]
    {
        let opened = page.matches(&format!("<{name}>")).count() + page.matches(&format!("<{name} ")).count();
        assert_eq!(opened, page.matches(&format!("</{name}>")).count(), "<{name}>");
    }
}

#[test]
fn page_without_products_still_shows_the_machine() {
    let page = html(&example::report(Vec::new()));
    assert!(!page.contains("<section id=\"products\">") && page.contains("Read bandwidth by working set"));
}

#[test]
fn page_names_its_seed_and_marks_a_rate_above_its_limit() {
    let mut row = example::row(Family::Odd, "64 1 1216", &[(OURS, 137.0), ("OpenBLAS", 90.0)], 100.0);
    row.entries[1].routine = Some("gemv".to_owned());
    let page = html(&example::report(vec![row]));
    assert!(page.contains("--seed 1 measures the same ones") && page.contains("· seed 1"));
    assert!(page.contains("137 (137%) ↑") && page.contains("90 (90%)<"));
    assert!(page.contains("the routine that callers use for them: gemv of OpenBLAS."));
}

#[test]
fn page_says_what_standings_leave_out() {
    let mut rows = vec![
        example::row(Family::Odd, "3 5 7", &[(OURS, 90.0), ("OpenBLAS", 90.0)], 100.0),
        example::row(Family::Odd, "5 7 9", &[(OURS, 90.0), ("OpenBLAS", 90.0)], 100.0),
    ];
    rows[1].entries[1].gflops = None;
    assert!(html(&example::report(rows)).contains("they leave out 5×7×9: "));
}
