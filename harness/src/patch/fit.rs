//! Whether each patch of a series applies to a kernel.

use std::path::Path;

use super::{RelatedTrees, apply};
use crate::error::{Error, ErrorKind, Result};
use crate::patch::series::Series;

/// Whether a patch applies.
#[derive(Debug)]
pub enum Fit {
    /// It does, after the patches before it.
    Applies,
    /// It does not.
    Rejected(Error),
    /// An earlier patch does not apply.
    NotTried,
}

/// For each patch whether it applies to a source after those before it, and notes about merges.
///
/// # Errors
/// [`ErrorKind::Host`] when git does not work. A patch that does not apply is not an error.
pub fn fits(source: &Path, series: &Series, related: &RelatedTrees) -> Result<(Vec<Fit>, Vec<String>)> {
    let all = series.patches.len();
    let first = |count: usize| {
        let patches = series.patches[..count].to_vec();
        apply(source, &Series { patches, ..Series::none() }, related)
    };
    let error = match apply(source, series, related) {
        Ok(applied) => return Ok((series.patches.iter().map(|_| Fit::Applies).collect(), applied.merged)),
        Err(error) if error.kind == ErrorKind::Patch => error,
        Err(error) => return Err(error),
    };
    let rejected = (1..all).find_map(|count| first(count).err().map(|error| (count - 1, error)));
    let (applied, error) = rejected.unwrap_or((all - 1, error));
    let fits = (0..applied).map(|_| Fit::Applies).chain([Fit::Rejected(error)]);
    Ok((fits.chain((applied + 1..all).map(|_| Fit::NotTried)).collect(), Vec::new()))
}
