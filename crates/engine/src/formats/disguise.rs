//! Files that are not what their names say: what their first bytes tell.

/// Bytes that [`recognise`] looks at.
pub(crate) const HEAD: usize = 512;

/// Longest beginning of a text that is quoted, in characters.
const QUOTED: usize = 40;

/// The first bytes of a format, and what to call a file of it.
const SIGNATURES: [(&[u8], &str); 13] = [
    (b"\x89CKE", "a packed file of `cke quantize` (which is a whole model)"),
    (b"GGUF", "a GGUF file (which is a whole model)"),
    (b"ggml", "a GGML file (not supported)"),
    (
        b"PK\x03\x04",
        "a zip archive, as PyTorch's .bin and .pt files are (save the model with `save_pretrained` of transformers)",
    ),
    (b"\x80\x02", PICKLE),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04", PICKLE),
    (b"\x80\x05", PICKLE),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as TensorFlow's .h5 files are (not supported)"),
    (b"\x1f\x8b\x08", "a gzip archive (unpack it first)"),
    (b"\xfd7zXZ\0", "an xz archive (unpack it first)"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive (unpack it first)"),
    (b"BZh", "a bzip2 archive (unpack it first)"),
];
const PICKLE: &str =
    "a Python pickle, as PyTorch's older .bin files are (save the model with `save_pretrained` of transformers)";

/// What the first bytes of a file say that it is, in words for a message; `None` if they say nothing.
///
/// For a file that has already failed to be what it should be.
pub(crate) fn recognise(file: &[u8]) -> Option<String> {
    let head = &file[..file.len().min(HEAD)];
    recognise_other(file).or_else(|| text(head).map(quoted))
}

/// As [`recognise`], for a file that may be any text.
pub(crate) fn recognise_other(file: &[u8]) -> Option<String> {
    let head = &file[..file.len().min(HEAD)];
    if let Some(pointer) = head.strip_prefix(b"version https://git-lfs.github.com/spec/") {
        return Some(git_lfs_pointer(pointer));
    }
    if let Some((_, name)) = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)) {
        return Some((*name).to_owned());
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("a tar archive (unpack it first)".to_owned());
    }
    if is_safetensors(head) {
        return Some("a safetensors file".to_owned());
    }
    page(text(head)?)
}

/// A pointer as git-lfs leaves it in place of a file that was not fetched; `rest` follows the address of its format.
fn git_lfs_pointer(rest: &[u8]) -> String {
    let text = String::from_utf8_lossy(rest);
    let size = text.lines().find_map(|line| line.strip_prefix("size ")).filter(|size| size.len() <= 20);
    let size = size.map(|size| format!(" of {size} bytes")).unwrap_or_default();
    format!("a git-lfs pointer in place of the file{size} (`git lfs pull` fetches it)")
}

/// Whether a header's length and the brace of its JSON object begin the file.
pub(crate) fn is_safetensors(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else { return false };
    u64::from_le_bytes(*length) <= super::safetensors::MAX_HEADER_BYTES && rest.starts_with(b"{\"")
}

/// The text that a file begins with.
fn text(head: &[u8]) -> Option<&str> {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The head may end inside a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let text = valid.trim_start_matches('\u{feff}').trim_start();
    if text.is_empty() || valid.contains(|c: char| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    Some(text)
}

/// A page of markup, by the first words of its text.
fn page(text: &str) -> Option<String> {
    let begins = |words: &str| text.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words));
    if begins("<!doctype html") || begins("<html") {
        return Some("an HTML page, such as a download's error page".to_owned());
    }
    if begins("<?xml") {
        return Some("an XML document, such as a download's error page".to_owned());
    }
    None
}

/// A text, by the beginning of its first line.
fn quoted(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let beginning: String = line.chars().take(QUOTED).collect();
    let more = if beginning.len() < text.trim_end().len() { "…" } else { "" };
    format!("a text that begins with {:?}", format!("{beginning}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &[u8]) -> String {
        recognise(file).unwrap_or_else(|| panic!("nothing recognised in {file:?}"))
    }

    #[test]
    fn git_lfs_pointer_is_called_that_with_its_size() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:248dfc39\nsize 548105171\n";
        let wanted = "a git-lfs pointer in place of the file of 548105171 bytes (`git lfs pull` fetches it)";
        assert_eq!(found(pointer), wanted);
        assert!(
            found(b"version https://git-lfs.github.com/spec/v1\n")
                .starts_with("a git-lfs pointer in place of the file (")
        );
    }

    #[test]
    fn file_of_another_format_is_called_by_it() {
        for (file, wanted) in [
            (&b"GGUF\x03\0\0\0"[..], "a GGUF file"),
            (b"PK\x03\x04\x14\0", "a zip archive"),
            (b"\x80\x02}q\0(X", "a Python pickle"),
            (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
            (b"\x1f\x8b\x08\0", "a gzip archive"),
            (b"\n<!DOCTYPE HTML><html>", "an HTML page"),
            (b"<html lang=\"en\">", "an HTML page"),
            (b"<?xml version=\"1.0\"?>", "an XML document"),
            (b"\x10\0\0\0\0\0\0\0{\"a\":", "a safetensors file"),
            (b"Entry not found", "a text that begins with \"Entry not found\""),
            (b"{\"error\":\"gated\"}", "a text that begins with \"{\\\"error\\\":\\\"gated\\\"}\""),
        ] {
            assert!(found(file).starts_with(wanted), "{:?} for {wanted:?}", found(file));
        }
    }

    #[test]
    fn bytes_that_say_nothing_are_not_recognised() {
        for file in [&b""[..], b"  \n", b"\0\0\0\0", &u64::MAX.to_le_bytes(), b"ab\0cd", b"ab\xffcd"] {
            assert_eq!(recognise(file), None, "{file:?}");
        }
    }

    #[test]
    fn text_cut_inside_a_character_is_quoted() {
        let mut file = "é".repeat(HEAD).into_bytes();
        file.remove(0);
        assert_eq!(recognise(&file), None);
        let long = "x".to_owned() + &"é".repeat(HEAD);
        assert!(found(long.as_bytes()).ends_with("é…\""));
    }
}
