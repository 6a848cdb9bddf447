pub mod asked;
pub mod by_access_mode;
pub mod derive_refused;
pub mod domain_of_alias;
pub mod mapped_for_writing;
