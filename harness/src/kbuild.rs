//! From a patched tree and a flavour to a kernel image in the cache.

pub mod debug;
mod keep;
pub mod profile;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::error::{Blame, Context, Error, Result, io};
use crate::kconfig::{Flavour, Request};
use crate::patch::PatchedTree;
use crate::process::{self, Cmd, Followed, Output, tail};
use crate::progress::Progress;
use crate::store::lock::StoreLock;
use crate::store::manifest::{Depth, sha256_of};
use crate::store::space::full_disk;
use crate::store::{Condition, Store};
use crate::uapi_header;
use crate::workshop::{self, Workshop};

/// A kernel that can be booted.
#[derive(Clone, Debug)]
pub struct KernelImage {
    /// Uncompressed kernel with a PVH entry, stripped.
    pub vmlinux: PathBuf,
    /// The directory it is in, with System.map, config and build.log.
    pub dir: PathBuf,
    /// What is known about it.
    pub facts: ImageFacts,
    /// Keeps another run from pruning it.
    _held: Arc<StoreLock>,
}

/// What is known about an image; kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Hash over source, edits, fragments, compiler.
    pub key: String,
    /// Version as the tree's Makefile gives it.
    pub version: String,
    /// Where the source came from.
    pub origin: String,
    /// Flavour of the configuration.
    pub flavour: String,
    /// First line of `gcc --version`.
    pub compiler: String,
    /// Whether the tree's header defines the ioctl.
    pub defines_derive: bool,
    /// Seconds that make took.
    pub build_seconds: u64,
}

/// Changes with every change of this module that makes old images unusable.
pub const RECIPE: &str = "1";
/// The kind of the cache entries that hold images.
pub const KIND: &str = "images";
const FACTS: &str = "facts.json";

/// Builds the image, or finds it in the cache.
///
/// # Errors
/// [`Blame::Kconfig`] for an option that fell away, [`Blame::Build`] with the compiler's lines, [`Blame::Host`];
/// [`Blame::Patch`] when DERIVE cannot be called as the patched header has it.
pub fn build(
    kernel: &str,
    patched: &PatchedTree,
    flavour: &Flavour,
    store: &Store,
    progress: &Progress,
) -> Result<KernelImage> {
    let compiler = compiler()?;
    let source = match patched.source.pristine {
        true => patched.source.key.clone(),
        false => workshop::fingerprint(&patched.source.dir)?,
    };
    let (edits, requests) = (patched.edits.digest(), flavour.digest(&patched.source.version));
    let watched = [watched(flavour, &patched.source.dir), profile::variables(flavour, patched)].concat().join(" ");
    let mut parts = vec![RECIPE, &source, &edits, &requests, &compiler];
    parts.extend((!watched.is_empty()).then_some(watched.as_str()));
    let key = sha256_of(parts.join("\n").as_bytes())[..32].to_string();
    let provide = || {
        store.publish_with_manifest(KIND, &key, |dir| {
            let workshop = Workshop::open(store, kernel, &flavour.name)?;
            make(&workshop, patched, flavour, progress, |seconds| {
                let facts = ImageFacts {
                    key: key.clone(),
                    version: patched.source.version.clone(),
                    origin: patched.source.origin.clone(),
                    flavour: flavour.name.clone(),
                    compiler: compiler.clone(),
                    defines_derive: patched.defines_derive,
                    build_seconds: seconds,
                };
                collect(&workshop, dir, &facts)?;
                debug::keep(flavour, &workshop, dir)?;
                profile::keep(flavour, patched, &workshop, dir)
            })
        })
    };
    let (dir, held) = loop {
        let dir = provide()?;
        // Between the two it may have been pruned.
        if let Some(held) = store.hold(KIND, &key)? {
            break (dir, Arc::new(held));
        }
    };
    // The same contents may have been built before from another place.
    let facts = ImageFacts { origin: patched.source.origin.clone(), ..ImageFacts::load(&dir)? };
    keep::prune(store, &dir.join(FACTS))?;
    Ok(KernelImage { vmlinux: dir.join("vmlinux"), dir, facts, _held: held })
}

