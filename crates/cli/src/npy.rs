//! Arrays of NumPy in files.
//!
//! Format: NumPy Enhancement Proposal 1, version 1.0.

/// Magic, version and the length of what follows them.
const PREFIX_BYTES: usize = 10;
/// The numbers begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// What comes before the numbers of a row-major array (rows, cols) of f32, little-endian.
pub(crate) fn header(rows: usize, cols: usize) -> Vec<u8> {
    let mut description = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {cols}), }}");
    // With its line break the description ends where the numbers begin.
    let padding =
        (PREFIX_BYTES + description.len() + 1).next_multiple_of(ALIGNMENT) - (PREFIX_BYTES + description.len() + 1);
    description.extend(std::iter::repeat_n(' ', padding));
    description.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((description.len() as u16).to_le_bytes());
    header.extend(description.as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_aligned_and_says_its_own_length() {
        for (rows, cols) in [(0, 384), (3, 384), (usize::MAX, usize::MAX)] {
            let header = header(rows, cols);
            assert_eq!(header.len() % ALIGNMENT, 0);
            assert_eq!(&header[..8], b"\x93NUMPY\x01\x00");
            assert_eq!(usize::from(u16::from_le_bytes([header[8], header[9]])), header.len() - PREFIX_BYTES);
            let text = std::str::from_utf8(&header[PREFIX_BYTES..]).expect("ASCII");
            assert!(text.ends_with('\n') && text.contains(&format!("'shape': ({rows}, {cols}), }}")), "{text}");
        }
    }
}
