//! Configures a build directory, and checks that every requested option was set.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Result, io};
use crate::host::arch::{Arch, X86_64};
use crate::host::progress::Progress;
use crate::kbuild::build_dir::BuildDir;
use crate::kbuild::kconfig::{Flavour, Request};
use crate::patch::PatchedTree;

/// Configures, unless the object directory was configured with the same fragments and Kconfig files; then it returns false.
pub(super) fn configure(
    build_dir: &BuildDir,
    patched: &PatchedTree,
    flavour: &Flavour,
    progress: &Progress,
) -> Result<bool> {
    let wanted = [build_dir.kconfigs()?, flavour.digest(&patched.source.version)].join("\n");
    let note = build_dir.note("configured");
    let config = build_dir.objects().join(".config");
    if config.exists() && fs::read_to_string(&note).is_ok_and(|done| done == wanted) {
        return Ok(false);
    }
    let task = progress.task(&format!("configuring ({})", flavour.name), None);
    let _ = fs::remove_file(&note);
    let others = flavour.configure(&build_dir.tree(), &patched.source.version, &build_dir.objects())?;
    fs::write(&note, wanted).map_err(|error| io(&error, "writing", &note))?;
    task.done(match others.is_empty() {
        true => "all requested options are set".into(),
        false => format!("all requested options are set; not for this kernel: {}", listed(&others)),
    });
    Ok(true)
}

/// make variables that exclude objects from KASAN, without which old kernels do not boot.
///
/// The PVH entry, `xen_prepare_pvh()`, runs before KASAN has its shadow memory, and calls `memcmp()` to find the hypervisor.
/// Newer trees do not instrument them, by `KASAN_SANITIZE := n` in `arch/x86/platform/pvh/Makefile` and by
/// `__builtin_memcmp()`. In 6.1 both are instrumented, and the guest resets without output. With AMD_MEM_ENCRYPT, 6.1
/// itself excludes `lib/string.c` for the same reason.
pub(super) fn uninstrumented(arch: &Arch, tree: &Path) -> &'static [&'static str] {
    if *arch != X86_64 {
        return &[];
    }
    let headers = ["cpuid/api.h", "cpuid.h", "processor.h"].map(|name| tree.join("arch/x86/include/asm").join(name));
    let inlined = |header: &PathBuf| fs::read_to_string(header).is_ok_and(|text| text.contains("__builtin_memcmp(sig"));
    if headers.iter().any(inlined) { &[] } else { &["KASAN_SANITIZE_enlighten.o=n", "KASAN_SANITIZE_string.o=n"] }
}

/// make variables for KCSAN: instrument only the code under test.
///
/// KCSAN samples the instrumented accesses; in a kernel that is instrumented everywhere it would hardly ever sample one of
/// dma-buf. `scripts/Makefile.lib` reads the variable of an object and the one for all.
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
