//! What is computed: C (m, n) = op(A) (m, k) · op(B) (k, n), all row-major.

use super::dtype::Dtype;
use super::stored::{Leading, Stored};
use crate::roofline::Work;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// C (m, n) = op(A) (m, k) · op(B) (k, n), where op is nothing or the transpose of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Product {
    /// Rows of C.
    pub m: usize,
    /// Columns of C.
    pub n: usize,
    /// Length of each sum.
    pub k: usize,
    /// Whether A is stored as (k, m).
    pub transpose_a: bool,
    /// Whether B is stored as (n, k), as the weights of most checkpoints are.
    pub transpose_b: bool,
    /// Leading dimensions; `None` if the rows of all three matrices follow each other without gaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leading: Option<Leading>,
}

/// A text that names no product.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "wanted a product as MxNxK or \"M N K\", then nn, nt, tn, tt or nothing, then @LDA:LDB:LDC or nothing, sizes from 1 to \
     {MAX_SIZE}, leading dimensions at least as long as the stored rows, found {found:?}"
)]
pub struct ProductError {
    /// The text.
    pub found: String,
}

/// The largest m, n or k: C libraries with 32-bit integers know no larger one.
pub const MAX_SIZE: usize = i32::MAX as usize;

impl Product {
    /// Flops, and the bytes of A, B as the product reads it and C, once each. Saturates.
    pub fn work(&self, dtype: Dtype) -> Work {
        let (m, n, k) = (self.m as u64, self.n as u64, self.k as u64);
        let of = |rows: u64, cols: u64| rows.saturating_mul(cols);
        let rows = of(m, k).saturating_add(of(m, n)).saturating_mul(dtype.bytes() as u64);
        Work { flops: of(of(2, m), of(n, k)), bytes: rows.saturating_add(dtype.bytes_of_b(of(k, n))) }
    }

    /// A as it is stored.
    pub fn stored_a(&self) -> Stored {
        let (rows, cols) = if self.transpose_a { (self.k, self.m) } else { (self.m, self.k) };
        Stored { rows, cols, leading: self.leading.map_or(cols, |leading| leading.a) }
    }

    /// B as it is stored.
    pub fn stored_b(&self) -> Stored {
        let (rows, cols) = if self.transpose_b { (self.n, self.k) } else { (self.k, self.n) };
        Stored { rows, cols, leading: self.leading.map_or(cols, |leading| leading.b) }
    }

    /// C.
    pub fn stored_c(&self) -> Stored {
        Stored { rows: self.m, cols: self.n, leading: self.leading.map_or(self.n, |leading| leading.c) }
    }

    /// The leading dimensions, given or not.
    pub fn leading_dimensions(&self) -> Leading {
        Leading { a: self.stored_a().leading, b: self.stored_b().leading, c: self.stored_c().leading }
    }

    /// The same product with these leading dimensions. Those without gaps are the same as none, so that equal products compare
    /// as equal.
    #[must_use]
    pub fn with_leading(self, leading: Leading) -> Product {
        let tight = Product { leading: None, ..self }.leading_dimensions();
        Product { leading: (leading != tight).then_some(leading), ..self }
    }

    /// Whether no leading dimension is shorter than a row or longer than C libraries know.
    fn has_valid_leading(&self) -> bool {
        let stored = [self.stored_a(), self.stored_b(), self.stored_c()];
        stored.iter().all(|matrix| (matrix.cols..=MAX_SIZE).contains(&matrix.leading))
    }

    /// Bytes of A, B and C in memory, with the gaps between their rows. Saturates.
    pub fn memory(&self, dtype: Dtype) -> u64 {
        let stored = [self.stored_a(), self.stored_b(), self.stored_c()];
        let elements = stored.iter().fold(0u64, |sum, matrix| sum.saturating_add(matrix.len() as u64));
        elements.saturating_mul(dtype.bytes() as u64)
    }

    /// Whether A or B is a vector, so that speed is a matter of bandwidth.
    pub fn has_vector(&self) -> bool {
        self.m == 1 || self.n == 1
    }
}

impl fmt::Display for Product {
    /// `128x3072x768nt@1024:768:3072`. The letters are left out if nothing is transposed, the leading dimensions of A, B and C if
    /// there are no gaps between rows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |transposed| if transposed { 't' } else { 'n' };
        write!(f, "{}x{}x{}", self.m, self.n, self.k)?;
        if self.transpose_a || self.transpose_b {
            write!(f, "{}{}", letter(self.transpose_a), letter(self.transpose_b))?;
        }
        self.leading.map_or(Ok(()), |leading| write!(f, "@{leading}"))
    }
}

impl FromStr for Product {
    type Err = ProductError;

