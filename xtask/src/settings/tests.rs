use clap::FromArgMatches;

use super::*;
use crate::flags::{self, AccelChoice, Command, Dev, Flags, TestArgs};

fn loaded(set: &[(&str, &str)], own: &str, checkout: &str) -> Result<Settings> {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("x/dmabuf-alias-conformance/config.toml");
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(place, own).unwrap();
    std::fs::write(dir.path().join(file::IN_CHECKOUT), checkout).unwrap();
    let home = dir.path().join("x").display().to_string();
    let env = |name: &str| match name {
        "XDG_CONFIG_HOME" => Some(home.clone()),
        "HOME" => Some("/home-of/me".into()),
        name => set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()),
    };
    Settings::load(&env, dir.path())
}

fn set(text: &str) -> Settings {
    loaded(&[], "", text).unwrap()
}

fn parsed(settings: &Settings, words: &str) -> Flags {
    let words = ["cargo xtask"].into_iter().chain(words.split(' '));
    let matches = settings.applied(flags::command()).try_get_matches_from(words);
    Flags::from_arg_matches(&matches.unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

fn test(settings: &Settings, words: &str) -> TestArgs {
    match parsed(settings, words).command {
        Command::Test(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_beats_the_environment_that_the_checkout_and_that_the_home() {
    let all = "kernel = \"6.1\"\nflavour = \"leak\"\naccel = \"kvm\"\n";
    let env = [("CONFORMANCE_KERNEL", "7.2")];
    let settings = loaded(&env, all, "kernel = \"6.12\"\nflavour = \"fast\"\n").unwrap();
    let args = test(&settings, "test --accel auto");
    assert_eq!((args.kernel.kernel.as_deref(), args.kernel.flavour.as_deref()), (Some("7.2"), Some("fast")));
    assert_eq!(args.accel, AccelChoice::Auto);
    assert_eq!(test(&settings, "test").accel, AccelChoice::Kvm);
    assert_eq!(test(&settings, "test --kernel 7.3").kernel.kernel.as_deref(), Some("7.3"));
    let places: Vec<_> = settings.said.iter().map(|said| said.place.rsplit('/').next().unwrap()).collect();
    assert_eq!(places, ["CONFORMANCE_KERNEL", "conformance.toml:2", "config.toml:3"]);
}

#[test]
fn what_is_given_takes_away_what_would_be_about_something_else() {
    let settings = set("kernel = \"6.12\"\nseries = \"~/my-series\"\n");
    let args = test(&settings, "test");
    assert_eq!(args.kernel.series.as_deref(), Some("/home-of/me/my-series"));
    let args = test(&settings, "test --kernel-tree linux");
    assert_eq!((args.kernel.kernel, args.kernel.series), (None, None));
    let args = test(&settings, "test --tarball linux.tar");
    assert_eq!(args.kernel.kernel, None);
    assert!(args.kernel.series.is_some());
    assert_eq!(test(&settings, "test --kernel-tree linux --series derive").kernel.series.as_deref(), Some("derive"));
}

#[test]
fn commands_with_a_default_of_their_own_keep_it() {
    let settings =
        set("kernel = \"6.12\"\nflavour = \"fast\"\nno-install = true\nkeep-size = \"1GB\"\ncolor = \"never\"\n");
    let flags = parsed(&settings, "coverage");
    assert_eq!((flags.global.keep().bytes, flags.global.color), (1_000_000_000, clap::ColorChoice::Never));
    let Command::WithoutDev(Dev::Coverage(args)) = flags.command else { panic!() };
    assert_eq!(
        (args.kernel.kernel.as_deref(), args.kernel.flavour, args.kernel.no_install),
        (Some("6.12"), None, true)
    );
    let Command::Dev(Dev::Selftest(args)) = parsed(&settings, "dev selftest").command else { panic!() };
    assert_eq!((args.kernel, args.no_install), (None, true), "its kernel is one that is built to be broken");
    let Command::Matrix(args) = parsed(&settings, "matrix").command else { panic!() };
    assert!(args.kernels.is_empty() && args.flavours.is_empty() && args.no_install);
    let Command::Dev(Dev::Bench(flags::Bench::Boot { kernel, .. })) = parsed(&settings, "dev bench boot").command
    else {
        panic!()
    };
    assert_eq!(kernel.flavour.as_deref(), Some("fast"));
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_its_place() {
    for (text, parts) in [
        (
            "accel = \"kvn\"",
            ["conformance.toml:1: accel cannot be \"kvn\"", "it may be auto, kvm, tcg", "Did you mean kvm?"],
        ),
        (
            "keep-size = \"2 apples\"",
            ["keep-size cannot be \"2 apples\"", "a size such as", "Write keep-size = \"2GB\""],
        ),
        ("keep-days = -1", ["keep-days cannot be \"-1\"", "-1 is not in 0..", "Write keep-days = 60"]),
        ("keep-runs = 0", ["keep-runs cannot be \"0\"", "from 1 on", "Write keep-runs = 10"]),
        ("no-install = \"yes\"", ["no-install cannot be \"yes\"", "true or false", "Write no-install = true"]),
    ] {
        let error = loaded(&[], "", text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage);
        let error = error.to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?} are not in {error}");
    }
    let error = loaded(&[("CONFORMANCE_ACCEL", "fast")], "", "").unwrap_err().to_string();
    assert!(error.contains("CONFORMANCE_ACCEL: accel cannot be \"fast\""), "{error}");
}

#[test]
fn the_environment_can_take_a_no_back() {
    let settings = loaded(&[("CONFORMANCE_NO_INSTALL", "false")], "no-install = true", "").unwrap();
    assert!(!test(&settings, "test").kernel.no_install);
}

#[test]
fn every_key_is_an_option_with_an_example_that_works() {
    for key in KEYS {
        let settings = loaded(&[], "", &format!("{} = {}", key.name, key.example)).unwrap();
        let mut command = settings.applied(flags::command());
        command.build();
        let test = command.find_subcommand("test").unwrap();
        let option = test.get_arguments().find(|arg| arg.get_long() == Some(key.name));
        let default = option.unwrap_or_else(|| panic!("there is no --{}", key.name)).get_default_values();
        assert!(!default.is_empty(), "{} changes nothing", key.name);
    }
    settings_page_is_complete();
}

fn settings_page_is_complete() {
    let page = include_str!("../../../docs/configuration.md");
    for key in KEYS {
        let row = format!("| `{}` | `{}` | `{}` | {} |", key.name, key.example, key.variable(), key.about);
        assert!(page.contains(&row), "docs/configuration.md lacks this row:\n{row}");
    }
}
