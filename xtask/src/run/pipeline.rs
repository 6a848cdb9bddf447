//! Builds what every command with a kernel needs: the kernel image and the guest program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use harness::error::full_disk;
use harness::error::{Error, ErrorKind, Result};
use harness::guest::initramfs::GuestBinary;
use harness::host::arch::Arch;
use harness::host::machine::Machine;
use harness::host::process::Cmd;
use harness::host::progress::{Mode, Progress, Task};
use harness::host::setup::{self, Install, Purpose};
use harness::host::store::Store;
use harness::host::store::manifest::sha256_of;
use harness::kbuild::image::{self, KernelImage};
use harness::kbuild::kconfig::Flavour;
use harness::patch::PatchedTree;
use harness::patch::overlay::Overlay;
use harness::patch::series::claims::Claims;
use harness::patch::series::{Patch, Places, Series};
use harness::session::accel::probe::{self, Probe};
use harness::session::accel::{self, Accel, AccelRequest, Acceleration, KvmAnswer};
use harness::source::spec::{KernelSpec, Kernels, SourceSpec};
use harness::source::{self, SourceTree};
use xshell::{Shell, cmd};

use crate::flags::{AccelChoice, KernelArgs};
use crate::run::guest_std;
use crate::{settings, workspace};

/// The cache, and the display of progress.
pub struct Pipeline {
    /// The cache.
    pub store: Store,
    /// Progress.
    pub progress: Progress,
}

/// An image and how it was built.
pub struct BuiltKernel {
    /// The image.
    pub image: KernelImage,
    /// Id of the kernel.
    pub kernel: String,
    /// Name of the series.
    pub series: String,
    /// Whether it was built just now.
    pub built: bool,
    /// Notes on how the series was chosen and merged.
    pub notes: Vec<String>,
    /// The series as it was applied.
    pub patches: Vec<Patch>,
    /// What the series declares.
    pub claims: Claims,
    /// Seconds that it took to build or to find.
    pub seconds: f64,
}

/// A patched tree and how to build it.
pub struct Tree {
    /// The kernel.
    pub spec: KernelSpec,
    /// The configuration.
    pub flavour: Flavour,
    /// The series.
    pub series: Series,
    /// The tree.
    pub patched: PatchedTree,
}

