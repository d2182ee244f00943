//! Embedding: rows of a table, gathered by id. The formula is the naive twin.

use super::elementwise::add;
use crate::cpu::Cpu;
use crate::error::{Error, expect_size};

/// `outᵢ ← table[idsᵢ]` with the table (ids, width) and out (ids.len(), width), both row-major.
///
/// # Errors
/// Returns [`Error::IdOutOfRange`] for an id without a row in the table, [`Error::Size`] if `out` does not fit or the
/// table is not a whole number of rows. Nothing is written then.
pub fn gather_rows(table: &[f32], width: usize, ids: &[u32], out: &mut [f32]) -> Result<(), Error> {
    check(table, width, ids, out)?;
    for (&id, out) in ids.iter().zip(out.chunks_exact_mut(width.max(1))) {
        out.copy_from_slice(row(table, width, id));
    }
    Ok(())
}

/// `outᵢ ← outᵢ + table[idsᵢ]`: positions or token types on top of [`gather_rows`].
///
/// # Errors
/// As [`gather_rows`].
pub fn add_rows(cpu: &Cpu, table: &[f32], width: usize, ids: &[u32], out: &mut [f32]) -> Result<(), Error> {
    check(table, width, ids, out)?;
    for (&id, out) in ids.iter().zip(out.chunks_exact_mut(width.max(1))) {
        add(cpu, out, row(table, width, id))?;
    }
    Ok(())
}

fn row(table: &[f32], width: usize, id: u32) -> &[f32] {
    &table[id as usize * width..][..width]
}

fn check(table: &[f32], width: usize, ids: &[u32], out: &[f32]) -> Result<(), Error> {
    let rows = table.len().checked_div(width).unwrap_or(0);
    expect_size("elements of the embedding table", rows * width, table.len())?;
    expect_size("elements of the embedding", ids.len().saturating_mul(width), out.len())?;
    let is_outside = |&(_, &id): &(usize, &u32)| width > 0 && id as usize >= rows;
    match ids.iter().enumerate().find(is_outside) {
        Some((position, &id)) => Err(Error::IdOutOfRange { id, position, rows }),
        None => Ok(()),
    }
}
