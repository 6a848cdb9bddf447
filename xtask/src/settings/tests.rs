use clap::{ColorChoice, FromArgMatches};

use super::*;
use crate::command_line::leaf;
use crate::flags::{self, AccelChoice, Bench, Command as Chosen, Dev, Flags, KernelArgs, TestArgs};

fn loaded(set: &[(&str, &str)], own: &str, checkout: &str) -> Result<Settings> {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("x/dmabuf-alias-conformance/config.toml");
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(place, own).unwrap();
    std::fs::write(dir.path().join(IN_CHECKOUT), checkout).unwrap();
    let home = dir.path().join("x").display().to_string();
    let env = |name: &str| match name {
        "XDG_CONFIG_HOME" => Some(home.clone()),
        "HOME" => Some("/home-of/me".into()),
        name => set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()),
    };
    Settings::load(&env, dir.path())
}

fn parsed(settings: &Settings, words: &str) -> Flags {
    let words: Vec<&str> = ["cargo xtask"].into_iter().chain(words.split(' ')).collect();
    let settings = settings.clone().beside(leaf(&flags::command().get_matches_from(&words)));
    let matches = settings.applied(flags::command()).try_get_matches_from(words);
    Flags::from_arg_matches(&matches.unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

fn test(settings: &Settings, words: &str) -> TestArgs {
    let Chosen::Test(args) = parsed(settings, words).command else { panic!("{words}") };
    args
}

#[test]
fn the_order_is_command_line_environment_checkout_home() {
    let all = "kernel = \"6.1\"\nflavour = \"leak\"\n\naccel = \"kvm\"\nno-install = true\n";
    let env = [("CONFORMANCE_KERNEL", "7.2"), ("CONFORMANCE_NO_INSTALL", "false"), ("CONFORMANCE_ACCEL", "")];
    let settings = loaded(&env, all, "kernel = \"6.12\"\nflavour = \"fast\"\n").unwrap();
    let KernelArgs { kernel, flavour, no_install, .. } = test(&settings, "test").kernel;
    assert_eq!((kernel.as_deref(), flavour.as_deref(), no_install), (Some("7.2"), Some("fast"), false));
    assert_eq!(test(&settings, "test").guest.accel, AccelChoice::Kvm);
    assert_eq!(test(&settings, "test --accel auto").guest.accel, AccelChoice::Auto);
    assert_eq!(test(&settings, "test --kernel 7.3").kernel.kernel.as_deref(), Some("7.3"));
    let places: Vec<_> = settings.values.iter().map(|setting| setting.place.rsplit('/').next().unwrap()).collect();
    assert_eq!(places, ["CONFORMANCE_KERNEL", "conformance.toml:2", "config.toml:4", "CONFORMANCE_NO_INSTALL"]);
}

#[test]
fn a_kernel_on_the_command_line_overrides_settings_about_another() {
    let settings = loaded(&[], "", "kernel = \"6.12\"\nseries = \"~/my-series\"\n").unwrap();
    let mine = Some("/home-of/me/my-series");
    for (words, kernel, series) in [
        ("test", Some("6.12"), mine),
        ("test --kernel-tree linux", None, None),
        ("test --tarball linux.tar", None, mine),
        ("test --kernel-tree linux --series derive", None, Some("derive")),
        ("test --kernel git:x#main", Some("git:x#main"), None),
        ("test --kernel 6.1", Some("6.1"), mine),
    ] {
        let args = test(&settings, words).kernel;
        assert_eq!((args.kernel.as_deref(), args.series.as_deref()), (kernel, series), "{words}");
    }
}

#[test]
fn commands_keep_their_own_defaults() {
    let text = "kernel = \"6.12\"\nflavour = \"fast\"\nno-install = true\nkeep-size = \"1GB\"\ncolor = \"never\"\n";
    let settings = loaded(&[], "", text).unwrap();
    let flags = parsed(&settings, "coverage");
    assert_eq!((flags.global.keep().bytes, flags.global.color), (1_000_000_000, ColorChoice::Never));
    let Chosen::WithoutDev(Dev::Coverage(args)) = flags.command else { panic!() };
    assert_eq!((args.kernel.kernel.as_deref(), args.kernel.flavour), (Some("6.12"), None));
    let Chosen::Dev(Dev::Selftest(args)) = parsed(&settings, "dev selftest").command else { panic!() };
    assert_eq!((args.kernel, args.no_install), (None, true), "selftest has its own kernel");
    let Chosen::Matrix(args) = parsed(&settings, "matrix").command else { panic!() };
    assert!(args.kernels.is_empty() && args.flavours.is_empty() && args.no_install);
    let Chosen::Dev(Dev::Bench(Bench::Boot { kernel, .. })) = parsed(&settings, "dev bench boot").command else {
        panic!()
    };
    assert_eq!(kernel.flavour.as_deref(), Some("fast"));
}

#[test]
fn errors_name_file_and_line() {
    for (text, parts) in [
        ("\nkernal = \"6.12\"\n", ["conformance.toml:2: there is no setting kernal", "Did you mean kernel?"]),
        ("[keep]\nruns = 1\n", ["conformance.toml:1: there is no setting keep", "keep-"]),
        ("wallpaper = 1\n", ["conformance.toml:1: there is no setting wallpaper", "The settings are kernel, series"]),
        ("kernel = 6.12\n", ["conformance.toml:1: kernel cannot be a TOML float", "quotation marks"]),
        ("accel = \"tcg\"\nkernel = \n", ["conformance.toml:2 is not valid TOML", "docs/configuration.md"]),
        ("accel = \"tcg\"\naccel = \"kvm\"\n", ["conformance.toml:2 is not valid TOML", "duplicate key"]),
        ("accel = \"kvn\"", ["conformance.toml:1: accel cannot be \"kvn\"", "a similar value exists: 'kvm'"]),
        ("keep-size = \"2 apples\"", ["keep-size cannot be \"2 apples\"", "a size such as"]),
        ("keep-days = -1", ["keep-days cannot be \"-1\"", "-1 is not in 0.."]),
        ("no-install = \"yes\"", ["no-install cannot be \"yes\"", "true or false"]),
    ] {
        let error = loaded(&[], "", text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage);
        let error = error.to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?} are not in {error}");
    }
    let error = loaded(&[("CONFORMANCE_ACCEL", "fast")], "", "").unwrap_err().to_string();
    assert!(error.contains("CONFORMANCE_ACCEL: accel cannot be \"fast\""), "{error}");
    let error = loaded(&[(FILE, "/no/such/file")], "", "").unwrap_err().to_string();
    assert!(error.contains("reading /no/such/file"), "{error}");
}

#[test]
fn files_are_in_the_home_directory_and_the_checkout() {
    let places = |set: &'static [(&str, &str)]| {
        let env = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        places(&env, Path::new("/suite")).iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
    };
    let (own, in_checkout) = ("dmabuf-alias-conformance/config.toml", "/suite/conformance.toml");
    assert_eq!(places(&[("XDG_CONFIG_HOME", "/x")]), [&format!("/x/{own}"), in_checkout]);
    assert_eq!(places(&[("XDG_CONFIG_HOME", "x"), ("HOME", "/y")]), [&format!("/y/.config/{own}"), in_checkout]);
    assert_eq!(places(&[]), [in_checkout]);
    assert_eq!(places(&[("CONFORMANCE_CONFIG", "none"), ("HOME", "/y")]), [""; 0]);
    assert_eq!(places(&[("CONFORMANCE_CONFIG", "a.toml"), ("HOME", "/y")]), ["a.toml"]);
}

#[test]
fn the_page_has_every_key_with_its_variable_and_a_valid_example() {
    let page = include_str!("../../../docs/configuration.md");
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.starts_with("| `")).map(|row| row.split('`').collect()).collect();
    assert_eq!(rows.iter().map(|row| row[1]).collect::<Vec<_>>(), KEYS);
    for row in rows {
        assert_eq!(row[5], variable(row[1]));
        let settings = loaded(&[], "", &format!("{} = {}", row[1], row[3])).unwrap();
        let mut command = settings.applied(flags::command());
        command.build();
        let test = command.find_subcommand("test").unwrap();
        let option = test.get_arguments().find(|arg| arg.get_long() == Some(row[1])).expect(row[1]);
        assert!(!option.get_default_values().is_empty(), "{} changes nothing", row[1]);
    }
}
