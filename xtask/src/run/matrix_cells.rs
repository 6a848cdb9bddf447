//! The cells of a matrix: their order, shards, and a key over the inputs of each image.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use harness::error::{Error, ErrorKind, Result, io};
use harness::host::arch::Arch;
use harness::host::store::manifest::sha256_of;
use harness::kbuild::image::RECIPE;
use harness::kbuild::kconfig::Flavour;
use harness::kernel_range::Release;
use harness::patch::series::claims;
use harness::patch::series::{BASES, Series};
use harness::report::matrix::CellKey;
use harness::source::spec::{KernelSpec, Kernels};
use serde::Serialize;

use crate::flags::{MatrixArgs, Shard};
use crate::workspace;

/// A cell to be run.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedCell {
    /// Its kernel, series and flavour.
    #[serde(flatten)]
    pub place: CellKey,
    /// Hash over the inputs of its image that are known without the source.
    pub key: String,
}

/// The cells that the arguments ask for: older kernels first, each in all flavours. All series of a kernel and flavour follow
/// each other, so that its build directory is used for one series right after the other.
///
/// # Errors
/// [`ErrorKind::Usage`] for an unknown kernel, series or flavour, and for a shard without a cell.
pub fn planned_cells(args: &MatrixArgs) -> Result<Vec<PlannedCell>> {
    let kernels = Kernels::load(&workspace::kernels())?;
    let mut chosen: Vec<&KernelSpec> = match args.kernels.is_empty() {
        true => kernels.iter().collect(),
        false => args.kernels.iter().map(|id| kernels.get(id)).collect::<Result<_>>()?,
    };
    if args.kernels.is_empty() {
        chosen.sort_by_key(|kernel| Release::of(&kernel.id));
    }
    for series in &args.series {
        Series::known(series, &workspace::patches())?;
    }
    let mut cells: Vec<PlannedCell> = Vec::new();
    for kernel in unique(&chosen) {
        let own = [kernel.flavour.clone()];
        let flavours = if args.flavours.is_empty() { &own[..] } else { &args.flavours };
        for flavour in &unique(&on_each(&args.arch, flavours)).collect::<Vec<_>>() {
            let fragments = Flavour::load(flavour, &workspace::kconfigs())?;
            for series in unique(&args.series) {
                let place = CellKey::new(&kernel.id, series, flavour);
                cells.push(PlannedCell { place, key: key(kernel, &fragments, series)? });
            }
        }
    }
    let mut places: Vec<CellKey> = cells.iter().map(|cell| cell.place.clone()).collect();
    CellKey::number(&mut places);
    for (cell, place) in cells.iter_mut().zip(places) {
        cell.place = place;
    }
    let all = cells.len();
    match args.shard {
        None => Ok(cells),
        Some(shard) if shard.of > all => {
            Err(Error::new(ErrorKind::Usage, format!("there are only {all} cells for {} shards", shard.of))
                .next(format!("Use at most {all} shards.")))
        }
        Some(shard) => Ok(shard_of(cells, shard)),
    }
}

/// The flavours on each of these architectures; as they are named where there are none.
fn on_each(arches: &[&Arch], flavours: &[String]) -> Vec<String> {
    let named = |flavour: &String| match arches {
        [] => vec![flavour.clone()],
        arches => arches.iter().map(|arch| arch.flavour(Arch::of_flavour(flavour).1)).collect(),
    };
    flavours.iter().flat_map(named).collect()
}

/// Removes duplicates and keeps the order.
fn unique<T: PartialEq>(all: &[T]) -> impl Iterator<Item = &T> {
    all.iter().enumerate().filter(|(index, one)| !all[..*index].contains(one)).map(|(_, one)| one)
}

/// The cells of a shard. They are neighbours, so that the series of one kernel stay together if possible.
fn shard_of<T>(mut all: Vec<T>, shard: Shard) -> Vec<T> {
    let start = |number: usize| all.len() * number / shard.of;
    let (from, to) = (start(shard.number - 1), start(shard.number));
    all.truncate(to);
    all.split_off(from)
}

/// Hash over the entry of the kernel, the fragments, the policy, the series, the test importer and the build recipe.
fn key(kernel: &KernelSpec, flavour: &Flavour, series: &str) -> Result<String> {
    let mut parts = vec![RECIPE.to_string(), kernel.id.clone(), format!("{:?}", kernel.source)];
    parts.extend(flavour.fragments.iter().map(|fragment| fragment.text.clone()));
    parts.extend(flavour.policy.clone());
    // Of commits only the name is known here. If a branch has moved, that costs a build, not a wrong verdict.
    parts.push(series.to_string());
    let series =
        series.rsplit_once("#v").filter(|(path, _)| Path::new(path).is_file()).map_or(series, |(path, _)| path);
    let named = workspace::patches().join(series);
    let series = if !series.contains('/') && named.is_dir() { named } else { PathBuf::from(series) };
    let mut places = vec![workspace::overlay(), series];
    // The series below it, which has to end somewhere: a circle is an error where the series is read.
    for _ in 0..BASES {
        let Some(base) = claims::declared(&places[places.len() - 1])?.base else { break };
        places.push(workspace::patches().join(base));
    }
    for place in places {
        for file in files(&place) {
            let bytes = fs::read(&file).map_err(|error| io(&error, "reading", &file))?;
            parts.push(file.strip_prefix(&place).unwrap_or(&file).display().to_string());
            parts.push(sha256_of(&bytes));
        }
    }
    Ok(sha256_of(parts.join("\0").as_bytes())[..16].to_string())
}

