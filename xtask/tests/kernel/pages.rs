//! The worked examples: every command on these pages is run, and prints what the page shows.

use crate::examples::check;

#[test]
#[ignore = "boots a kernel"]
fn for_patch_authors() {
    check("docs/for-patch-authors.md");
}

#[test]
#[ignore = "boots a kernel"]
fn for_maintainers() {
    check("docs/for-maintainers.md");
}

#[test]
#[ignore = "boots a kernel"]
fn for_ci_owners() {
    check("docs/for-ci-owners.md");
}