/// The image of this key, if it is in the cache and undamaged.
///
/// # Errors
/// [`Blame::Host`] when the cache cannot be read.
pub fn find(store: &Store, key: &str) -> Result<Option<KernelImage>> {
    let Some(held) = store.hold(KIND, key)? else { return Ok(None) };
    let Condition::Sound(dir) = store.verify(KIND, key, Depth::Hashes)? else { return Ok(None) };
    let facts = ImageFacts::load(&dir)?;
    Ok(Some(KernelImage { vmlinux: dir.join("vmlinux"), dir, facts, _held: Arc::new(held) }))
}

impl ImageFacts {
    fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(FACTS);
        let text = fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path))?;
        serde_json::from_str(&text).context(Blame::Internal, || format!("{} is damaged", path.display()))
    }
}

/// The keys of all images, the one used last first.
fn keys_by_use(store: &Store) -> Vec<String> {
    let kind = store.root().join(KIND);
    let last_used = |key: &String| kind.join(key).join(FACTS).metadata().and_then(|meta| meta.modified()).ok();
    let mut keys = store.keys(KIND);
    keys.sort_by_key(|key| std::cmp::Reverse(last_used(key)));
    keys
}

/// What images there are, one line for each version and flavour: `7.2.13 sanitized, 12 images`.
pub fn known(store: &Store) -> Vec<String> {
    let facts = |key: &String| -> Option<ImageFacts> {
        serde_json::from_str(&fs::read_to_string(store.entry(KIND, key)?.join(FACTS)).ok()?).ok()
    };
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for facts in store.keys(KIND).iter().filter_map(facts) {
        *kinds.entry(format!("{} {}", facts.version, facts.flavour)).or_default() += 1;
    }
    let line = |(kind, count)| format!("{kind}, {count} image{}", if count == 1 { "" } else { "s" });
    kinds.into_iter().map(line).collect()
}

/// The kernel that was used last, if there is one.
pub fn used_last(store: &Store) -> Option<PathBuf> {
    let dir = store.entry(KIND, keys_by_use(store).first()?)?;
    Some(dir.join("vmlinux"))
}

fn compiler() -> Result<String> {
    let text = Cmd::new("gcc").arg("--version").succeed(Blame::Host, "gcc does not run")?;
    Ok(text.lines().next().unwrap_or_default().to_string())
}

fn make(
    workshop: &Workshop,
    patched: &PatchedTree,
    flavour: &Flavour,
    progress: &Progress,
    collect: impl FnOnce(u64) -> Result<()>,
) -> Result<()> {
    let start = std::time::Instant::now();
    workshop.sync(patched)?;
    let attempt = || compile(workshop, patched, flavour, progress, debug::targets(flavour));
    workshop.begin(progress)?;
    let output = match attempt()? {
        // Objects of an earlier build are no fault of the kernel's.
        output if !output.status.success() && damaged_objects(&output.text) => {
            progress.warn("objects of an earlier build are damaged; all are built again");
            workshop.discard_objects()?;
            workshop.begin(progress)?;
            attempt()?
        }
        output => output,
    };
    if !output.status.success() {
        return Err(does_not_compile(&output.text, &workshop.note("build.log")));
    }
    collect(start.elapsed().as_secs())
}

