//! Rules of this repository that the compiler does not check.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::root;
use harness::judge::expectation::overrides;
use harness::kernel_range::Release;

/// Every file that git tracks or would track.
fn files() -> Vec<PathBuf> {
    let args = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(args).current_dir(root()).output().expect("git runs");
    let text = String::from_utf8(output.stdout).expect("paths are text");
    let files: Vec<PathBuf> = text.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect();
    assert!(files.len() > 20, "git lists hardly any file: {files:?}");
    files
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

fn rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Fails with all offences.
fn none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n{}", offences.join("\n"));
}

#[test]
fn files_stay_short_enough_to_read() {
    // Longer files, with the reason why they are not split.
    let allowed = [("cases/src/uapi/importer.rs", "the ioctl ABI of the test importer, request by request")];
    let long = files().into_iter().filter(|path| rust(path)).filter_map(|path| {
        let lines = text(&path)?.lines().count();
        let excused = allowed.iter().any(|(name, _)| path == Path::new(name));
        (lines > 500 && !excused).then(|| format!("{}: {lines} lines", path.display()))
    });
    none("split these, or say why not", &long.collect::<Vec<_>>());
}

#[test]
fn only_the_system_call_wrappers_are_unsafe() {
    let wrapper = |path: &Path| path.starts_with("cases/src/uapi");
    let offences = files().into_iter().filter(|path| rust(path) && !wrapper(path)).filter_map(|path| {
        let text = text(&path)?;
        // With or without a reason.
        let needle = ["allow(unsafe", "_code"].concat();
        text.contains(&needle).then(|| path.display().to_string())
    });
    none("unsafe code belongs in cases/src/uapi", &offences.collect::<Vec<_>>());
}

#[test]
fn only_one_module_of_the_harness_starts_processes() {
    let needle = ["process", "::Command"].concat();
    let offences =
        files().into_iter().filter(|path| rust(path) && path.starts_with("harness/src")).filter_map(|path| {
            let starts = text(&path)?.contains(&needle) && !path.starts_with("harness/src/host/process");
            starts.then(|| path.display().to_string())
        });
    none("start programs through harness::host::process", &offences.collect::<Vec<_>>());
}

#[test]
fn what_depends_on_an_architecture_is_in_its_table() {
    // Other places, with the reason why they name one.
    let allowed = [
        ("harness/src/host/arch.rs", "the table"),
        ("cases/src/uapi/mod.rs", "chooses the module below"),
        ("cases/src/uapi/x86_64", "instructions of the guest program"),
        ("cases/src/uapi/arm64", "instructions of the guest program"),
        ("harness/src/source/apt.rs", "the index of packages that are the same for all"),
        ("harness/src/kbuild/image/configure.rs", "an entry that only one has"),
        ("harness/src/judge/complaint/frame/ignored.rs", "names of functions, which tell themselves apart"),
        ("xtask/src/flags", "help for people"),
        ("xtask/src/commands/shell/mod.rs", "the error of a shell, which only one has"),
    ];
    // Names of constants are not among them: who uses one goes through the table.
    let words =
        ["x86_", "x86-", "/x86", "amd64", "i386", "aarch64", "ttyS", "ttyAMA", "bzImage", "isa-debug", "linux-gnu"];
    let sources = ["cases/src", "harness/src", "mutants/src", "xtask/src"];
    let mut offences = Vec::new();
    for path in files().into_iter().filter(|path| rust(path) && sources.iter().any(|source| path.starts_with(source))) {
        if allowed.iter().any(|(name, _)| path.starts_with(name)) || path.ends_with("tests.rs") {
            continue;
        }
        let Some(text) = text(&path) else { continue };
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let named = lines.filter(|line| words.iter().any(|word| line.contains(word)));
        offences.extend(named.map(|line| format!("{}: {}", path.display(), line.trim())));
    }
    for (name, _) in allowed {
        assert!(root().join(name).exists(), "{name} is not there any more");
    }
    none("an architecture outside of harness/src/host/arch.rs", &offences);
}

