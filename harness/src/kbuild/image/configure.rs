//! Configures a build directory, and checks that every option survived.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Result, io};
use crate::host::progress::Progress;
use crate::kbuild::build_dir::BuildDir;
use crate::kbuild::kconfig::{Flavour, Request};
use crate::patch::PatchedTree;

/// Configures unless the object directory already is, by the same fragments and for the same Kconfig files.
pub(super) fn configure(
    workshop: &BuildDir,
    patched: &PatchedTree,
    flavour: &Flavour,
    progress: &Progress,
) -> Result<()> {
    let wanted = [workshop.kconfigs()?, flavour.digest(&patched.source.version)].join("\n");
    let note = workshop.note("configured");
    let config = workshop.objects().join(".config");
    if config.exists() && fs::read_to_string(&note).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    let task = progress.task(&format!("configuring ({})", flavour.name), None);
    let _ = fs::remove_file(&note);
    let others = flavour.configure(&workshop.tree(), &patched.source.version, &workshop.objects())?;
    fs::write(&note, wanted).map_err(|error| io(&error, "writing", &note))?;
    task.done(match others.is_empty() {
        true => "every option asked for is there".into(),
        false => format!("every option asked for is there; not asked for {}", listed(&others)),
    });
    Ok(())
}

/// What make has to leave without KASAN so that the kernel survives its first function.
///
/// The PVH entry, `xen_prepare_pvh()`, runs before KASAN has a shadow, and asks `memcmp()` for the name of the hypervisor.
/// Newer trees keep both free of instrumented code, by `KASAN_SANITIZE := n` in `arch/x86/platform/pvh/Makefile` and by
/// `__builtin_memcmp()`; in 6.1 both are instrumented, and the guest resets without a word. `lib/string.c` is also what
/// 6.1 itself leaves out when it is built with AMD_MEM_ENCRYPT, for the same reason.
pub(super) fn uninstrumented(tree: &Path) -> &'static [&'static str] {
    let headers = ["cpuid/api.h", "cpuid.h", "processor.h"].map(|name| tree.join("arch/x86/include/asm").join(name));
    let inlined = |header: &PathBuf| fs::read_to_string(header).is_ok_and(|text| text.contains("__builtin_memcmp(sig"));
    if headers.iter().any(inlined) { &[] } else { &["KASAN_SANITIZE_enlighten.o=n", "KASAN_SANITIZE_string.o=n"] }
}

/// What make has to be told where KCSAN looks for races: to instrument the code under test and nothing else.
///
/// KCSAN watches one access in so many, wherever it is instrumented; in a whole kernel those of dma-buf hardly ever have
/// their turn. `scripts/Makefile.lib` joins the variable of an object with the one for all.
pub(super) fn watched(flavour: &Flavour, tree: &Path) -> Vec<String> {
    if !flavour.asks_for("CONFIG_KCSAN") {
        return Vec::new();
    }
    let dirs = ["drivers/dma-buf", "drivers/dma-buf/heaps"].map(|dir| tree.join(dir));
    let names = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().filter_map(Result::ok);
    let mut objects: Vec<String> = names
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".c")?.to_string()))
        .map(|name| format!("KCSAN_SANITIZE_{name}.o=y"))
        .collect();
    objects.sort();
    objects.insert(0, "KCSAN_SANITIZE=n".into());
    objects
}

fn listed(requests: &[Request]) -> String {
    let range = |request: &Request| request.range.map(|range| format!(" ({range})")).unwrap_or_default();
    let each = |request: &Request| format!("{}={}{}", request.option, request.value, range(request));
    requests.iter().map(each).collect::<Vec<_>>().join(", ")
}
