//! From a patched tree and a flavour to a kernel image in the cache.

mod configure;
pub mod debug;
pub mod gcov_files;
mod make_output;
mod narrow;
pub mod policy;
mod prune;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::full_disk;
use crate::error::{Context, ErrorKind, Result, io};
use crate::host::arch::Arch;
use crate::host::process::{self, ChildOutcome, Cmd, Output};
use crate::host::progress::Progress;
use crate::host::store::lock::StoreLock;
use crate::host::store::manifest::{Depth, sha256_of};
use crate::host::store::{Condition, Store};
use crate::kbuild::build_dir::{self, BuildDir};
use crate::kbuild::kconfig::Flavour;
use crate::patch::PatchedTree;
use configure::{configure, uninstrumented, watched};
use make_output::{damaged_objects, does_not_compile};
use narrow::{enter_only, narrow};

/// A bootable kernel.
#[derive(Clone, Debug)]
pub struct KernelImage {
    /// The file that QEMU boots: an uncompressed and stripped kernel, on arm64 without ELF headers (`Image`).
    pub vmlinux: PathBuf,
    /// Its directory, with System.map, config and build.log.
    pub dir: PathBuf,
    /// How it was built.
    pub facts: ImageFacts,
    /// Keeps another run from pruning it.
    _held: Option<Arc<StoreLock>>,
}

impl KernelImage {
    /// A kernel that is not in the cache, such as that of a pack.
    pub fn outside_the_cache(vmlinux: PathBuf, dir: PathBuf, facts: ImageFacts) -> Self {
        KernelImage { vmlinux, dir, facts, _held: None }
    }

    /// Its configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be read.
    pub fn config(&self) -> Result<String> {
        let path = self.dir.join("config");
        std::fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path))
    }
}

/// How an image was built; stored beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Hash over source, edits, fragments, compiler.
    pub key: String,
    /// Version in the tree's Makefile.
    pub version: String,
    /// Where the source came from.
    pub origin: String,
    /// Flavour of the configuration.
    pub flavour: String,
    /// First line of `gcc --version`.
    pub compiler: String,
    /// Whether the tree's header defines the ioctl.
    pub defines_derive: bool,
    /// Whether the list of buffers has a mutex with one of the names that the test importer looks up.
    #[serde(default = "by_default")]
    pub list_mutex: bool,
    /// Duration of make, in seconds.
    pub build_seconds: u64,
}

/// Part of every key: to be changed together with changes of this module that make old images unusable.
pub const RECIPE: &str = "1";
/// The cache kind of images.
pub const KIND: &str = "images";
const FACTS: &str = "facts.json";