#[test]
fn dependencies_between_crates_point_one_way() {
    let mut offences = Vec::new();
    for path in files().into_iter().filter(|path| rust(path)) {
        let Some(text) = text(&path) else { continue };
        if path.starts_with("cases/src") && (text.contains("use harness") || text.contains("qemu-system")) {
            offences.push(format!("{}: cases must not use the harness", path.display()));
        }
        if path.starts_with("harness/src") && text.contains("cases::uapi") {
            offences.push(format!("{}: harness must not use dma-buf ioctls", path.display()));
        }
    }
    none("forbidden dependencies", &offences);
}

#[test]
fn every_case_file_is_in_the_suite_and_every_case_has_its_file() {
    let suite = Path::new("cases/src/suite");
    let mut in_files: Vec<String> = files()
        .iter()
        .filter(|path| rust(path))
        .filter_map(|path| path.strip_prefix(suite).ok())
        .filter(|path| path.components().count() == 2 && !path.ends_with("mod.rs"))
        .filter(|path| text(&suite.join(path)).is_some_and(|text| text.contains("case! {")))
        .map(|path| path.with_extension("").display().to_string())
        .collect();
    let mut listed: Vec<String> = cases::suite::CASES.iter().map(cases::case::Case::id).collect();
    in_files.sort();
    listed.sort();
    assert_eq!(in_files, listed, "files with a case on the left, the list in cases/src/suite/mod.rs on the right");
}

#[test]
fn snapshots_belong_to_cases_and_overrides_are_needed() {
    let expectations = harness::judge::expectation::Expectations::new(&root().join("cases/snapshots"));
    let kernels = harness::source::spec::Kernels::load(&root().join("kernels.toml")).expect("kernels.toml is valid");
    let reference = Release::of(kernels.default_id()).expect("the default kernel is a release");
    none("these snapshots are wrong or not needed", &overrides::faults(&expectations, &releases(), reference));
}

/// The kernels of kernels.toml whose id is a release.
fn releases() -> Vec<Release> {
    let kernels = harness::source::spec::Kernels::load(&root().join("kernels.toml")).expect("kernels.toml is valid");
    kernels.iter().filter_map(|kernel| Release::of(&kernel.id)).collect()
}

#[test]
fn minimum_versions_are_tested_releases_with_an_older_one() {
    let mut offences = Vec::new();
    for need in cases::need::Need::ALL {
        let Some(text) = need.since() else { continue };
        let since = Release::of(text).expect("a minimum version is a release");
        if !releases().contains(&since) {
            offences.push(format!("{}: {since} is not tested; name a kernel of kernels.toml", need.name()));
        }
        if !releases().iter().any(|release| *release < since) {
            offences.push(format!("{}: no kernel of kernels.toml is older than {since}", need.name()));
        }
    }
    none("these minimum versions are not tested", &offences);
}

#[test]
fn known_defects_are_about_kernels_that_are_tested() {
    let known = harness::judge::expectation::known_defects::KnownDefects::built_in().expect("the list is valid");
    let elsewhere = known.iter().filter(|defect| !releases().iter().any(|release| defect.range.holds(*release)));
    let elsewhere: Vec<String> = elsewhere.map(|defect| format!("{:?} {}", defect.keys, defect.range)).collect();
    none("no kernel of kernels.toml is in the range of these", &elsewhere);
}

#[test]
fn kernel_code_names_its_licence() {
    let kernel = |path: &PathBuf| path.starts_with("cases/kernel") || path.starts_with("patches");
    let missing = files().into_iter().filter(kernel).filter_map(|path| {
        let text = text(&path)?;
        let patch = path.extension().is_some_and(|extension| extension == "patch");
        let fine =
            if patch { text.contains("Signed-off-by:") } else { text.contains("SPDX-License-Identifier: GPL-2.0") };
        (!fine).then(|| path.display().to_string())
    });
    none("kernel code needs an SPDX line with GPL-2.0, patches a Signed-off-by", &missing.collect::<Vec<_>>());
}

