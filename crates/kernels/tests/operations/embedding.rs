//! Gathered rows, and the elementwise operations they lean on.

use crate::{assert_same_at_any_offset, each_isa, rows};
use cke_kernels::Error;
use cke_kernels::ops::elementwise::{add, scale};
use cke_kernels::ops::embedding::{add_rows, gather_rows};
use cke_testkit::tolerance::assert_identical;
use cke_testkit::{Data, Guarded};

#[test]
fn gather_and_add_rows_of_each_width_are_the_rows_summed() {
    let ids = [4, 0, 4, 2];
    each_isa(|cpu| {
        for width in [1, 3, 8, 16, 17, 33, 100] {
            let (words, types) = (Data::new(140).uniform(5 * width), Data::new(141).uniform(2 * width));
            let mut out = Guarded::unwritten(ids.len() * width);
            gather_rows(&words, width, &ids, out.as_mut_slice()).expect("the ids are in the table");
            add_rows(cpu, &types, width, &[1, 1, 0, 0], out.as_mut_slice()).expect("the ids are in the table");
            for (i, (word, kind)) in [(4, 1), (0, 1), (4, 0), (2, 0)].into_iter().enumerate() {
                let wanted: Vec<f32> = (0..width).map(|j| words[word * width + j] + types[kind * width + j]).collect();
                assert_identical(cpu.isa().name(), &out.as_slice()[i * width..][..width], &wanted);
            }
        }
    });
}

#[test]
fn gather_rows_of_id_outside_the_table_is_an_error_that_names_it() {
    let mut out = [7.0; 6];
    for id in [5, u32::MAX] {
        let error = gather_rows(&[0.0; 10], 2, &[4, id, 0], &mut out).unwrap_err();
        assert_eq!(error, Error::IdOutOfRange { id, position: 1, rows: 5 });
        assert!(error.to_string().contains(&format!("id {id} at position 1")), "{error}");
    }
    assert_eq!(out, [7.0; 6], "nothing is written");
    assert!(matches!(gather_rows(&[], 2, &[0], &mut out[..2]), Err(Error::IdOutOfRange { rows: 0, .. })));
}

#[test]
fn gather_rows_of_sizes_that_do_not_fit_is_an_error() {
    let mut out = [7.0; 6];
    for (table, width, ids) in [(9, 2, 3), (10, 2, 2), (10, 3, 2), (10, usize::MAX, 3), (10, 0, 0)] {
        let result = gather_rows(&[0.0; 10][..table], width, &[0; 3][..ids], &mut out);
        assert!(matches!(result, Err(Error::Size { .. })), "table {table}, width {width}, {ids} ids: {result:?}");
    }
    assert_eq!(gather_rows(&[], 0, &[3], &mut []), Ok(()), "rows of no width hold nothing");
    assert_eq!(gather_rows(&[0.0; 4], 2, &[], &mut []), Ok(()));
}

#[test]
fn add_and_scale_of_each_length_match_scalar_bits() {
    each_isa(|cpu| {
        for x in rows(142, 0.0, 1.0) {
            let y = Data::new(143).normal(x.len(), 0.0, 2.0);
            let mut found = Guarded::new(&y);
            add(cpu, found.as_mut_slice(), &x).expect("the lengths agree");
            let wanted: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x + y).collect();
            assert_identical(cpu.isa().name(), found.as_slice(), &wanted);

            let mut found = Guarded::new(&x);
            scale(cpu, found.as_mut_slice(), 0.3);
            let wanted: Vec<f32> = x.iter().map(|x| x * 0.3).collect();
            assert_identical(cpu.isa().name(), found.as_slice(), &wanted);

            assert_same_at_any_offset(cpu.isa().name(), &x, |x| {
                let mut sum = y.clone();
                add(cpu, &mut sum, x).expect("the lengths agree");
                sum
            });
        }
        assert!(matches!(add(cpu, &mut [0.0; 3], &[0.0; 2]), Err(Error::Size { wanted: 3, found: 2, .. })));
    });
}