/// Builds the image, or finds it in the cache.
///
/// # Errors
/// [`ErrorKind::Kconfig`] for an option that did not survive configuration, [`ErrorKind::Build`] with the compiler's messages,
/// [`ErrorKind::Host`]; [`ErrorKind::Patch`] when the patched header does not define DERIVE as the cases need it.
pub fn build(
    kernel: &str,
    patched: &PatchedTree,
    flavour: &Flavour,
    store: &Store,
    progress: &Progress,
) -> Result<KernelImage> {
    let compiler = compiler(flavour.arch)?;
    let source = match patched.source.pristine {
        true => patched.source.key.clone(),
        false => build_dir::fingerprint(&patched.source.dir)?,
    };
    let (edits, requests) = (patched.edits.digest(), flavour.digest(&patched.source.version));
    let watched = [watched(flavour, &patched.source.dir), gcov_files::variables(flavour, patched)].concat().join(" ");
    let mut parts = vec![RECIPE, &source, &edits, &requests, &compiler];
    parts.extend((!watched.is_empty()).then_some(watched.as_str()));
    parts.extend(flavour.policy.as_deref());
    let key = sha256_of(parts.join("\n").as_bytes())[..32].to_string();
    let provide = || {
        store.publish_with_manifest(KIND, &key, |dir| {
            let build_dir = BuildDir::open(store, kernel, &flavour.name)?;
            make(&build_dir, patched, flavour, progress, |seconds| {
                let facts = ImageFacts {
                    key: key.clone(),
                    version: patched.source.version.clone(),
                    origin: patched.source.origin.clone(),
                    flavour: flavour.name.clone(),
                    compiler: compiler.clone(),
                    defines_derive: patched.defines_derive,
                    list_mutex: has_list_mutex(&build_dir.objects().join("System.map"))?,
                    build_seconds: seconds,
                };
                collect(&build_dir, dir, &facts, flavour.arch)?;
                debug::keep(flavour, &build_dir, dir)?;
                policy::keep(flavour, dir)?;
                gcov_files::keep(flavour, patched, &build_dir, dir)
            })
        })
    };
    let (dir, held) = loop {
        let dir = provide()?;
        // Another process may have pruned it in between.
        if let Some(held) = store.hold(KIND, &key)? {
            break (dir, Arc::new(held));
        }
    };
    // The same contents may have been built from another origin.
    let facts = ImageFacts { origin: patched.source.origin.clone(), ..ImageFacts::load(&dir)? };
    prune::prune(store, &dir.join(FACTS))?;
    Ok(KernelImage { vmlinux: dir.join("vmlinux"), dir, facts, _held: Some(held) })
}

/// The image with this key, or None if it is missing or damaged.
///
/// # Errors
/// [`ErrorKind::Host`] when the cache cannot be read.
pub fn find(store: &Store, key: &str) -> Result<Option<KernelImage>> {
    let Some(held) = store.hold(KIND, key)? else { return Ok(None) };
    let Condition::Sound(dir) = store.verify(KIND, key, Depth::Hashes)? else { return Ok(None) };
    let facts = ImageFacts::load(&dir)?;
    Ok(Some(KernelImage { vmlinux: dir.join("vmlinux"), dir, facts, _held: Some(Arc::new(held)) }))
}

impl ImageFacts {
    /// The kernel's architecture.
    pub fn arch(&self) -> &'static Arch {
        Arch::of_flavour(&self.flavour).0
    }

    fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(FACTS);
        let text = fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path))?;
        serde_json::from_str(&text).context(ErrorKind::Internal, || format!("{} is damaged", path.display()))
    }
}

/// The keys of all images, the most recently used first.
fn keys_by_use(store: &Store) -> Vec<String> {
    let kind = store.root().join(KIND);
    let last_used = |key: &String| kind.join(key).join(FACTS).metadata().and_then(|meta| meta.modified()).ok();
    let mut keys = store.keys(KIND);
    keys.sort_by_key(|key| std::cmp::Reverse(last_used(key)));
    keys
}

/// The images in the cache, one line for each version and flavour: `7.2.13 sanitized, 12 images`.
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

/// The most recently used kernel that could run under KVM, if there is one.
pub fn used_last(store: &Store) -> Option<PathBuf> {
    let dirs = keys_by_use(store).into_iter().filter_map(|key| store.entry(KIND, &key));
    let own = |dir: &PathBuf| ImageFacts::load(dir).is_ok_and(|facts| !facts.arch().is_emulated());
    Some(dirs.into_iter().find(own)?.join("vmlinux"))
}

fn compiler(arch: &Arch) -> Result<String> {
    let gcc = arch.compiler;
    let text = Cmd::new(gcc).arg("--version").succeed(ErrorKind::Host, &format!("{gcc} does not run"))?;
    Ok(text.lines().next().unwrap_or_default().to_string())
}

