//! Which products are timed.

use crate::error::CliError;
use crate::input::Source;
use cke_perf::peers::Product;
use std::path::Path;

/// The products that are timed unless others are wanted.
const SUITE: &str = include_str!("suite.txt");

/// The products of `--shapes`: a list such as `64x64x64,8x3072x768nt`, or else the name of a file with a product on each
/// line.
///
/// # Errors
/// If it is neither, or holds no product.
pub(super) fn products(wanted: Option<&str>) -> Result<Vec<Product>, CliError> {
    let Some(wanted) = wanted else { return of_lines("the suite", SUITE) };
    let list: Result<Vec<Product>, _> = wanted.split(',').map(str::parse).collect();
    match list {
        Ok(products) => Ok(products),
        Err(error) if looks_like_a_list(wanted) => Err(CliError::Misuse(format!("--shapes: {error}"))),
        Err(_) => {
            let source = Source::new(Some(Path::new(wanted)));
            of_lines(&source.name(), &source.text()?)
        }
    }
}

/// Whether a text was meant as a list of products, not as a file: `8x8`, `8x8x8q`.
fn looks_like_a_list(text: &str) -> bool {
    let is_file = Path::new(text).exists();
    let parts = || text.split([',', 'x']);
    !is_file && parts().count() > 1 && parts().next().is_some_and(|part| part.parse::<i64>().is_ok())
}

/// A product on each line; `#` begins a comment.
fn of_lines(input: &str, text: &str) -> Result<Vec<Product>, CliError> {
    let unfit = |wanted: String, found: String| CliError::Content { input: input.to_owned(), wanted, found };
    let mut products = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let number = i + 1;
            let product = line
                .parse()
                .map_err(|_| unfit(format!("a product \"M N K [ta tb]\" on line {number}"), format!("{line:?}")))?;
            products.push(product);
        }
    }
    if products.is_empty() {
        return Err(unfit("a product on at least one line".to_owned(), "none".to_owned()));
    }
    Ok(products)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_nothing_said_is_the_suite() {
        let suite = products(None).expect("our own file");
        assert!((40..=60).contains(&suite.len()), "{} products take too long or say too little", suite.len());
        for (i, product) in suite.iter().enumerate() {
            assert!(!suite[..i].contains(product), "{product} twice");
        }
    }

    #[test]
    fn products_of_lines_leave_out_comments() {
        let found = of_lines("x", "# all\n\n 1 2 3 # one\n4x5x6\n7 8 9 t n\n").expect("three products");
        let texts: Vec<String> = found.iter().map(Product::to_string).collect();
        assert_eq!(texts, ["1x2x3", "4x5x6", "7x8x9tn"]);
    }

    #[test]
    fn products_bad_line_is_named() {
        let error = of_lines("my.txt", "1 2 3\n# no\n1 2\n").expect_err("a line with two sizes").to_string();
        assert_eq!(error, "my.txt: wanted a product \"M N K [ta tb]\" on line 3, found \"1 2\"");
        assert!(of_lines("my.txt", "# nothing\n").is_err());
    }

    #[test]
    fn products_bad_list_is_misuse_and_a_missing_file_is_not() {
        for text in ["8x8", "8x8x8q", "8x8x8,", "8x8x0,8x8x8"] {
            assert!(matches!(products(Some(text)), Err(CliError::Misuse(_))), "{text}");
        }
        assert!(matches!(products(Some("no-such-shapes.txt")), Err(CliError::Input { .. })));
    }
}
