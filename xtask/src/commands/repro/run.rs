//! `cargo xtask repro run`: boots the kernel of a pack and judges the run by the expectations in it.

use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::{Duration, Instant};

use cases::protocol::CaseKey;
use cases::suite;
use harness::error::{Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::findings;
use harness::host::progress::{Mode, Progress};
use harness::host::setup::Purpose;
use harness::host::style::{Style, detect};
use harness::kbuild::image;
use harness::report::pack::compare;
use harness::report::pack::member;
use harness::report::pack::read::Pack;
use harness::report::pack::suite_version::SuiteVersion;
use harness::report::render::html;
use harness::report::run_report::{OLDEST, RunReport, RunSetting, SCHEMA, Timing};
use harness::session::guests::Session;

use super::chosen;
use crate::commands::test;
use crate::flags::{Format, PackRunArgs};
use crate::run::case_times;
use crate::run::debug;
use crate::run::debug::Gdb;
use crate::run::job::keep;
use crate::run::pipeline::Pipeline;
use crate::run::rounds::{RoundRunner, RoundsDone};
use crate::run::run_directory;
use crate::run::run_files;
use crate::settings;
use crate::workspace;

/// Prefix of the directories in which packs are unpacked, beside those of the runs.
const UNPACKED: &str = ".pack-";
/// The age at which such a directory counts as left over.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Runs cases of a pack, and prints the report and a comparison with the recorded one.
///
/// # Errors
/// [`ErrorKind::Usage`] for a file that is not a valid pack, for a pack of another version of the suite, and for a case that
/// is not in it; [`ErrorKind::Host`].
pub fn run(args: &PackRunArgs, quiet: bool) -> Result<ExitCode> {
    let (start, asked) = (Instant::now(), run_files::provenance());
    let pipeline = Pipeline::open(quiet)?;
    let runs = workspace::runs();
    fs::create_dir_all(&runs).map_err(|error| io(&error, "creating", &runs))?;
    sweep(&runs);
    let scratch = tempfile::Builder::new().prefix(UNPACKED).tempdir_in(&runs);
    let scratch = scratch.map_err(|error| io(&error, "making a directory in", &runs))?;
    let pack = Pack::unpack(&args.file, scratch.path())?;
    let recorded = pack.report()?;
    if !(OLDEST..=SCHEMA).contains(&recorded.schema) {
        return Err(Error::new(ErrorKind::Usage, format!("the report in {} has another version", args.file.display()))
            .cause(format!("its schema is {}, this program reads {OLDEST} to {SCHEMA}", recorded.schema))
            .next(pack.advice()));
    }
    // Check the pack before anything is installed.
    let plan = plan(&pack, &recorded, &args.cases)?;
    let (image, context, program) = (pack.image()?, pack.context()?, pack.guest()?);
    let boot = Purpose::boot(image.facts.arch());
    let needs: &[Purpose] = if args.debug.gdb { &[boot, Purpose::Debugger] } else { &[boot] };
    if args.debug.gdb {
        debug::require_one_case(&plan)?;
    }
    pipeline.tools(needs, args.no_install)?;
    let unpacked = start.elapsed();

    let dir = run_directory::fresh(settings::keep(), &pipeline.progress)?;
    let provenance = asked.answered().of_kernel(image.facts.arch(), &pack.manifest.identity.compiler);
    run_files::without_series(&dir, &pack.path(member::CONFIG), &provenance)?;
    keep_series(&pack, &dir)?;
    for line in suite_differences(&pack, &provenance.commit) {
        pipeline.progress.warn(&line);
    }
    let mut acceleration = pipeline.acceleration(args.guest.accel, &image)?;
    let gdb = args.debug.gdb.then(|| debugger(&pack, &pipeline, &plan, &dir)).transpose()?;
    let silent = Progress::new(Mode::Quiet);
    let command_line = Some(pack.manifest.boot.command_line.clone());
    let mut sessions = RoundRunner {
        session: Session {
            command_line,
            jobs: args.guest.jobs(),
            times: case_times::load(&image.facts.flavour),
            ..Session::new(&image, &program, &context, acceleration.accel(), &dir)
        },
        acceleration: &mut acceleration,
        progress: if gdb.is_some() { &silent } else { &pipeline.progress },
        gdb: gdb.as_ref(),
    };
    let booted = Instant::now();
    let RoundsDone { merged, guests } = sessions.run(&plan, &args.repeat)?;
    let report = RunReport {
        schema: SCHEMA,
        setting: RunSetting {
            accel: acceleration.text().into(),
            built: false,
            options: args.guest.accel.given().map(|accel| format!("--accel {accel}")).unwrap_or_default(),
            pack: Some(args.file.display().to_string()),
            ..recorded.setting.clone()
        },
        findings: findings::group(&merged.verdicts),
        verdicts: merged.verdicts,
        protocol_errors: merged.protocol_errors,
        order_unchecked: merged.order_unchecked,
        guests,
        timing: Timing { kernel: unpacked.as_secs_f64(), guest_program: 0.0, guests: booted.elapsed().as_secs_f64() },
        interrupted: merged.interrupted,
        elsewhere: Vec::new(),
        rounds: merged.rounds,
        provenance: Some(provenance),
    };
    keep(&dir, &report)?;
    print!("{}", test::rendered(&report, args.format, args.all)?);
    match args.format {
        Format::Terminal => print!("{}", compare::render(&report, &recorded, detect())),
        // Standard output has only the requested format.
        _ => eprint!("{}", compare::render(&report, &recorded, Style::Plain)),
    }
    if !matches!(report.exit_code(), ExitCode::AsExpected) {
        eprintln!("report: {}", dir.join(html::NAME).display());
    }
    Ok(report.exit_code())
}

/// Removes directories that killed programs left behind.
fn sweep(runs: &Path) {
    let old = |entry: &DirEntry| {
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        age.is_some_and(|age| age > ABANDONED)
    };
    let unpacked = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with(UNPACKED);
    for entry in fs::read_dir(runs).into_iter().flatten().flatten().filter(|entry| unpacked(entry) && old(entry)) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// Prepares gdb. Uses the kernel in the cache if it is there, because it has gdb scripts and a pack does not.
fn debugger(pack: &Pack, pipeline: &Pipeline, plan: &[CaseKey], dir: &Path) -> Result<Gdb> {
    let own = image::find(&pipeline.store, &pack.manifest.identity.image)?;
    let image = own.map_or_else(|| pack.path("kernel"), |image| image.dir);
    Gdb::prepare(pack.image()?.facts.arch(), plan, &image, dir)
}

/// The cases to run: those that match a filter, or by default those chosen when the pack was made.
fn plan(pack: &Pack, recorded: &RunReport, filters: &[String]) -> Result<Vec<CaseKey>> {
    let all: Vec<CaseKey> = recorded.verdicts.iter().map(|verdict| verdict.key.clone()).collect();
    let plan = if filters.is_empty() { pack.manifest.cases.clone() } else { chosen(filters, &all)? };
    let protocol = pack.manifest.suite.protocol;
    if protocol != cases::protocol::VERSION {
        return Err(Error::new(
            ErrorKind::Usage,
            "the guest program of the pack belongs to another version of the suite",
        )
        .cause(format!("its protocol has version {protocol}, that of this program {}", cases::protocol::VERSION))
        .next(pack.advice()));
    }
    let unknown: Vec<&str> = plan.iter().filter(|key| suite::find(key).is_none()).map(|key| key.0.as_str()).collect();
    if !unknown.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "this version of the suite lacks cases of the pack")
            .cause(unknown.join(", "))
            .next(format!("{}\nOr select other cases with --case.", pack.advice())));
    }
    Ok(plan)
}

