//! How errors are shown.

use cke_engine::bundle::Bundle;
use cke_engine::error::Error;
use std::path::Path;

#[test]
fn error_in_debug_is_its_message() {
    let error = Bundle::open(Path::new("no/such/model")).expect_err("there is no such model");
    let message = error.to_string();
    assert!(message.starts_with("no/such/model"), "{message}");
    assert_eq!(format!("{error:?}"), message);
    assert_eq!(format!("{:?}", Error::from(error)), message);
}