/// The files at or below a path, sorted; none if the path does not exist.
fn files(place: &Path) -> BTreeSet<PathBuf> {
    if place.is_file() {
        return BTreeSet::from([place.to_path_buf()]);
    }
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries.flat_map(|entry| files(&entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(args: MatrixArgs) -> Vec<String> {
        planned_cells(&args).unwrap().into_iter().map(|cell| cell.place.id).collect()
    }

    fn args(kernels: &[&str], series: &[&str], flavours: &[&str]) -> MatrixArgs {
        let strings = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let (kernels, series, flavours) = (strings(kernels), strings(series), strings(flavours));
        MatrixArgs { kernels, series, flavours, ..MatrixArgs::default() }
    }

    #[test]
    fn each_kernel_runs_without_and_then_with_the_series() {
        let all = ids(args(&[], &["none", "derive"], &[]));
        assert!(all.len() >= 8, "{all:?}");
        assert_eq!(all[..2], ["6.1-none-sanitized", "6.1-derive-sanitized"]);
        for pair in all.chunks(2) {
            assert_eq!(pair[0].replace("none", "derive"), pair[1]);
        }
        let chosen = ids(args(&["7.2", "6.1", "7.2"], &["derive"], &["fast", "sanitized"]));
        let wanted = ["7.2-derive-fast", "7.2-derive-sanitized", "6.1-derive-fast", "6.1-derive-sanitized"];
        assert_eq!(chosen, wanted);
        let arch = Arch::ALL[..2].to_vec();
        let both = ids(MatrixArgs { arch, ..args(&["7.2"], &["derive"], &["fast"]) });
        assert_eq!(both, ["7.2-derive-fast", "7.2-derive-fast-arm64"]);
    }

    #[test]
    fn unknown_names_and_too_many_shards_are_usage_errors() {
        for wrong in [args(&["7.22"], &["none"], &[]), args(&[], &["drive"], &[]), args(&[], &["none"], &["fats"])] {
            assert_eq!(planned_cells(&wrong).unwrap_err().kind, ErrorKind::Usage, "{wrong:?}");
        }
        let shard = Some(Shard { number: 1, of: 3 });
        let few = MatrixArgs { shard, ..args(&["7.2"], &["none", "derive"], &[]) };
        assert_eq!(planned_cells(&few).unwrap_err().kind, ErrorKind::Usage);
    }

    #[test]
    fn a_key_depends_on_the_inputs_of_the_image() {
        let keys = |series: &[&str], flavours: &[&str]| -> Vec<String> {
            planned_cells(&args(&["7.2", "6.1"], series, flavours)).unwrap().into_iter().map(|cell| cell.key).collect()
        };
        let all = keys(&["none", "derive"], &["fast", "sanitized"]);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 8);
        assert_eq!(all, keys(&["none", "derive"], &["fast", "sanitized"]));
        let dir = tempfile::tempdir().unwrap();
        let series = dir.path().display().to_string();
        let mut seen = BTreeSet::new();
        for text in ["one", "two"] {
            fs::write(dir.path().join("0001-x.patch"), text).unwrap();
            seen.insert(keys(&[&series], &["fast"]));
        }
        fs::rename(dir.path().join("0001-x.patch"), dir.path().join("0002-x.patch")).unwrap();
        seen.insert(keys(&[&series], &["fast"]));
        assert_eq!(seen.len(), 3);
        // For an mbox, both the version and the contents count.
        let mails = dir.path().join("thread.mbox");
        for (text, version) in [("one", "#v1"), ("one", "#v2"), ("two", "#v2")] {
            fs::write(&mails, text).unwrap();
            seen.insert(keys(&[&format!("{}{version}", mails.display())], &["fast"]));
        }
        assert_eq!(seen.len(), 6);
    }

    proptest! {
        #[test]
        fn every_cell_is_in_exactly_one_shard(count in 1usize..60, of in 1usize..20) {
            let of = of.min(count);
            let shards: Vec<Vec<usize>> =
                (1..=of).map(|number| shard_of((0..count).collect(), Shard { number, of })).collect();
            prop_assert_eq!(shards.concat(), (0..count).collect::<Vec<_>>());
            let sizes = shards.iter().map(Vec::len);
            prop_assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }
    }
}
