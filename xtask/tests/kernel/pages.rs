//! Runs every command of the worked examples and compares the output with the page.

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
