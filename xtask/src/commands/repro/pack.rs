//! `cargo xtask repro pack`: packs everything that a run depended on into one file.

use std::fs;
use std::path::{Path, PathBuf};

use harness::error::{Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::guest::boot_plan::recorded_line;
use harness::guest::initramfs::{GuestBinary, program_of};
use harness::judge::complaint::suppressions;
use harness::judge::expectation::known_defects;
use harness::kbuild::image::{self, KernelImage, debug, policy};
use harness::report::pack::manifest::{Boot, PackIdentity, PackManifest};
use harness::report::pack::suite_version::SuiteVersion;
use harness::report::pack::write::{Members, write};
use harness::report::pack::{FORMAT, SUFFIX, VERSION, member};
use harness::report::run_report::RunReport;
use harness::source::spec::Kernels;

use super::chosen;
use crate::flags::PackArgs;
use crate::run::job::json;
use crate::run::pipeline::Pipeline;
use crate::run::saved_runs;
use crate::workspace;

/// Packs a kept run and prints the path of the file.
///
/// # Errors
/// [`ErrorKind::Usage`] when it is not a run or parts of it are missing; [`ErrorKind::Host`] when the file cannot be written.
pub fn run(args: &PackArgs, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::open(quiet)?;
    let (dir, report) = saved_runs::one(&args.run)?;
    let setting = &report.setting;
    if let Some(file) = &setting.pack {
        return Err(Error::new(ErrorKind::Usage, format!("the run in {} repeated a pack", dir.display()))
            .next(format!("Use that pack instead: {file}")));
    }
    let cases = cases(&report, &args.cases)?;
    let Some(image) = image::find(&pipeline.store, &setting.image)? else {
        let again = report.verdicts.first().map(|verdict| setting.again(verdict)).unwrap_or_default();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("the kernel of the run in {} is no longer in the cache", dir.display()),
        )
        .cause(format!("image {} is missing or damaged", setting.image))
        .next(format!("Run it again, which builds the kernel, and pack the new run: {again}")));
    };
    let guest = Guest::of(&dir)?;
    let mut members = members(&image, &guest.program, &report)?;
    for patch in files(&dir.join("series")) {
        let name = patch.file_name().unwrap_or_default().to_string_lossy().into_owned();
        members.file(format!("{}/{name}", member::SERIES), &patch);
    }
    // The commit that ran, because its guest program is packed.
    let commit = report.provenance.as_ref().map(|made_by| made_by.commit.clone()).filter(|commit| !commit.is_empty());
    let manifest = PackManifest {
        format: FORMAT.into(),
        version: VERSION,
        identity: PackIdentity {
            kernel: setting.kernel.clone(),
            version: image.facts.version.clone(),
            origin: setting.origin.clone(),
            series: setting.series.clone(),
            flavour: image.facts.flavour.clone(),
            image: image.facts.key.clone(),
            compiler: image.facts.compiler.clone(),
            reference: Kernels::load(&workspace::kernels())?.default_id().to_string(),
            command: format!("cargo xtask test {}", setting.options).trim_end().to_string(),
        },
        suite: SuiteVersion::own(commit),
        boot: Boot { command_line: guest.command_line, qemu: guest.qemu, accel: setting.accel.clone() },
        cases,
        members: members.facts()?,
    };
    let file = args.output.clone().unwrap_or_else(|| PathBuf::from(name(&manifest.identity)));
    let task = pipeline.progress.task("packing", None);
    write(&file, &manifest, &members)?;
    let size = fs::metadata(&file).map_err(|error| io(&error, "reading", &file))?.len();
    task.done(format!("{:.1} MB, {} cases to repeat", size as f64 / 1e6, manifest.cases.len()));
    println!("{}", file.display());
    Ok(ExitCode::AsExpected)
}