/// Makes single objects of a patched tree, such as `drivers/dma-buf/dma-buf.o`, as far as they can be made, and shows what
/// make said and the object directory to `look` while nobody else uses the workshop. Whether they compile is for `look`.
///
/// # Errors
/// As [`build`], without those of the compiler, and those of `look`.
pub fn objects<T>(
    kernel: &str,
    patched: &PatchedTree,
    flavour: &Flavour,
    store: &Store,
    progress: &Progress,
    names: &[&str],
    look: impl FnOnce(&Output, &Path) -> Result<T>,
) -> Result<T> {
    let workshop = Workshop::open(store, kernel, &flavour.name)?;
    workshop.sync(patched)?;
    workshop.begin(progress)?;
    let targets: Vec<&str> = ["--keep-going"].iter().chain(names).copied().collect();
    let output = compile(&workshop, patched, flavour, progress, &targets)?;
    if let Some(error) = full_disk(&output.text, "building the kernel in", &workshop.objects()) {
        return Err(error);
    }
    look(&output, &workshop.objects())
}

/// Configures and makes. What is interrupted, and had no time to clean up, is left open in the workshop.
fn compile(
    workshop: &Workshop,
    patched: &PatchedTree,
    flavour: &Flavour,
    progress: &Progress,
    targets: &[&str],
) -> Result<Output> {
    configure(workshop, patched, flavour, progress)?;
    let log_path = workshop.note("build.log");
    let mut log = process::create(&log_path)?;
    let from_the_start = !workshop.has_built();
    let total = expected_objects(workshop, targets.contains(&"vmlinux"));
    let task = progress.task(&format!("building Linux {} ({})", patched.source.version, flavour.name), total);
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut objects = 0;
    let followed = Cmd::new("make")
        .dir(&workshop.tree())
        .args([&format!("-j{jobs}"), &format!("O={}", workshop.objects().display())])
        .args(uninstrumented(&workshop.tree()))
        .args(watched(flavour, &workshop.tree()))
        .args(profile::variables(flavour, patched))
        .args(targets)
        // Without these every build would differ in its banner, and a kernel that was built twice would look changed.
        .env("KBUILD_BUILD_USER", "conformance")
        .env("KBUILD_BUILD_HOST", "conformance")
        .env("KBUILD_BUILD_TIMESTAMP", "1970-01-01")
        .env("KBUILD_BUILD_VERSION", "1")
        .holding(&workshop.lock)
        .follow(|line| {
            let _ = writeln!(log, "{line}");
            if let Some(object) = object(line) {
                objects += 1;
                // Once there are more than last time, nobody knows how many.
                task.total_at_least(objects);
                task.set(objects);
                task.message(object);
            }
        })?;
    let output = match followed {
        Followed::Ended(output) => output,
        Followed::Stopped { by_itself } => {
            if by_itself {
                workshop.end()?;
            }
            return Err(process::interruption());
        }
    };
    // Without a code make was killed and could not remove what it was making.
    if output.status.code().is_some() {
        workshop.end()?;
    }
    if !output.status.success() {
        return Ok(output);
    }
    task.done(format!("{objects} objects"));
    if targets.contains(&"vmlinux") {
        // The note of a build from the start is for the next one such, that of another step for the next step.
        let path = workshop.note(if from_the_start { FROM_THE_START } else { A_STEP });
        fs::write(&path, objects.to_string()).map_err(|error| io(&error, "writing", &path))?;
    }
    Ok(output)
}

/// Whether the tools complain about files that make believes to be finished: a machine that lost power leaves such.
fn damaged_objects(output: &str) -> bool {
    let sign = "file truncated|file format not recognized|file in wrong format|malformed archive|archive has no index|\
                premature end of file|: \\*\\*\\* (missing|multiple|unterminated|invalid|empty)";
    Regex::new(sign).expect("a valid pattern").is_match(output)
}

/// Configures unless the object directory already is, by the same fragments and for the same Kconfig files.
fn configure(workshop: &Workshop, patched: &PatchedTree, flavour: &Flavour, progress: &Progress) -> Result<()> {
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
fn uninstrumented(tree: &Path) -> &'static [&'static str] {
    let headers = ["cpuid/api.h", "cpuid.h", "processor.h"].map(|name| tree.join("arch/x86/include/asm").join(name));
    let inlined = |header: &PathBuf| fs::read_to_string(header).is_ok_and(|text| text.contains("__builtin_memcmp(sig"));
    if headers.iter().any(inlined) { &[] } else { &["KASAN_SANITIZE_enlighten.o=n", "KASAN_SANITIZE_string.o=n"] }
}

