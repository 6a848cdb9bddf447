//! The suite: one file for each kind of behaviour, with the name of the case.
//!
//! A new case is a file with `case!` and `run`, and one line in [`CASES`]. A test of the workspace compares the list
//! with the files. The same steps on other descriptors are a [`variant`](crate::variant), not a new case.

mod before;
mod controls;
mod devices;
mod enumerators;
mod exporters;
mod fence_sets;
mod fences;
mod hazards;
mod identity;
mod importers;
mod lifetime;
mod model;
mod proc;
mod rights;
mod selinux;
mod sync_file;
mod uapi;
mod waiting;

use crate::case::Case;
use crate::protocol::CaseKey;
use crate::variant::CaseParams;

/// Every case, in the order in which they run and are reported. First come those that judge a
/// [`Foundation`](crate::foundation::Foundation), then those that show most.
pub const CASES: &[Case] = &[
    before::absent::CASE,
    uapi::derive_and_close::CASE,
    lifetime::leaves_list_once::CASE,
    exporters::kernel_mapping::CASE,
    lifetime::importer_steps::CASE,
    sync_file::made_and_closed::CASE,
    fences::pending_poll::CASE,
    lifetime::closing_dups::CASE,
    lifetime::closing_orders::CASE,
    rights::derive_table::CASE,
    rights::derive_orphans::CASE,
    rights::derive_in_use::CASE,
    uapi::layout::CASE,
    uapi::raw_bytes::CASE,
    uapi::flags::CASE,
    uapi::flags_in_full_table::CASE,
    uapi::bad_argument::CASE,
    uapi::foreign_memory::CASE,
    uapi::never_installed::CASE,
    uapi::result::CASE,
    uapi::reused_structure::CASE,
    uapi::status_flags::CASE,
    uapi::status_flags_export::CASE,
    uapi::close_on_exec::CASE,
    uapi::full_table::CASE,
    uapi::file_limit::CASE,
    uapi::other_files::CASE,
    uapi::neighbours::CASE,
    uapi::request_variants::CASE,
    uapi::request_variants_alias::CASE,
    uapi::compat::CASE,
    uapi::compat_compared::CASE,
    rights::mmap_table::CASE,
    rights::writable_alias::CASE,
    rights::mmap_by_size::CASE,
    rights::private_writable::CASE,
    rights::private_contents::CASE,
    rights::upgrade::CASE,
    rights::remote_writes::CASE,
    rights::walk::CASE,
    rights::flags_meanwhile::CASE,
    rights::reopen::CASE,
    rights::file_writes::CASE,
    rights::unprivileged::CASE,
    rights::primary_keeps::CASE,
    rights::primary_and_consumers::CASE,
    rights::ioctls::CASE,
    rights::file_locks::CASE,
    rights::page_number::CASE,
    identity::open_files::CASE,
    identity::address_space::CASE,
    identity::attributes::CASE,
    identity::fdinfo::CASE,
    identity::name::CASE,
    identity::name_by_reader::CASE,
    identity::name_rules::CASE,
    identity::seek::CASE,
    identity::same_memory::CASE,
    identity::memfd::CASE,
    identity::huge_pages::CASE,
    identity::seals::CASE,
    identity::enumeration::CASE,
    identity::iterator::CASE,
    identity::statistics::CASE,
    lifetime::vgem_import::CASE,
    fences::same_fence::CASE,
    fences::polling::CASE,
    fences::poll_keeps_buffer::CASE,
    fences::step_by_step::CASE,
    fences::error::CASE,
    fences::importer_fence::CASE,
    fences::importer_waits::CASE,
    fences::sync_file_outlives::CASE,
    fences::write_through_read_only::CASE,
    fences::by_access_mode::CASE,
    waiting::poll_table::CASE,
    waiting::epoll_modes::CASE,
    waiting::sync_waits::CASE,
    waiting::no_limit::CASE,
    waiting::sync_interrupted::CASE,
    waiting::sync_flags::CASE,
    fence_sets::same_timeline::CASE,
    fence_sets::containers::CASE,
    fence_sets::signalled::CASE,
    fence_sets::export_contents::CASE,
    fence_sets::arguments::CASE,
    fence_sets::races::CASE,
    fence_sets::compat::CASE,
    fence_sets::failed_allocation::CASE,
    model::random_sequences::CASE,
    sync_file::file_info::CASE,
    sync_file::merge::CASE,
    sync_file::merged_status::CASE,
    sync_file::merged_timestamp::CASE,
    sync_file::deadlines::CASE,
    sync_file::timelines::CASE,
    sync_file::last_reference::CASE,
    sync_file::bad_pointers::CASE,
    sync_file::failed_allocation::CASE,
    proc::name_arguments::CASE,
    proc::name_races::CASE,
    proc::name_while_used::CASE,
    proc::name_memory::CASE,
    proc::failed_name::CASE,
    proc::o_path::CASE,
    proc::bufinfo_fences::CASE,
    lifetime::alias_alone::CASE,
    lifetime::producer_exits::CASE,
    lifetime::camera::CASE,
    lifetime::mapping_outlives::CASE,
    lifetime::killed_holders::CASE,
    lifetime::in_flight::CASE,
    lifetime::failed_allocation::CASE,
    lifetime::failed_export::CASE,
    lifetime::many_aliases::CASE,
    lifetime::memory::CASE,
    lifetime::inodes::CASE,
    lifetime::visible_alias::CASE,
    lifetime::list_lock::CASE,
    lifetime::races::CASE,
    exporters::heap_arguments::CASE,
    exporters::zeroed::CASE,
    exporters::chunks::CASE,
    exporters::udmabuf_arguments::CASE,
    exporters::udmabuf_list::CASE,
    exporters::memfd_owner::CASE,
    exporters::sealed_meanwhile::CASE,
    exporters::size_limit::CASE,
    exporters::mapped_parts::CASE,
    exporters::beyond_end::CASE,
    exporters::full_table::CASE,
    exporters::memory::CASE,
    exporters::failed_memory::CASE,
    exporters::resident::CASE,
    exporters::killed_allocation::CASE,
    exporters::compat::CASE,
    exporters::failed_export::CASE,
    exporters::failed_access::CASE,
    importers::prime_handles::CASE,
    importers::prime_arguments::CASE,
    importers::prime_mappings::CASE,
    importers::import_mapping::CASE,
    importers::prime_parts::CASE,
    importers::refused_mappings::CASE,
    importers::queue_slots::CASE,
    importers::queue_refusals::CASE,
    importers::queue_memory::CASE,
    importers::own_slots::CASE,
    importers::failed_own::CASE,
    importers::failed_prime::CASE,
    importers::failed_steps::CASE,
    importers::failed_queue::CASE,
    importers::failed_start::CASE,
    enumerators::many_buffers::CASE,
    enumerators::iterator::CASE,
    enumerators::attached_devices::CASE,
    enumerators::busy_buffer::CASE,
    controls::device_reads::CASE,
    controls::output_streams::CASE,
    hazards::device_captures::CASE,
    hazards::reexport::CASE,
    hazards::first_export_wins::CASE,
    hazards::device_writes::CASE,
    hazards::kernel_mapping::CASE,
    hazards::stalled_writer::CASE,
    hazards::node_mapping::CASE,
    hazards::self_import::CASE,
    hazards::many_fences::CASE,
    hazards::many_watches::CASE,
    hazards::unlisted_buffer::CASE,
    hazards::forged_lines::CASE,
    hazards::failed_fence::CASE,
    hazards::sync_bounces::CASE,
    devices::capture_by_dma::CASE,
    devices::mem2mem::CASE,
    devices::writeback::CASE,
    devices::display_mapping::CASE,
    devices::display_own_buffer::CASE,
    devices::both_modes::CASE,
    devices::iommu::CASE,
    devices::bus_master::CASE,
    devices::samples::CASE,
    devices::network_card::CASE,
    selinux::asked::CASE,
    selinux::by_access_mode::CASE,
    selinux::mapped_for_writing::CASE,
    selinux::derive_refused::CASE,
    selinux::domain_of_alias::CASE,
];