/// The cases that `repro run` repeats by default: those asked for, else the unexpected ones, else all.
fn cases(report: &RunReport, filters: &[String]) -> Result<Vec<cases::protocol::CaseKey>> {
    let all: Vec<_> = report.verdicts.iter().map(|verdict| verdict.key.clone()).collect();
    if !filters.is_empty() {
        return chosen(filters, &all);
    }
    let failed = report.verdicts.iter().filter(|verdict| {
        let verdict = &verdict.verdict;
        !verdict.is_as_expected() && !verdict.is_unrun()
    });
    let failed: Vec<_> = failed.map(|verdict| verdict.key.clone()).collect();
    Ok(if failed.is_empty() { all } else { failed })
}

/// Files of the first guest of a run.
struct Guest {
    program: GuestBinary,
    command_line: String,
    qemu: String,
}

impl Guest {
    fn of(dir: &Path) -> Result<Guest> {
        let found = guests(dir).into_iter().find_map(|guest| {
            let qemu = fs::read_to_string(guest.join("qemu.cmdline")).ok()?.trim().to_string();
            let program = program_of(&guest.join("initramfs.cpio")).ok()??;
            Some(Guest { program, command_line: recorded_line(&qemu)?, qemu })
        });
        found.ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("there are no recordings of a guest in {}", dir.display()))
                .cause("qemu.cmdline or initramfs.cpio of its guests is missing or cannot be read")
                .next("Pack the whole directory of a run, not only its report, or run it again.")
        })
    }
}

/// The directories of all guests of a run, including those of rounds and retries.
fn guests(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut inside: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()).collect();
    inside.sort();
    inside
        .into_iter()
        .flat_map(|path| if path.join("qemu.cmdline").is_file() { vec![path] } else { guests(&path) })
        .collect()
}

fn members(image: &KernelImage, program: &GuestBinary, report: &RunReport) -> Result<Members> {
    let mut members = Members::default();
    members.file(member::KERNEL, &image.vmlinux);
    for (name, file) in [(member::SYSTEM_MAP, "System.map"), (member::CONFIG, "config"), (member::FACTS, "facts.json")]
    {
        members.file(name, &image.dir.join(file));
    }
    if let Some(symbols) = debug::symbols(&image.dir) {
        members.file(member::DEBUG, &symbols);
    }
    if let Some(policy) = policy::compiled(&image.dir) {
        members.file(member::POLICY, &policy);
    }
    members.bytes(member::GUEST, program.bytes.clone());
    members.bytes(member::REPORT, json(report)?);
    members.bytes(member::KNOWN_DEFECTS, known_defects::BUILT_IN);
    members.bytes(member::ALLOWED, suppressions::BUILT_IN);
    let dir = workspace::snapshots();
    for file in files(&dir) {
        let snapshot = file.extension().is_some_and(|extension| extension == "snap");
        if let Some(name) = file.strip_prefix(&dir).ok().filter(|_| snapshot) {
            members.file(format!("{}/{}", member::SNAPSHOTS, name.display()), &file);
        }
    }
    Ok(members)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// `7.2-derive-sanitized-0123abcd.pack.tar.gz`. If the series is a path, only its last component is used.
fn name(identity: &PackIdentity) -> String {
    let plain = |text: &str| {
        let last = text.rsplit(['/', ':']).find(|part| !part.is_empty()).unwrap_or("x");
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        last.chars().map(plain).collect::<String>().trim_start_matches('.').to_string()
    };
    let PackIdentity { kernel, series, flavour, image, .. } = identity;
    let image: String = image.chars().take(8).collect();
    format!("{}-{}-{}-{}{SUFFIX}", plain(kernel), plain(series), plain(flavour), plain(&image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_named_after_kernel_series_flavour_and_image() {
        let text = |text: &str| text.to_string();
        let mut identity = PackIdentity {
            kernel: text("7.2"),
            series: text("derive"),
            flavour: text("sanitized"),
            image: text("0123456789abcdef"),
            ..PackIdentity::default()
        };
        assert_eq!(name(&identity), "7.2-derive-sanitized-01234567.pack.tar.gz");
        (identity.kernel, identity.series) = (text("git:https://example.org/a b#v7.2"), text("/tmp/.my series/"));
        assert_eq!(name(&identity), "a_b_v7.2-my_series-sanitized-01234567.pack.tar.gz");
    }
}
