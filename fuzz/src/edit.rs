//! Edits of a valid file, as the bytes of an input.
//!
//! Files of random bytes are refused at their first field. So some targets take an input as a list of edits to a file that is valid:
//! each has a fixed size, so that changing one leaves the others as they are.

/// Bytes of an edit: what, form, place (2), number (8).
const BYTES: usize = 12;

/// Numbers at which sizes, counts and offsets go wrong.
const EDGES: [u64; 16] =
    [0, 1, 2, 3, 7, 31, 32, 33, 255, 256, 1 << 16, (1 << 31) - 1, 1 << 32, (1 << 53) + 1, 1 << 63, u64::MAX];

/// Numbers that spread through sums, overflow or vanish.
const FLOATS: [f32; 8] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1.0, 0.0, 1e-45, 1.0];

/// A change of one place.
#[derive(Debug, Clone, Copy)]
pub struct Edit {
    /// The kind of change; each target has its own list.
    pub what: u8,
    form: u8,
    place: u16,
    number: u64,
}

impl Edit {
    /// The edits of an input.
    pub fn all(input: &[u8]) -> impl Iterator<Item = Edit> {
        input.as_chunks::<BYTES>().0.iter().map(|&[what, form, p0, p1, number @ ..]| Edit {
            what,
            form,
            place: u16::from_le_bytes([p0, p1]),
            number: u64::from_le_bytes(number),
        })
    }

    /// The place in a list; `None` if the list is empty.
    pub fn place(&self, len: usize) -> Option<usize> {
        usize::from(self.place).checked_rem(len)
    }

    /// A second place, for a detail or an alternative.
    pub fn detail(&self, len: usize) -> Option<usize> {
        usize::from(self.form >> 3).checked_rem(len)
    }

    /// A place in a list of any length.
    pub fn far_place(&self, len: usize) -> Option<usize> {
        (self.number >> 8).checked_rem(len as u64).map(|place| place as usize)
    }

    /// The number that takes the place of `old`: near it, a multiple of it, an edge or any.
    pub fn number(&self, old: u64) -> u64 {
        let number = self.number;
        match self.form % 8 {
            0 => number,
            1 => number % 256,
            2 => old.wrapping_add_signed(i64::from(number as i8)),
            3 => old.wrapping_mul(2),
            4 => old / 2,
            5 => EDGES[(number % EDGES.len() as u64) as usize],
            6 => number % (1 << 16),
            _ => 1 << (number % 64),
        }
    }

    /// A number of 32 bits.
    pub fn float(&self) -> f32 {
        match self.form % 2 {
            0 => f32::from_bits(self.number as u32),
            _ => FLOATS[(self.number % FLOATS.len() as u64) as usize],
        }
    }

    /// A byte.
    pub fn byte(&self) -> u8 {
        self.number as u8
    }
}
