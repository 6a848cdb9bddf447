//! The C files of a tree that may have a place. All others are not parsed.

use std::fs;
use std::path::{Path, PathBuf};

use aho_corasick::packed::{Config, Searcher};
use harness::error::{Context, Error, ErrorKind, Result, io};
use walkdir::{DirEntry, WalkDir};

/// Folders at the top of a tree without code that runs in the kernel.
const NOT_KERNEL: [&str; 4] = ["Documentation", "scripts", "tools", "usr"];

/// Finds words in files.
#[derive(Debug)]
pub struct Prefilter(Searcher);

impl Prefilter {
    /// For these words, at most 64.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when there is no fast way to search for them.
    pub fn new(words: &[&str]) -> Result<Self> {
        // The general searcher of the crate looks for rare bytes first, which takes twice as long here.
        let searcher = Config::new().builder().extend(words).build();
        let searcher = searcher.ok_or_else(|| Error::new(ErrorKind::Internal, "the words cannot be searched for"));
        Ok(Prefilter(searcher?))
    }

    /// The text of a file that contains one of the words. Bytes that are not UTF-8 are replaced one by one, which keeps lines.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when the file cannot be read.
    pub fn read(&self, path: &Path, buffer: &mut Vec<u8>) -> Result<Option<String>> {
        use std::io::Read;
        buffer.clear();
        let read = fs::File::open(path).and_then(|mut file| file.read_to_end(buffer));
        read.map_err(|error| Error { kind: ErrorKind::Source, ..io(&error, "reading", path) })?;
        Ok(self.0.find(&*buffer).is_some().then(|| String::from_utf8_lossy(buffer).into_owned()))
    }
}

/// All C files of the kernel in a tree, sorted.
///
/// # Errors
/// [`ErrorKind::Source`] when a directory cannot be read.
pub fn c_files(tree: &Path) -> Result<Vec<PathBuf>> {
    let wanted = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() != 1 || !(name.starts_with('.') || NOT_KERNEL.contains(&name.as_ref()))
    };
    let mut files = Vec::new();
    for entry in WalkDir::new(tree).into_iter().filter_entry(wanted) {
        let entry = entry.context(ErrorKind::Source, || format!("{} cannot be searched", tree.display()))?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|extension| extension == "c") {
            files.push(entry.into_path());
        }
    }
    files.sort();
    Ok(files)
}
