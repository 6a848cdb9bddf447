//! Pages whose commands need no kernel. Those that need one are among the tests of the target `kernel`.

mod common;
#[path = "common/examples.rs"]
mod examples;

#[test]
fn configuration() {
    examples::check("docs/configuration.md");
}

#[test]
fn complaints() {
    examples::check("docs/complaints.md");
}
