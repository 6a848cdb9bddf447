//! Output of the compiler and make.

use super::*;
use crate::host::arch::X86_64;

#[test]
fn a_tree_that_does_not_instrument_its_entry_needs_no_variables() {
    let dir = tempfile::tempdir().unwrap();
    let headers = dir.path().join("arch/x86/include/asm");
    fs::create_dir_all(&headers).unwrap();
    fs::write(headers.join("processor.h"), "if (!memcmp(sig, signature, 12) &&").unwrap();
    assert!(uninstrumented(&X86_64, dir.path()).contains(&"KASAN_SANITIZE_enlighten.o=n"));
    fs::write(headers.join("cpuid.h"), "if (!__builtin_memcmp(sig, signature, 12) &&").unwrap();
    assert_eq!(uninstrumented(&X86_64, dir.path()), [""; 0]);
}

#[test]
fn kcsan_instruments_only_the_code_under_test() {
    let dir = tempfile::tempdir().unwrap();
    let kconfigs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kconfigs");
    fs::create_dir_all(dir.path().join("drivers/dma-buf/heaps")).unwrap();
    for file in ["dma-buf.c", "Makefile", "heaps/system_heap.c"] {
        fs::write(dir.path().join("drivers/dma-buf").join(file), "").unwrap();
    }
    let variables = |flavour| watched(&Flavour::load(flavour, &kconfigs).unwrap(), dir.path());
    let race = ["KCSAN_SANITIZE=n", "KCSAN_SANITIZE_dma-buf.o=y", "KCSAN_SANITIZE_system_heap.o=y"];
    assert_eq!(variables("race"), race);
    assert_eq!(variables("sanitized"), [""; 0]);
}

#[test]
fn lines_of_make_are_recognised() {
    assert_eq!(object("  CC      drivers/dma-buf/dma-buf.o"), Some("drivers/dma-buf/dma-buf.o"));
    assert_eq!(object("  CALL    scripts/checksyscalls.sh"), None);
    assert_eq!(object("make[1]: Entering directory"), None);
}

#[test]
fn the_error_shows_the_compilers_message() {
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
    assert_eq!(error.title, "drivers/dma-buf/dma-buf.c does not compile");
    assert!(error.cause.contains("'alais' undeclared") && error.cause.contains("^~~~~"), "{error}");
}

#[test]
fn a_full_disk_is_a_host_error() {
    let error = does_not_compile("as: x.o: No space left on device\nmake: *** Error 1\n", Path::new("d/build.log"));
    assert_eq!(error.kind, ErrorKind::Host);
    assert!(error.to_string().contains("Free some space"), "{error}");
}
