//! Requests, flavours, and the errors about them.

use super::*;
use crate::host::arch::X86_64;

fn fragment(name: &str, text: &str) -> Fragment {
    Fragment { name: name.into(), path: name.into(), text: text.into() }
}

#[test]
fn requests_can_turn_options_off() {
    let requests = requests("# a comment\nCONFIG_A=y\n# CONFIG_B is not set\n\nCONFIG_C=\"x\"\n").unwrap();
    let got: Vec<_> = requests.iter().map(|r| (r.line, r.option.as_str(), r.value.as_str())).collect();
    assert_eq!(got, [(2, "CONFIG_A", "y"), (3, "CONFIG_B", "n"), (5, "CONFIG_C", "\"x\"")]);
}

#[test]
fn a_request_can_be_limited_to_some_kernels() {
    let requests = requests("CONFIG_A=y # since 6.15\n# CONFIG_B is not set # until 6.6\nCONFIG_C=7\n").unwrap();
    let bound = |version: &str| -> Vec<bool> {
        requests.iter().map(|request| request.is_for(Release::of(version).unwrap())).collect()
    };
    assert_eq!(bound("6.1.192"), [false, true, true]);
    assert_eq!(bound("7.2.13"), [true, false, true]);
    assert_eq!(requests[1].value, "n");
}

#[test]
fn an_almost_valid_request_is_an_error() {
    for line in [
        "CONFIG_A=y # sinc 6.15",
        "CONFIG_A=y # because",
        "CONFIG_A=y # since 6",
        "CONFIG_A=y since 6.15",
        "CONFIG_A=y #since 6.15",
        "# CONFIG_A is not set since 6.15",
        "# CONFIG_A is not set # before 6.15",
        "# CONFIG_A is unset",
        "CONFIG_A=",
        "CONFIG A=y",
        "A=y",
    ] {
        assert_eq!(requests(&format!("# fine\n{line}\n")), Err((2, line.to_string())));
    }
}

#[test]
fn the_kernels_scripts_get_plain_requests() {
    let fragments = vec![
        fragment("one", "# why\nCONFIG_A=y # since 6.15\nCONFIG_C=7\n"),
        fragment("two", "# CONFIG_B is not set # until 6.6\nCONFIG_C=\"c\"\n"),
    ];
    let flavour = Flavour { name: "test".into(), arch: &X86_64, fragments, policy: None };
    let plain = |version: &str| flavour.plain(Release::of(version).unwrap());
    assert_eq!(plain("7.2.13"), "CONFIG_A=y\nCONFIG_C=\"c\"\n");
    assert_eq!(plain("6.1.192"), "# CONFIG_B is not set\nCONFIG_C=\"c\"\n");
}

#[test]
fn lost_options_are_found_whether_requested_on_or_off() {
    let flavour = Flavour {
        name: "test".into(),
        arch: &X86_64,
        fragments: vec![
            fragment("one", "CONFIG_A=y\nCONFIG_KASAN=y\n# CONFIG_TINY is not set\n"),
            fragment("two", "CONFIG_A=n\n"),
        ],
        policy: None,
    };
    let release = Release::of("7.2").unwrap();
    let lost = flavour.lost(release, &values("CONFIG_TINY=y\n"));
    let lost: Vec<_> = lost.iter().map(|(fragment, r)| (fragment.name.as_str(), r.line, r.option.as_str())).collect();
    assert_eq!(lost, [("one", 2, "CONFIG_KASAN"), ("one", 3, "CONFIG_TINY")]);
    assert!(flavour.lost(release, &values("CONFIG_KASAN=y\n")).is_empty());
}

#[test]
fn the_error_names_fragment_line_and_dependency() {
    let tree = tempfile::tempdir().unwrap();
    let kconfig = "config KASAN\n\tbool \"x\"\n\tdepends on SLUB && !SLUB_TINY\n\thelp\n\t  depends on luck\n";
    fs::write(tree.path().join("Kconfig.kasan"), kconfig).unwrap();
    let fragment = fragment("sanitizers.config", "CONFIG_KASAN=y\n");
    let request = requests(&fragment.text).unwrap().remove(0);
    let error = did_not_survive(&[(&fragment, request)], tree.path(), &values("CONFIG_SLUB_TINY=y\n"));
    assert_eq!(error.exit_code().number(), 23);
    insta::assert_snapshot!(error, @r"
    kernel configuration: CONFIG_KASAN did not survive configuration
        sanitizers.config:1 requests CONFIG_KASAN=y, but it is not set
          it is defined in Kconfig.kasan:1
          depends on SLUB && !SLUB_TINY   (not set: SLUB)
      > Request its dependencies in the same fragment, or remove the request.
    ");
}

#[test]
fn a_flavour_for_virtme_ng_has_one_more_fragment() {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../kconfigs"));
    let names = |name| {
        let flavour = Flavour::load(name, dir).unwrap();
        flavour.fragments.into_iter().map(|fragment| fragment.name).collect::<Vec<_>>()
    };
    assert_eq!(names("fast-vng"), [names("fast"), vec!["vng.config".into()]].concat());
    assert_eq!(names("fast")[..2], ["base.config", "x86_64.config"]);
    assert_eq!(names("fast-arm64")[..2], ["base.config", "arm64.config"]);
    assert!(Flavour::load("-vng", dir).is_err());
}

#[test]
fn the_error_for_an_unknown_flavour_suggests_a_known_one() {
    let error = Flavour::load("sanitised", Path::new(".")).unwrap_err();
    assert!(error.to_string().contains("sanitized"), "{error}");
}