impl Pipeline {
    /// Opens the cache.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(quiet: bool) -> Result<Self> {
        let progress = Progress::new(if quiet { Mode::Quiet } else { Mode::Auto });
        let store = Store::open(settings::cache().as_deref())?.announcing(&progress);
        Ok(Pipeline { store, progress })
    }

    /// Makes sure that the tools for `purposes` are installed.
    ///
    /// # Errors
    /// When they are missing and cannot or must not be installed.
    pub fn tools(&self, purposes: &[Purpose], no_install: bool) -> Result<()> {
        let install = if no_install { Install::Never } else { Install::Ask };
        let log = self.store.root().join("install.log");
        setup::ensure(purposes, install, &Machine::this(), &log, &self.progress)
    }

    /// Makes sure that what an architecture needs besides [`Purpose::ALL`] is installed.
    ///
    /// # Errors
    /// As [`Pipeline::tools`] and [`guest_std::ensure`].
    pub fn tools_of(&self, arch: &Arch, no_install: bool) -> Result<()> {
        self.tools(Purpose::of(arch), no_install)?;
        guest_std::ensure(arch, no_install, &self.progress)
    }

    /// Builds the kernel that the arguments ask for, or finds it in the cache.
    ///
    /// # Errors
    /// When the kernel cannot be fetched, patched or built.
    pub fn kernel(&self, args: &KernelArgs) -> Result<BuiltKernel> {
        let start = Instant::now();
        let made = self.made(&self.tree(args)?)?;
        Ok(BuiltKernel { seconds: start.elapsed().as_secs_f64(), ..made })
    }

    /// Builds the kernel of a tree, or finds it in the cache.
    ///
    /// # Errors
    /// As [`image::build`].
    pub fn made(&self, tree: &Tree) -> Result<BuiltKernel> {
        let start = Instant::now();
        let Tree { spec, flavour, series, patched } = tree;
        let before = self.store.keys(image::KIND);
        let image = image::build(&spec.build_dir(), patched, flavour, &self.store, &self.progress)?;
        let built = !before.contains(&image.facts.key);
        let notes = [series.notes.clone(), patched.notes.clone()].concat();
        let (patches, claims) = (series.patches.clone(), series.claims.clone());
        let (kernel, series) = (spec.id.clone(), series.name.clone());
        let seconds = start.elapsed().as_secs_f64();
        Ok(BuiltKernel { built, image, kernel, series, notes, patches, claims, seconds })
    }

    /// The source of the kernel that the arguments ask for, without a series.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub fn source(&self, args: &KernelArgs) -> Result<SourceTree> {
        self.tools(&[Purpose::Source], args.no_install)?;
        source::provide(&spec(args)?.source, &self.store, &self.progress, args.look())
    }

    /// The tree that the arguments ask for, patched but not yet built.
    ///
    /// # Errors
    /// When the source cannot be fetched or the series does not apply.
    pub fn tree(&self, args: &KernelArgs) -> Result<Tree> {
        self.tools(Purpose::ALL, args.no_install)?;
        let spec = spec(args)?;
        let flavour = Flavour::load(&args.flavour_on(&spec.flavour), &workspace::kconfigs())?;
        self.tools_of(flavour.arch, args.no_install)?;
        if flavour.asks_for("CONFIG_DEBUG_INFO_BTF") {
            self.tools(&[Purpose::KernelTypes], args.no_install)?;
        }
        if flavour.policy.is_some() {
            self.tools(&[Purpose::Policy], args.no_install)?;
        }
        let (wanted, claims) = (args.series(), args.claims()?);
        if wanted != "none" && !wanted.contains(['/', '#', ':']) {
            // Reject a wrong name before downloading the source.
            Series::known(wanted, &workspace::patches())?;
        }
        let source = source::provide(&spec.source, &self.store, &self.progress, args.look())?;
        let repository = spec.repository();
        let places = Places {
            patches: &workspace::patches(),
            version: &source.version,
            repository: repository.as_ref(),
            store: &self.store,
            look: args.look(),
            progress: &self.progress,
        };
        let mut series = Series::open(wanted, &places)?;
        series.notes.iter().for_each(|note| self.progress.line(note));
        for extra in &args.extra {
            series = series.with(extra)?;
        }
        series.claims = series.claims.with(&claims);
        let patched = PatchedTree::make(source, &series, &overlay(&flavour)?, &self.store)?;
        Ok(Tree { spec, flavour, series, patched })
    }

    /// Decides how guests of an image are run. Takes up to three seconds if KVM has to be tested.
    ///
    /// # Errors
    /// When KVM cannot be tested; [`ErrorKind::Usage`] for KVM where it cannot be used.
    pub fn acceleration(&self, choice: AccelChoice, image: &KernelImage) -> Result<Acceleration> {
        let arch = image.facts.arch();
        let request = match choice {
            AccelChoice::Auto if arch.is_emulated() => AccelRequest::Emulated(arch),
            AccelChoice::Kvm if arch.is_emulated() => {
                return Err(Error::new(ErrorKind::Usage, format!("{} guests cannot run under KVM here", arch.name))
                    .next("Omit --accel: they are emulated."));
            }
            AccelChoice::Auto => AccelRequest::Auto,
            AccelChoice::Kvm => AccelRequest::Only(Accel::Kvm),
            AccelChoice::Tcg => AccelRequest::Only(Accel::Tcg),
        };
        let machine = Machine::this();
        Acceleration::decide(request, &probe_of(&machine, Some(&image.vmlinux)), &self.store)
    }

    /// Whether KVM works. If that is not known, or with `anew`, it is tested with the kernel that was used last.
    ///
    /// # Errors
    /// As [`Pipeline::acceleration`].
    pub fn kvm(&self, anew: bool) -> Result<KvmAnswer> {
        let (machine, kernel) = (Machine::this(), image::used_last(&self.store));
        if anew {
            accel::forget(&machine, &self.store)?;
        }
        accel::know(&probe_of(&machine, kernel.as_deref()), &self.store)
    }

    /// Builds the guest program.
    ///
    /// # Errors
    /// [`ErrorKind::Build`] with the compiler's output.
    pub fn guest_program(&self, arch: &Arch) -> Result<GuestBinary> {
        let shell = Shell::new().map_err(|error| {
            Error::new(ErrorKind::Internal, "the current directory cannot be determined").cause(error)
        })?;
        shell.change_dir(workspace::root());
        // Flags for the guest only: with --target they do not reach build scripts and macros.
        let target = guest_target(arch);
        let pages = arch.pages.map(|feature| format!("--features={feature}"));
        let (triple, linker, std) = (arch.target, arch.compiler, guest_std::options(arch)?);
        let linker_of = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase().replace('-', "_"));
        let build = cmd!(
            shell,
            "cargo build --package cases --bin cases --profile guest --target {triple} --target-dir {target} {pages...} {std...}"
        )
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
        let build = if arch.is_foreign() { build.env(linker_of, linker) } else { build };
        // Stable compilers refuse to compile the library otherwise.
        let build = if std.is_empty() { build } else { build.env("RUSTC_BOOTSTRAP", "1") };
        // Most of the time nothing is compiled, and then no progress is shown.
        let mut compiling: Option<(Task, u64)> = None;
        let output = Cmd::from(Command::from(build)).each_line(|line| {
            let Some(package) = line.trim_start().strip_prefix("Compiling ") else { return };
            let begin = || (self.progress.task("compiling the guest program", None), 0);
            let (task, packages) = compiling.get_or_insert_with(begin);
            // This package has only started.
            task.set(*packages);
            *packages += 1;
            task.message(package.split(" (").next().unwrap_or(package));
        })?;
        if let Some((task, packages)) = compiling.filter(|_| output.status.success()) {
            task.done(format!("{packages} packages"));
        }
        if !output.status.success() {
            if let Some(error) = full_disk(&output.text, "building the guest program in", &target) {
                return Err(error);
            }
            return Err(Error::new(ErrorKind::Build, "the guest program does not compile")
                .cause(output.text)
                .next("Check that a static libc is installed: libc6-dev on Debian and Ubuntu."));
        }
        GuestBinary::load(&self.guest_program_path(arch))
    }

    /// Where the guest program is, once it is built.
    pub fn guest_program_path(&self, arch: &Arch) -> PathBuf {
        guest_target(arch).join(arch.target).join("guest/cases")
    }
}

