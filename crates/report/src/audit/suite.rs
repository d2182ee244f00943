//! The products that an audit measures.

use cke_perf::peers::Product;
use serde::Serialize;

/// What a product is an example of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Squares from tiny to large.
    Squares,
    /// One layer of a transformer with more and more rows: from one token to a long prompt.
    Rows,
    /// Other layers of transformers.
    Layers,
    /// Scores and values of one attention head.
    Attention,
    /// Shapes that tuning forgets: narrow, flat, odd, transposed.
    Odd,
}

impl Family {
    /// Every family, in the order of the report.
    pub(crate) const ALL: [Family; 5] = [Family::Squares, Family::Rows, Family::Layers, Family::Attention, Family::Odd];

    /// Whether its products differ in one size only, so that neighbours should do about as well.
    pub(crate) fn is_ladder(self) -> bool {
        matches!(self, Family::Squares | Family::Rows)
    }

    /// M N K and transposes, ascending.
    fn products(self, is_quick: bool) -> &'static [&'static str] {
        match (self, is_quick) {
            (Family::Squares, true) => &["16 16 16", "128 128 128", "512 512 512"],
            (Family::Squares, false) => &[
                "16 16 16",
                "32 32 32",
                "64 64 64",
                "127 127 127",
                "128 128 128",
                "256 256 256",
                "512 512 512",
                "1000 1000 1000",
                "1024 1024 1024",
                "2048 2048 2048",
            ],
            (Family::Rows, true) => &["1 3072 768 n t", "8 3072 768 n t", "64 3072 768 n t"],
            (Family::Rows, false) => &[
                "1 3072 768 n t",
                "2 3072 768 n t",
                "4 3072 768 n t",
                "8 3072 768 n t",
                "16 3072 768 n t",
                "32 3072 768 n t",
                "128 3072 768 n t",
                "512 3072 768 n t",
            ],
            (Family::Layers, true) => &[],
            (Family::Layers, false) => {
                &["1 768 3072 n t", "1 50257 768 n t", "128 768 768 n t", "128 768 3072 n t", "1024 2304 768 n t"]
            }
            (Family::Attention, true) => &["128 128 64 n t"],
            (Family::Attention, false) => &["128 128 64 n t", "128 64 128", "384 384 64 n t", "384 64 384"],
            (Family::Odd, true) => &["35 700 2048"],
            (Family::Odd, false) => &[
                "64 1 1216",
                "1760 16 1760",
                "35 700 2048",
                "2048 512 13",
                "33 1025 77 n t",
                "257 263 269",
                "512 512 512 t n",
            ],
        }
    }
}

/// A product with its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it is an example of.
    pub family: Family,
    /// The product.
    pub product: Product,
}

/// All products, family by family.
pub fn suite(is_quick: bool) -> Vec<Case> {
    let of = |family: Family| {
        let products = family.products(is_quick).iter().filter_map(|text| text.parse().ok());
        products.map(move |product| Case { family, product })
    };
    Family::ALL.into_iter().flat_map(of).collect()
}

/// A product as people write it: `2048³`, `1×3072×768 nt`.
pub fn label(product: &Product) -> String {
    let Product { m, n, k, transpose_a, transpose_b } = *product;
    let letter = |is_transposed| if is_transposed { 't' } else { 'n' };
    let size = if m == n && n == k { format!("{m}³") } else { format!("{m}×{n}×{k}") };
    if transpose_a || transpose_b { format!("{size} {}{}", letter(transpose_a), letter(transpose_b)) } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suite_has_every_line_of_every_family() {
        for is_quick in [true, false] {
            let cases = suite(is_quick);
            let lines: usize = Family::ALL.iter().map(|family| family.products(is_quick).len()).sum();
            assert_eq!(cases.len(), lines);
            for (i, case) in cases.iter().enumerate() {
                assert!(cases[i + 1..].iter().all(|other| other.product != case.product), "{case:?} occurs twice");
            }
        }
        assert!(suite(true).len() < 10 && suite(false).len() < 40);
    }

    #[test]
    fn suite_ladders_ascend() {
        for family in Family::ALL.into_iter().filter(|family| family.is_ladder()) {
            let cases = suite(false).into_iter().filter(|case| case.family == family);
            assert!(cases.map(|case| case.product.m).is_sorted());
        }
    }

    #[test]
    fn label_is_short_for_squares_and_names_transposes() {
        let of = |text: &str| label(&text.parse().expect("a product"));
        assert_eq!(["64 64 64", "1 3072 768 n t", "512 512 512 t n"].map(of), ["64³", "1×3072×768 nt", "512³ tn"]);
    }
}