/// What make has to be told where KCSAN looks for races: to instrument the code under test and nothing else.
///
/// KCSAN watches one access in so many, wherever it is instrumented; in a whole kernel those of dma-buf hardly ever have
/// their turn. `scripts/Makefile.lib` joins the variable of an object with the one for all.
fn watched(flavour: &Flavour, tree: &Path) -> Vec<String> {
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

/// How many objects there are to make, as the last build of the same kind counted: make does not say beforehand what it is
/// going to do. From one series to another it is about as many each time. Of single objects nobody has counted any.
fn expected_objects(workshop: &Workshop, whole: bool) -> Option<u64> {
    let from_the_start = !workshop.has_built();
    let note = workshop.note(if from_the_start { FROM_THE_START } else { A_STEP });
    let counted = fs::read_to_string(note).ok().and_then(|text| text.trim().parse().ok()).filter(|count| *count > 0);
    counted.or(from_the_start.then_some(TYPICAL)).filter(|_| whole)
}

const FROM_THE_START: &str = "objects.count";
const A_STEP: &str = "objects.step";
/// Lines that a build of the default flavour prints for objects; corrected by the first build.
const TYPICAL: u64 = 1340;

/// The object that a line of make announces, such as `  CC      drivers/dma-buf/dma-buf.o`.
fn object(line: &str) -> Option<&str> {
    let (tag, path) = line.strip_prefix("  ")?.split_once(' ')?;
    matches!(tag, "CC" | "AS" | "AR" | "LD" | "HOSTCC" | "HOSTLD" | "VDSO").then(|| path.trim())
}

fn collect(workshop: &Workshop, dir: &Path, facts: &ImageFacts) -> Result<()> {
    let objects = workshop.objects();
    let vmlinux = dir.join("vmlinux");
    Cmd::new("strip")
        .args(["--strip-all", "-o"])
        .path(&vmlinux)
        .path(&objects.join("vmlinux"))
        .succeed(Blame::Build, "stripping vmlinux failed")?;
    for (from, to) in [
        (objects.join("System.map"), "System.map"),
        (objects.join(".config"), "config"),
        (workshop.note("build.log"), "build.log"),
    ] {
        fs::copy(&from, dir.join(to)).map_err(|error| io(&error, "copying", &from))?;
    }
    let text = serde_json::to_string_pretty(facts).context(Blame::Internal, || "encoding facts".into())?;
    fs::write(dir.join(FACTS), text + "\n").map_err(|error| io(&error, "writing", dir))
}

fn does_not_compile(output: &str, log: &Path) -> Error {
    if let Some(error) = full_disk(output, "building the kernel in", log.parent().unwrap_or(log)) {
        return error;
    }
    if let Some(error) = uapi_header::uncallable(output) {
        return error;
    }
    let error = Regex::new(r"^(?:\.\./)*([^\s:]+\.[chS]):(\d+)(?::\d+)?: (?:fatal )?error: ").expect("a valid pattern");
    let undefined = Regex::new(r"undefined reference to|multiple definition of|modpost: ").expect("a valid pattern");
    let lines: Vec<&str> = output.lines().collect();
    let first = lines.iter().position(|line| error.is_match(line) || undefined.is_match(line));
    let (headline, cause) = match first {
        Some(index) => {
            let file = error
                .captures(lines[index])
                .map(|found| source_path(found.get(1).map_or("", |file| file.as_str())).to_string());
            let headline = match file {
                Some(file) => format!("{file} does not compile"),
                None => "the kernel does not link".into(),
            };
            // From the function it is in to the caret under the mistake.
            let start = index.saturating_sub(usize::from(index > 0 && lines[index - 1].contains("In function")));
            (headline, lines[start..].iter().take(12).copied().collect::<Vec<_>>().join("\n"))
        }
        None => ("make failed".into(), tail(output, 15)),
    };
    Error::new(Blame::Build, headline).cause(cause).next(format!("The whole log: {}", log.display()))
}

/// A path as the kernel's own tree has it: gcc prints what make gave it, which may start at the root of this machine.
fn source_path(printed: &str) -> &str {
    const ROOTS: [&str; 14] = [
        "arch", "block", "crypto", "drivers", "fs", "include", "init", "io_uring", "ipc", "kernel", "lib", "mm", "net",
        "security",
    ];
    let start = ROOTS.iter().filter_map(|root| printed.find(&format!("/tree/{root}/"))).min();
    start.map_or(printed, |start| &printed[start + "/tree/".len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_keeps_its_entry_free_of_kasan_gets_no_help() {
        let dir = tempfile::tempdir().unwrap();
        let headers = dir.path().join("arch/x86/include/asm");
        fs::create_dir_all(&headers).unwrap();
        fs::write(headers.join("processor.h"), "if (!memcmp(sig, signature, 12) &&").unwrap();
        assert!(uninstrumented(dir.path()).contains(&"KASAN_SANITIZE_enlighten.o=n"));
        fs::write(headers.join("cpuid.h"), "if (!__builtin_memcmp(sig, signature, 12) &&").unwrap();
        assert_eq!(uninstrumented(dir.path()), [""; 0]);
    }

    #[test]
    fn kcsan_instruments_the_code_under_test_alone() {
        let dir = tempfile::tempdir().unwrap();
        let kconfigs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kconfigs");
        fs::create_dir_all(dir.path().join("drivers/dma-buf/heaps")).unwrap();
        for file in ["dma-buf.c", "Makefile", "heaps/system_heap.c"] {
            fs::write(dir.path().join("drivers/dma-buf").join(file), "").unwrap();
        }
        let told = |flavour| watched(&Flavour::load(flavour, &kconfigs).unwrap(), dir.path());
        let race = ["KCSAN_SANITIZE=n", "KCSAN_SANITIZE_dma-buf.o=y", "KCSAN_SANITIZE_system_heap.o=y"];
        assert_eq!(told("race"), race);
        assert_eq!(told("sanitized"), [""; 0]);
    }

    #[test]
    fn make_lines_are_recognised() {
        assert_eq!(object("  CC      drivers/dma-buf/dma-buf.o"), Some("drivers/dma-buf/dma-buf.o"));
        assert_eq!(object("  CALL    scripts/checksyscalls.sh"), None);
        assert_eq!(object("make[1]: Entering directory"), None);
    }

    #[test]
    fn the_compilers_own_words_are_shown() {
        let output = "\
  CC      drivers/dma-buf/udmabuf.o
  CC      drivers/dma-buf/dma-buf.o
/cache/workshops/7.2-sanitized/tree/drivers/dma-buf/dma-buf.c: In function 'dma_buf_derive':
/cache/workshops/7.2-sanitized/tree/drivers/dma-buf/dma-buf.c:612:9: error: 'alais' undeclared (first use in this function)
  612 |         alais = 1;
      |         ^~~~~
make[4]: *** [drivers/dma-buf/dma-buf.o] Error 1
";
        let error = does_not_compile(output, Path::new("build.log"));
        assert_eq!(error.exit_code().number(), 21);
        assert_eq!(error.headline, "drivers/dma-buf/dma-buf.c does not compile");
        assert!(error.cause.contains("'alais' undeclared") && error.cause.contains("^~~~~"), "{error}");
    }

    #[test]
    fn a_full_disk_is_not_the_kernels_fault() {
        let error = does_not_compile("as: x.o: No space left on device\nmake: *** Error 1\n", Path::new("d/build.log"));
        assert_eq!(error.blame, Blame::Host);
        assert!(error.to_string().contains("Free some space"), "{error}");
    }
}