fn probe_of<'a>(machine: &'a Machine, kernel: Option<&'a Path>) -> Probe<'a> {
    Probe { machine, kernel, limit: probe::LIMIT }
}

/// The test importer, as a flavour asks for it.
///
/// # Errors
/// When its directory cannot be read.
pub fn overlay(flavour: &Flavour) -> Result<Overlay> {
    Overlay::open(&workspace::overlay(), |option| flavour.asks_for(option))
}

/// The kernel that the arguments name.
///
/// # Errors
/// When kernels.toml does not have it or is invalid.
pub fn spec(args: &KernelArgs) -> Result<KernelSpec> {
    let own =
        |id: &str, source| KernelSpec { id: id.into(), source, flavour: "sanitized".into(), about: String::new() };
    if let Some(dir) = &args.kernel_tree {
        // Two trees of the same name must not share a build directory.
        let path = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
        let id = format!("tree-{}", &sha256_of(path.to_string_lossy().as_bytes())[..12]);
        return Ok(own(&id, SourceSpec::Directory(path)));
    }
    if let Some(path) = &args.tarball {
        let sha256 = args.sha256.as_ref().map(|sum| sum.to_ascii_lowercase());
        // Without a sum, the path identifies it: the build directory is updated to its contents.
        let name = sha256.clone().unwrap_or_else(|| sha256_of(path.to_string_lossy().as_bytes()));
        let id = format!("tarball-{}", name.chars().take(12).collect::<String>());
        return Ok(own(&id, SourceSpec::Tarball { path: path.clone(), sha256 }));
    }
    if let Some(commit) = args.commit() {
        return Ok(own(&commit.to_string(), SourceSpec::Git(commit)));
    }
    let kernels = Kernels::load(&workspace::kernels())?;
    kernels.get(args.kernel.as_deref().unwrap_or(kernels.default_id())).cloned()
}

/// Programs for pages of another size have a directory of their own, so that neither is compiled again when both are used.
fn guest_target(arch: &Arch) -> PathBuf {
    workspace::target().join(arch.pages.map_or("guest".to_string(), |pages| format!("guest-{pages}")))
}