/// Every run of every case that is planned by default, in order.
pub fn keys() -> impl Iterator<Item = CaseKey> {
    CASES.iter().flat_map(|case| case.keys().collect::<Vec<_>>())
}

/// Every run of every case on every exporter that it can run on, in order.
pub fn keys_on_all_exporters() -> impl Iterator<Item = CaseKey> {
    CASES.iter().flat_map(|case| case.runs().map(|on| case.key(on)).collect::<Vec<_>>())
}

/// Whether a run is planned by default, and not only with all exporters.
pub fn is_default(key: &CaseKey) -> bool {
    by_id(key.id()).is_none_or(|case| case.keys().any(|planned| planned == *key))
}

/// The case that a key names, and what it runs on.
pub fn find(key: &CaseKey) -> Option<(&'static Case, CaseParams)> {
    let case = by_id(key.id())?;
    case.runs().find(|on| case.key(*on) == *key).map(|on| (case, on))
}

/// The case with this id. Also finds those of [`crate::faults`], which are in no plan of the suite.
pub fn by_id(id: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.id() == id).or_else(|| crate::faults::by_id(id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::clause;
    use crate::need::Need;
    use crate::variant::FdKind;

    #[test]
    fn every_case_judges_a_known_clause() {
        for case in CASES {
            assert!(clause::find(case.clause).is_some(), "{} judges {}, not a clause", case.id(), case.clause);
        }
    }

    #[test]
    fn every_key_finds_its_case() {
        for key in keys_on_all_exporters() {
            let (case, on) = find(&key).unwrap();
            assert_eq!(case.key(on), key);
        }
        let all: BTreeSet<CaseKey> = keys_on_all_exporters().collect();
        assert_eq!(all.len(), keys_on_all_exporters().count(), "two runs of one key");
        assert!(keys().all(|key| all.contains(&key) && is_default(&key)));
        assert_eq!(all.iter().filter(|key| is_default(key)).count(), keys().count());
    }

    #[test]
    fn a_default_variant_is_not_named() {
        let key = |name: &str| CaseKey::new(name, "udmabuf");
        assert!(find(&key("identity/name")).is_some_and(|(_, on)| on.fds() == FdKind::Alias));
        assert!(find(&key("identity/name.dup")).is_some_and(|(_, on)| on.fds() == FdKind::Duplicate));
        assert!(find(&key("identity/name.alias")).is_none());
    }

    #[test]
    fn no_case_needs_derive_and_its_absence() {
        for (case, variant) in CASES.iter().flat_map(|case| case.variants.iter().map(move |variant| (case, variant))) {
            let needs = case.needs_of(variant);
            let patched = [Need::Derive, Need::DeriveDefined].iter().any(|need| needs.contains(need));
            assert!(!(patched && needs.contains(&Need::NoDerive)), "{} could never run", case.name(variant));
        }
    }

    #[test]
    fn no_case_needs_two_kinds_of_guests() {
        for (case, variant) in CASES.iter().flat_map(|case| case.variants.iter().map(move |variant| (case, variant))) {
            let needs = case.needs_of(variant);
            let kinds = [Need::TwoProcessors, Need::BounceBuffers].into_iter().filter(|need| needs.contains(need));
            assert!(kinds.count() < 2, "{}: no guest has both", case.name(variant));
        }
    }

    #[test]
    fn the_example_of_the_documentation_is_a_case() {
        let page = include_str!("../../../docs/writing-a-case.md");
        let example = include_str!("before/absent.rs");
        assert!(
            page.contains(&format!("```rust\n{example}```")),
            "docs/writing-a-case.md differs from before/absent.rs"
        );
        assert!(example.lines().count() < 25);
    }

    #[test]
    fn a_case_has_few_use_lines() {
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/suite");
        for case in CASES {
            let source = fs::read_to_string(suite.join(format!("{}.rs", case.id()))).unwrap();
            let uses = source.lines().filter(|line| line.starts_with("use ")).count();
            assert!(uses <= 3, "{}: {uses} use lines; what several cases use belongs in the prelude", case.id());
        }
    }
}