#[test]
fn no_file_contains_paths_of_a_machine() {
    // Split in two parts, so that this file does not break the rule.
    let home: Vec<String> = [("/ro", "ot/"), ("/wo", "rk/"), ("/ho", "me/")].map(|(a, b)| [a, b].concat()).to_vec();
    let mut offences = Vec::new();
    for path in files().into_iter().filter(|path| path != Path::new("Cargo.lock")) {
        let Some(text) = text(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if home.iter().any(|prefix| line.contains(prefix.as_str())) {
                offences.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    none("paths of a machine", &offences);
}

#[test]
fn links_in_documents_exist() {
    let mut offences = Vec::new();
    for path in files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let Some(text) = text(&path) else { continue };
        let here = path.parent().unwrap_or(Path::new(""));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !root().join(here).join(target).exists() {
                offences.push(format!("{}: {link}", path.display()));
            }
        }
    }
    none("broken links", &offences);
}

#[test]
fn the_triage_page_has_every_verdict_and_exit_code() {
    use harness::judge::verdict::Verdict;
    let page = text(Path::new("docs/triage.md")).expect("docs/triage.md is there");
    let codes =
        harness::exit_code::ExitCode::ALL.iter().map(|code| format!("| {} | {} |", code.number(), code.meaning()));
    let some = || "x".to_string();
    let verdicts = [
        Verdict::Pass,
        Verdict::ExpectedHazard { reason: some() },
        Verdict::HazardGone,
        Verdict::Skipped { need: some(), why: some() },
        Verdict::UnexpectedSkip { need: some(), why: some() },
        Verdict::Failed { reasons: vec![some()] },
        Verdict::KnownDefect { reason: some(), reasons: vec![some()] },
        Verdict::DefectGone { reason: some() },
        Verdict::Breaks { reasons: vec![some()] },
        Verdict::Unbroken,
        Verdict::Differs { diff: some() },
        Verdict::Recorded { diff: some() },
        Verdict::Unreviewed,
        Verdict::Broken { why: some() },
        Verdict::Lost { begun: true, how: some() },
        Verdict::NotRun { why: some() },
        Verdict::Blocked { by: some() },
    ];
    let words = verdicts.iter().map(|verdict| format!("| {} | {} |", verdict.word(), verdict.exit_code().number()));
    let missing: Vec<String> = codes.chain(words).filter(|row| !page.contains(row.as_str())).collect();
    none("docs/triage.md lacks these rows", &missing);
}

#[test]
fn the_contract_page_has_every_clause() {
    let page = text(Path::new("docs/contract.md")).expect("docs/contract.md is there");
    let missing = cases::clause::CLAUSES.iter().filter(|clause| {
        let row = format!("**{}** {}", clause.id, clause.claim);
        !page.contains(&row)
    });
    let missing: Vec<String> = missing.map(|clause| format!("**{}** {}", clause.id, clause.claim)).collect();
    none("docs/contract.md lacks these clauses with the text of cases/src/clause.rs", &missing);
}

#[test]
fn the_contract_page_has_the_table_of_cases() {
    let path = Path::new("docs/contract.md");
    let page = text(path).expect("docs/contract.md is there");
    let (start, end) = ("<!-- table of cases -->\n", "<!-- end of the table -->");
    let (before, rest) = page.split_once(start).expect("the page says where its table starts");
    let (table, after) = rest.split_once(end).expect("the page says where its table ends");
    let wanted = cases::catalogue::table("../cases/src/suite");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join(path), [before, start, &wanted, end, after].concat()).expect("the page can be written");
    } else {
        let hint = "the table is out of date; `UPDATE=1 cargo test -p xtask --test rules` writes it";
        assert_eq!(table, wanted, "docs/contract.md: {hint}");
    }
}
