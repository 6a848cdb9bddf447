//! The functions that are never at fault, compared with those of a real kernel.

use std::fs;
use std::path::Path;

use super::xtask_with_kernels;
use harness::judge::complaint::frame::is_ignored;

/// How the functions under test begin. Those with other names are in harness/src/judge/complaint/frame/under_test.txt.
const FAMILIES: [&str; 11] = [
    "dma_buf_",
    "dma_fence_",
    "dma_resv_",
    "dma_heap_",
    "system_heap_",
    "sync_file_",
    "sw_sync_",
    "udmabuf_",
    "vgem_",
    "vb2_",
    "drm_gem_",
];

#[test]
#[ignore = "builds a kernel"]
fn no_function_of_the_kernel_under_test_is_ignored() {
    let ran = xtask_with_kernels(&["dev", "build"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let image = Path::new(ran.stdout.trim());
    let map = fs::read_to_string(image.parent().expect("a directory").join("System.map")).expect("it is there");
    let names = map.lines().filter_map(|line| line.split(' ').nth(2));
    let under_test: Vec<&str> =
        names.filter(|name| FAMILIES.iter().any(|family| name.trim_start_matches('_').starts_with(family))).collect();
    assert!(under_test.len() > 300, "only {} functions", under_test.len());
    let ignored: Vec<&&str> = under_test.iter().filter(|name| is_ignored(name)).collect();
    assert!(ignored.is_empty(), "{ignored:?}");
}
