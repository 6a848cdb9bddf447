//! The suite: one file for each family of behaviour, named as the case is.
//!
//! A new case is a file with `case!` and `run`, and one line in [`CASES`]. A test of the workspace compares the list
//! with the files.

mod before;
mod fences;
mod hazards;
mod identity;
mod lifetime;
mod rights;
mod uapi;

use crate::case::Case;
use crate::exporter::Exporter;
use crate::protocol::CaseKey;

/// Every case, in the order in which they run and are reported. First come those that everything else stands on, so that a
/// wrong reference or a wrong access check is named as such before it shows in the cases that have other subjects.
pub const CASES: &[Case] = &[
    before::absent::CASE,
    lifetime::closing_dups::CASE,
    lifetime::closing_orders::CASE,
    lifetime::leaves_list_once::CASE,
    lifetime::leaves_list_once_dup::CASE,
    lifetime::importer_steps::CASE,
    lifetime::importer_steps_dup::CASE,
    rights::derive_table::CASE,
    rights::derive_orphans::CASE,
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
    rights::mmap_export::CASE,
    rights::mmap_by_size::CASE,
    rights::private_writable::CASE,
    rights::private_contents::CASE,
    rights::private_export::CASE,
    rights::upgrade::CASE,
    rights::upgrade_export::CASE,
    rights::side_doors::CASE,
    rights::side_doors_export::CASE,
    rights::walk::CASE,
    rights::walk_export::CASE,
    rights::flags_meanwhile::CASE,
    rights::reopen::CASE,
    rights::reopen_alias::CASE,
    rights::file_writes::CASE,
    rights::file_writes_alias::CASE,
    rights::unprivileged::CASE,
    rights::unprivileged_export::CASE,
    rights::primary_keeps::CASE,
    rights::primary_and_consumers::CASE,
    identity::open_files::CASE,
    identity::open_files_dup::CASE,
    identity::address_space::CASE,
    identity::fdinfo::CASE,
    identity::fdinfo_dup::CASE,
    identity::name::CASE,
    identity::name_dup::CASE,
    identity::name_by_reader::CASE,
    identity::name_rules::CASE,
    identity::seek::CASE,
    identity::seek_alias::CASE,
    identity::same_memory::CASE,
    identity::same_memory_dup::CASE,
    identity::memfd::CASE,
    identity::memfd_alias::CASE,
    identity::seals::CASE,
    identity::enumeration::CASE,
    identity::enumeration_dup::CASE,
    identity::statistics::CASE,
    lifetime::vgem_import::CASE,
    fences::same_fence::CASE,
    fences::same_fence_dup::CASE,
    fences::polling::CASE,
    fences::polling_dup::CASE,
    fences::pending_poll::CASE,
    fences::pending_poll_dup::CASE,
    fences::step_by_step::CASE,
    fences::step_by_step_dup::CASE,
    fences::error::CASE,
    fences::error_dup::CASE,
    fences::importer_fence::CASE,
    fences::importer_fence_dup::CASE,
    fences::sync_file_outlives::CASE,
    fences::sync_file_outlives_dup::CASE,
    fences::write_through_read_only::CASE,
    fences::write_through_rdonly_export::CASE,
    fences::by_access_mode::CASE,
    lifetime::alias_alone::CASE,
    lifetime::producer_exits::CASE,
    lifetime::mapping_outlives::CASE,
    lifetime::mapping_outlives_export::CASE,
    lifetime::killed_holders::CASE,
    lifetime::killed_holders_dup::CASE,
    lifetime::in_flight::CASE,
    lifetime::in_flight_dup::CASE,
    lifetime::failed_allocation::CASE,
    lifetime::failed_export::CASE,
    lifetime::many_aliases::CASE,
    lifetime::inodes::CASE,
    lifetime::inodes_dup::CASE,
    lifetime::visible_alias::CASE,
    lifetime::list_lock::CASE,
    lifetime::races::CASE,
    lifetime::races_dup::CASE,
    hazards::device_captures::CASE,
    hazards::device_captures_export::CASE,
    hazards::reexport::CASE,
    hazards::first_export_wins::CASE,
    hazards::device_writes::CASE,
    hazards::device_writes_export::CASE,
    hazards::kernel_mapping::CASE,
    hazards::kernel_mapping_export::CASE,
    hazards::stalled_writer::CASE,
];

/// Every planned run of every case, in order.
pub fn keys() -> impl Iterator<Item = CaseKey> {
    CASES.iter().flat_map(|case| case.keys().collect::<Vec<_>>())
}

/// The case and the exporter that a key names.
pub fn find(key: &CaseKey) -> Option<(&'static Case, Exporter)> {
    let case = by_id(key.id())?;
    let exporter = case.exporters.iter().copied().find(|exporter| exporter.name() == key.exporter())?;
    Some((case, exporter))
}

/// The case with this id; one of [`crate::endings`] too, although no plan of the suite holds it.
pub fn by_id(id: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.id() == id).or_else(|| crate::endings::by_id(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clause;
    use crate::need::Need;

    #[test]
    fn every_case_judges_a_known_clause() {
        for case in CASES {
            assert!(clause::find(case.clause).is_some(), "{} judges {}, which is no clause", case.id(), case.clause);
        }
    }

    #[test]
    fn every_key_leads_back_to_its_case() {
        for key in keys() {
            let (case, exporter) = find(&key).unwrap();
            assert_eq!(CaseKey::new(&case.id(), exporter.name()), key);
        }
    }

    #[test]
    fn no_case_needs_both_worlds() {
        for case in CASES {
            let patched = [Need::Derive, Need::DeriveDefined].iter().any(|need| case.needs.contains(need));
            let both = patched && case.needs.contains(&Need::NoDerive);
            assert!(!both, "{} could never run", case.id());
        }
    }
}
