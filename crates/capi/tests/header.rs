//! `include/cke.h` is what cbindgen makes of the source.

use std::path::Path;

#[test]
fn header_is_current() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(crate_dir.join("cbindgen.toml")).expect("cbindgen.toml can be read");
    let bindings = cbindgen::Builder::new().with_crate(crate_dir).with_config(config).generate();
    let mut wanted = Vec::new();
    bindings.expect("the interface can be expressed in C").write(&mut wanted);
    let wanted = String::from_utf8(wanted).expect("a header is UTF-8");
    let path = crate_dir.join("include/cke.h");
    if std::env::var_os("CKE_WRITE_HEADER").is_some() {
        std::fs::write(&path, &wanted).expect("the header can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "include/cke.h is stale: CKE_WRITE_HEADER=1 cargo test -p cke-capi --test header");
}