fn make(
    build_dir: &BuildDir,
    patched: &PatchedTree,
    flavour: &Flavour,
    progress: &Progress,
    collect: impl FnOnce(u64) -> Result<()>,
) -> Result<()> {
    let start = std::time::Instant::now();
    build_dir.sync(patched)?;
    let targets = &debug::targets(flavour);
    let output = match narrow(build_dir, patched, flavour, progress, targets)? {
        Some(output) => output,
        None => {
            build_dir.begin(progress)?;
            compile(build_dir, patched, flavour, progress, targets, None)?
        }
    };
    let output = match output {
        // Not an error of the kernel source.
        output if !output.status.success() && damaged_objects(&output.text) => {
            progress.warn("objects of an earlier build are damaged; all are built again");
            build_dir.discard_objects()?;
            build_dir.begin(progress)?;
            compile(build_dir, patched, flavour, progress, targets, None)?
        }
        output => output,
    };
    if !output.status.success() {
        return Err(does_not_compile(&output.text, &build_dir.note("build.log")));
    }
    build_dir.is_built()?;
    collect(start.elapsed().as_secs())
}

/// Builds single targets of a patched tree, such as `drivers/dma-buf/dma-buf.o`, with --keep-going. Passes the output of make
/// and the object directory to `look`, which decides whether they compile, while the build directory is locked.
///
/// # Errors
/// As [`build`], except those of the compiler; those of `look`.
pub fn objects<T>(
    kernel: &str,
    patched: &PatchedTree,
    flavour: &Flavour,
    store: &Store,
    progress: &Progress,
    names: &[&str],
    look: impl FnOnce(&Output, &Path) -> Result<T>,
) -> Result<T> {
    let build_dir = BuildDir::open(store, kernel, &flavour.name)?;
    build_dir.sync(patched)?;
    build_dir.begin(progress)?;
    let targets: Vec<&str> = ["--keep-going"].iter().chain(names).copied().collect();
    let output = compile(&build_dir, patched, flavour, progress, &targets, None)?;
    if let Some(error) = full_disk(&output.text, "building the kernel in", &build_dir.objects()) {
        return Err(error);
    }
    look(&output, &build_dir.objects())
}

/// Configures and runs make, which enters only the directories in `scope`, if it is known and the tree allows it. If make is killed
/// before it could clean up, the file `building` stays.
fn compile(
    build_dir: &BuildDir,
    patched: &PatchedTree,
    flavour: &Flavour,
    progress: &Progress,
    targets: &[&str],
    scope: Option<&[String]>,
) -> Result<Output> {
    let configured = configure(build_dir, patched, flavour, progress)?;
    let scope = match scope {
        Some(scope) if !configured => enter_only(build_dir, scope)?,
        _ => Vec::new(),
    };
    let log_path = build_dir.note("build.log");
    let mut log = process::create(&log_path)?;
    let from_scratch = !build_dir.has_built();
    let total = expected_objects(build_dir, targets.contains(&"vmlinux"));
    let task = progress.task(&format!("building Linux {} ({})", patched.source.version, flavour.name), total);
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut objects = 0;
    let followed = Cmd::new("make")
        .dir(&build_dir.tree())
        .args([&format!("-j{jobs}"), &format!("O={}", build_dir.objects().display())])
        .args(flavour.arch.make)
        .args(uninstrumented(flavour.arch, &build_dir.tree()))
        .args(watched(flavour, &build_dir.tree()))
        .args(gcov_files::variables(flavour, patched))
        .args(scope)
        .args(targets)
        // Otherwise every build would have another banner, and a kernel that is built twice would differ.
        .env("KBUILD_BUILD_USER", "conformance")
        .env("KBUILD_BUILD_HOST", "conformance")
        .env("KBUILD_BUILD_TIMESTAMP", "1970-01-01")
        .env("KBUILD_BUILD_VERSION", "1")
        .holding(build_dir.lock.handle())
        .follow(|line| {
            let _ = writeln!(log, "{line}");
            if let Some(object) = object(line) {
                objects += 1;
                // Raises the total if there are more than in the last build.
                task.total_at_least(objects);
                task.set(objects);
                task.message(object);
            }
        })?;
    let output = match followed {
        ChildOutcome::Ended(output) => output,
        ChildOutcome::Stopped { by_itself } => {
            if by_itself {
                build_dir.end()?;
            }
            return Err(process::interruption());
        }
    };
    // Without an exit code, make was killed and could not remove incomplete files.
    if output.status.code().is_some() {
        build_dir.end()?;
    }
    if !output.status.success() {
        return Ok(output);
    }
    task.done(format!("{objects} objects"));
    if targets.contains(&"vmlinux") {
        // Builds from scratch and incremental builds have separate counts.
        let path = build_dir.note(if from_scratch { FULL_COUNT } else { STEP_COUNT });
        fs::write(&path, objects.to_string()).map_err(|error| io(&error, "writing", &path))?;
    }
    Ok(output)
}