    /// Reads `MxNxK`, `MxNxKnt`, `M N K` and `M N K n t`, each also with `@LDA:LDB:LDC` at its end.
    fn from_str(text: &str) -> Result<Product, ProductError> {
        parse(text).ok_or_else(|| ProductError { found: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Product> {
    let (text, leading) = match text.trim().split_once('@') {
        Some((text, leading)) => (text.trim_end(), Some(parse_leading(leading)?)),
        None => (text.trim(), None),
    };
    let sizes_end = text.trim_end_matches(|c: char| c == 'n' || c == 't' || c.is_whitespace()).len();
    let (sizes, letters) = text.split_at(sizes_end);
    let mut sizes = sizes.split(|c: char| c == 'x' || c.is_whitespace()).filter(|word| !word.is_empty()).map(size);
    let (m, n, k) = (sizes.next()??, sizes.next()??, sizes.next()??);
    if sizes.next().is_some() {
        return None;
    }
    let letters: Vec<char> = letters.chars().filter(|c| !c.is_whitespace()).collect();
    let (transpose_a, transpose_b) = match letters[..] {
        [] => (false, false),
        [a, b] => (a == 't', b == 't'),
        _ => return None,
    };
    let tight = Product { m, n, k, transpose_a, transpose_b, leading: None };
    let product = leading.map_or(tight, |leading| tight.with_leading(leading));
    product.has_valid_leading().then_some(product)
}

fn parse_leading(text: &str) -> Option<Leading> {
    let mut sizes = text.split(':').map(size);
    let leading = Leading { a: sizes.next()??, b: sizes.next()??, c: sizes.next()?? };
    sizes.next().is_none().then_some(leading)
}

fn size(word: &str) -> Option<usize> {
    word.parse().ok().filter(|size| (1..=MAX_SIZE).contains(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_texts_parse_and_print() {
        let product =
            |transpose_a, transpose_b| Product { m: 128, n: 3072, k: 768, transpose_a, transpose_b, leading: None };
        for (text, expected, printed) in [
            ("128x3072x768", product(false, false), "128x3072x768"),
            ("128x3072x768nn", product(false, false), "128x3072x768"),
            ("128x3072x768nt", product(false, true), "128x3072x768nt"),
            ("128 3072 768", product(false, false), "128x3072x768"),
            (" 128\t3072 768  t n ", product(true, false), "128x3072x768tn"),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text:?}");
            assert_eq!(expected.to_string(), printed);
        }
    }

    #[test]
    fn product_leading_dimensions_parse_and_print() {
        for (text, leading, printed) in [
            ("2x3x4@5:6:7", [5, 6, 7], "2x3x4@5:6:7"),
            ("2x3x4tt@2:4:9", [2, 4, 9], "2x3x4tt@2:4:9"),
            ("2 3 4 t n @5:6:7", [5, 6, 7], "2x3x4tn@5:6:7"),
            ("2x3x4nt@4:4:3", [4, 4, 3], "2x3x4nt"),
        ] {
            let product: Product = text.parse().expect(text);
            let Leading { a, b, c } = product.leading_dimensions();
            assert_eq!(([a, b, c], product.to_string().as_str()), (leading, printed), "{text}");
            assert_eq!(printed.parse(), Ok(product));
        }
        let padded: Product = "2x3x4tn@8:16:32".parse().expect("a product");
        assert_eq!(padded.memory(Dtype::F32), 4 * (4 * 8 + 4 * 16 + 2 * 32));
        assert_eq!(padded.work(Dtype::F32).bytes, 4 * (8 + 12 + 6), "gaps are not moved");
    }

    #[test]
    fn product_other_texts_are_refused() {
        let sizes = ["", "x", "8", "8x8", "8x8x8x8", "8x8x0", "8x-1x8", "8x8x8q", "8x8x2147483648"];
        let letters = ["nt", "8x8x8n", "8x8x8ntn"];
        let leading = ["@8:8:8", "8x8x8@", "8x8x8@8:8", "8x8x8@8:8:8:8", "8x8x8@8:8:7", "2x3x4tn@1:3:3"];
        let texts = sizes.into_iter().chain(letters).chain(leading);
        for text in texts {
            let error = text.parse::<Product>().expect_err(text);
            assert_eq!(error.found, text);
        }
    }

    #[test]
    fn product_work_counts_each_operand_once() {
        let product: Product = "2x3x4".parse().expect("a product");
        assert_eq!(product.work(Dtype::F32), Work { flops: 48, bytes: 4 * (8 + 12 + 6) });
        assert_eq!(product.work(Dtype::F64).bytes, 8 * (8 + 12 + 6));
        let weights: Product = "1x64x256nt".parse().expect("a product");
        assert_eq!(weights.work(Dtype::Int8).bytes, 4 * (256 + 64) + 64 * 272);
        let largest = Product { m: MAX_SIZE, n: MAX_SIZE, k: MAX_SIZE, ..product };
        assert_eq!(largest.work(Dtype::F64).flops, u64::MAX);
    }
}
