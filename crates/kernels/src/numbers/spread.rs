//! Sums and differences that spread large numbers over their group, before rows and columns are quantised to int8.
//!
//! Inputs of language models have numbers that are many times larger than their neighbours. One of them sets the step of its whole group.
//! Each group is therefore multiplied by a matrix H of ±1 (of Walsh and Hadamard), which replaces 16 numbers by 16 of their sums and
//! differences: a large one becomes 16 of a quarter of its magnitude. H is symmetric and H·H = 16·I, so that a product does not change,
//!
//! ```text
//! Σ a·b  =  Σ (H·a / 4) · (H·b / 4)
//! ```
//!
//! and the same again undoes it. The 16 numbers lie [`STRIDE`] apart, so that vectors are added whole. Where a group, or what K leaves of its
//! last one, has fewer than 128 numbers, blocks of 32 are multiplied by the matrix of 4, which halves; up to 31 numbers stay as they are.
//!
//! Source: S. Ashkboos et al., "QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs", 2024.

/// Numbers from one of those that are added to the next.
const STRIDE: usize = 8;

/// Numbers in one multiplication by the matrix of 4.
const BLOCK: usize = 4 * STRIDE;

/// Numbers that are multiplied by the matrix of 16, 16 of them at a time: four blocks.
pub(crate) const WIDE_BLOCK: usize = 4 * BLOCK;

/// The first `len` numbers of a group, spread. Not finite if one of them is not, or if a sum of four is beyond f32.
#[inline(always)]
pub(crate) fn spread<const GROUP: usize>(group: &mut [f32; GROUP], len: usize) {
    // Twice, so that the compiler knows the length of whole groups.
    if len == GROUP { spread_all(group) } else { spread_all(&mut group[..len]) }
}

#[inline(always)]
fn spread_all(numbers: &mut [f32]) {
    for block in numbers.as_chunks_mut::<BLOCK>().0 {
        multiply::<STRIDE>(block);
    }
    for block in numbers.as_chunks_mut::<WIDE_BLOCK>().0 {
        multiply::<BLOCK>(block);
    }
}

/// Half the sums and differences of each four numbers that lie APART apart.
#[inline(always)]
fn multiply<const APART: usize>(block: &mut [f32]) {
    let (low, high) = block.split_at_mut(2 * APART);
    let ((a, b), (c, d)) = (low.split_at_mut(APART), high.split_at_mut(APART));
    for i in 0..APART {
        let (sum, difference) = (a[i] + b[i], a[i] - b[i]);
        let (other_sum, other_difference) = (c[i] + d[i], c[i] - d[i]);
        a[i] = 0.5 * (sum + other_sum);
        b[i] = 0.5 * (difference + other_difference);
        c[i] = 0.5 * (sum - other_sum);
        d[i] = 0.5 * (difference - other_difference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: usize = 128;

    #[test]
    fn products_stay_and_twice_is_nothing() {
        let numbers = |seed: usize| -> [f32; GROUP] { std::array::from_fn(|p| ((p * seed) % 17) as f32 - 8.0) };
        for len in [0, 1, 31, 32, 33, 64, 100, 127, 128] {
            let (mut a, mut b) = (numbers(5), numbers(7));
            a[len..].fill(0.0);
            b[len..].fill(0.0);
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let (before, wanted) = (a, product(&a, &b));
            spread(&mut a, len);
            spread(&mut b, len);
            assert_eq!(product(&a, &b), wanted, "{len}");
            assert!(a[len..].iter().all(|&x| x == 0.0), "{len}");
            spread(&mut a, len);
            assert_eq!(a, before, "{len}");
        }
    }

    #[test]
    fn a_large_number_becomes_sixteen_of_a_quarter() {
        for place in [0, 37, 127] {
            let mut group = [0.0; GROUP];
            group[place] = 64.0;
            spread(&mut group, GROUP);
            let large = |p: usize| if p % STRIDE == place % STRIDE { 16.0 } else { 0.0 };
            assert!(group.iter().enumerate().all(|(p, x)| x.abs() == large(p)), "{place}");
        }
    }

    #[test]
    fn what_is_not_finite_does_not_vanish() {
        for bad in [f32::NAN, f32::INFINITY] {
            for len in [GROUP, 70] {
                let mut group = [1.0; GROUP];
                group[len - 1] = bad;
                spread(&mut group, len);
                assert!(group.iter().any(|x| !x.is_finite()), "{bad} {len}");
            }
        }
    }
}