/// The expected number of objects, from the last build of the same kind; None for single targets. make does not tell it
/// beforehand. Incremental builds from one series to another have similar numbers.
fn expected_objects(build_dir: &BuildDir, whole: bool) -> Option<u64> {
    let from_scratch = !build_dir.has_built();
    let note = build_dir.note(if from_scratch { FULL_COUNT } else { STEP_COUNT });
    let counted = fs::read_to_string(note).ok().and_then(|text| text.trim().parse().ok()).filter(|count| *count > 0);
    counted.or(from_scratch.then_some(TYPICAL)).filter(|_| whole)
}

const FULL_COUNT: &str = "objects.count";
const STEP_COUNT: &str = "objects.step";
/// Number of objects of the default flavour, for the first build.
const TYPICAL: u64 = 1340;

/// The object in a line of make, such as `  CC      drivers/dma-buf/dma-buf.o`.
fn object(line: &str) -> Option<&str> {
    let (tag, path) = line.strip_prefix("  ")?.split_once(' ')?;
    matches!(tag, "CC" | "AS" | "AR" | "LD" | "HOSTCC" | "HOSTLD" | "VDSO").then(|| path.trim())
}

/// Facts of older images do not say it, and their kernels had one.
fn by_default() -> bool {
    true
}

/// As cases/kernel/buffer_list.c looks for them: the list and its mutex, or a structure with both. Its own array is there only if a
/// buffer has a list head.
const LIST_NAMES: &str = "dbc_list_names";
const LISTS: [&[&str]; 3] =
    [&["dmabuf_list", "dmabuf_list_mutex"], &["debugfs_list", "debugfs_list_mutex"], &["db_list"]];

fn has_list_mutex(system_map: &Path) -> Result<bool> {
    let text = fs::read_to_string(system_map).map_err(|error| io(&error, "reading", system_map))?;
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    Ok(names.contains(LIST_NAMES) && LISTS.iter().any(|list| list.iter().all(|name| names.contains(name))))
}

fn collect(build_dir: &BuildDir, dir: &Path, facts: &ImageFacts, arch: &Arch) -> Result<()> {
    let objects = build_dir.objects();
    let (vmlinux, bootable) = (dir.join("vmlinux"), objects.join(arch.bootable));
    match arch.image {
        None => Cmd::new(arch.tool("strip"))
            .args(["--strip-all", "-o"])
            .path(&vmlinux)
            .path(&bootable)
            .succeed(ErrorKind::Build, "stripping vmlinux failed")
            .map(drop)?,
        // It has no symbols.
        Some(_) => fs::copy(&bootable, &vmlinux).map(drop).map_err(|error| io(&error, "copying", &bootable))?,
    }
    for (from, to) in [
        (objects.join("System.map"), "System.map"),
        (objects.join(".config"), "config"),
        (build_dir.note("build.log"), "build.log"),
    ] {
        fs::copy(&from, dir.join(to)).map_err(|error| io(&error, "copying", &from))?;
    }
    let text = serde_json::to_string_pretty(facts).context(ErrorKind::Internal, || "encoding facts".into())?;
    fs::write(dir.join(FACTS), text + "\n").map_err(|error| io(&error, "writing", dir))
}

#[cfg(test)]
mod tests;