/// Copies the patches to where other runs have them.
fn keep_series(pack: &Pack, dir: &Path) -> Result<()> {
    let to = dir.join(member::SERIES);
    fs::create_dir_all(&to).map_err(|error| io(&error, "creating", &to))?;
    let patches = pack.manifest.members.keys().filter_map(|name| Some((name, name.strip_prefix("series/")?)));
    for (name, patch) in patches.filter(|(_, patch)| !patch.contains('/')) {
        let from = pack.path(name);
        fs::copy(&from, to.join(patch)).map_err(|error| io(&error, "copying", &from))?;
    }
    Ok(())
}

/// Differences between this checkout and the one that made the pack that can change verdicts.
fn suite_differences(pack: &Pack, own: &str) -> Vec<String> {
    let theirs = &pack.manifest.suite;
    let differences = theirs.differences(&SuiteVersion::own(None));
    if differences.is_empty() {
        return Vec::new();
    }
    let by = |commit: &str| if commit.is_empty() { "an unknown commit".into() } else { commit.to_string() };
    let head = format!(
        "the pack was made by another version of the suite ({}); verdicts here follow the rules of this checkout ({}):",
        by(theirs.commit.as_deref().unwrap_or_default()),
        by(own)
    );
    [vec![head], differences].concat()
}
