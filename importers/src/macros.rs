//! Macros that contain the initialisers of an import. Their meaning is read from the headers of the tree, because it changes:
//! `DRM_GEM_SHMEM_DRIVER_OPS` maps imports for the device until 6.15 and only attaches from 6.16 on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::site::CallSite;
use crate::syntax::is_word;
use crate::vocabulary::{LAYERS, Use};

/// Headers with the macros of [`LAYERS`]. A tree has those of its release.
const HEADERS: [&str; 3] =
    ["include/drm/drm_gem_shmem_helper.h", "include/drm/drm_gem_dma_helper.h", "include/drm/drm_gem_cma_helper.h"];

/// The definitions of macros, by name.
#[derive(Debug, Default)]
pub struct ImportMacros(BTreeMap<String, String>);

impl ImportMacros {
    /// Reads the headers of a tree. A header that a tree does not have defines nothing.
    pub fn read(tree: &Path) -> Self {
        let mut macros = ImportMacros::default();
        let texts = HEADERS.iter().filter_map(|header| fs::read_to_string(tree.join(header)).ok());
        texts.for_each(|text| macros.define(&text));
        macros
    }

    /// Adds the definitions of a header.
    fn define(&mut self, header: &str) {
        for definition in header.replace("\\\n", " ").lines().filter_map(|line| line.strip_prefix("#define ")) {
            let end = definition.find(|c| !is_word(c)).unwrap_or(definition.len());
            self.0.insert(definition[..end].to_string(), definition[end..].to_string());
        }
    }

    /// The import functions that a macro sets, also through another macro: `.gem_prime_import = drm_gem_...`.
    fn meaning(&self, name: &str) -> Option<String> {
        let body = self.0.get(name)?;
        let fields = LAYERS.iter().flat_map(|layer| layer.uses).filter_map(|used| match used {
            Use::Field(field) if field.starts_with("gem_prime_import") => Some(*field),
            _ => None,
        });
        let value = |field: &str| {
            let (_, rest) = body.split_once(&format!(".{field} "))?;
            let value = rest.trim_start().strip_prefix('=')?.split(',').next()?.trim();
            Some(format!(".{field} = {value}"))
        };
        let own: Vec<String> = fields.filter_map(value).collect();
        if !own.is_empty() {
            return Some(own.join(", "));
        }
        let words = body.split(|c| !is_word(c)).filter(|word| *word != name);
        words.filter(|word| self.0.contains_key(*word)).find_map(|word| self.meaning(word))
    }

    /// Says in the detail of a place what its macro means.
    pub fn explain(&self, place: &mut CallSite) {
        if let Some(meaning) = self.meaning(&place.what) {
            place.detail = meaning;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "\
#define OPS_WITH(create) \\
\t.dumb_create\t\t= (create), \\
\t.gem_prime_import_sg_table = helper_import_sg_table

/* comment */
#define OPS \\
\tOPS_WITH(helper_create)

#define OTHER \\
\t.mmap = helper_mmap
";

    #[test]
    fn a_macro_means_the_functions_that_it_sets() {
        let mut macros = ImportMacros::default();
        macros.define(HEADER);
        let meaning = Some(".gem_prime_import_sg_table = helper_import_sg_table".to_string());
        assert_eq!((macros.meaning("OPS_WITH"), macros.meaning("OPS")), (meaning.clone(), meaning));
        assert_eq!((macros.meaning("OTHER"), macros.meaning("NONE")), (None, None));
    }
}
