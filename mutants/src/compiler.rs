//! Finds the mutants of a woven file that do not compile.

use std::collections::BTreeMap;

use regex::Regex;

use super::schemata::of_version;

/// The first compiler error of each mutant, by its number. Errors outside of all mutants have number 0.
pub fn errors(output: &str) -> BTreeMap<usize, String> {
    let function = Regex::new("In function ['\u{2018}]([^'\u{2019}]+)['\u{2019}]:").expect("a valid pattern");
    let named = Regex::new(r"\b(\w+__m\d+)\b").expect("a valid pattern");
    let number = |name: &str| of_version(name).map(|(_, number)| number);
    let mut inside: Option<usize> = None;
    let mut found: BTreeMap<usize, String> = BTreeMap::new();
    for line in output.lines() {
        if let Some(found) = function.captures(line) {
            inside = number(&found[1]);
        } else if line.ends_with("At top level:") {
            inside = None;
        }
        let Some((_, error)) = line.split_once(" error: ") else { continue };
        let mutant = inside.or_else(|| named.captures(error).and_then(|name| number(&name[1])));
        found.entry(mutant.unwrap_or_default()).or_insert_with(|| error.to_string());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_belong_to_the_version_they_are_in() {
        let output = "\
  CC      drivers/dma-buf/dma-buf.o
In file included from a.h:1:
drivers/dma-buf/dma-buf.c: In function ‘dma_buf_derive__m12’:
drivers/dma-buf/dma-buf.c:600:2: error: duplicate case value
  600 |  case O_RDWR:
drivers/dma-buf/dma-buf.c:601:2: error: another
drivers/dma-buf/dma-buf.c: In function 'dma_buf_get__m0':
drivers/dma-buf/dma-buf.c:700:2: warning: unused
drivers/dma-buf/dma-buf.c: At top level:
drivers/dma-buf/dma-buf.c:800:2: error: redefinition of 'helper__m7'
drivers/dma-buf/dma-buf.c:900:2: error: expected ';'
";
        let found = errors(output);
        let found: Vec<(usize, &str)> = found.iter().map(|(number, error)| (*number, error.as_str())).collect();
        assert_eq!(found, [(0, "expected ';'"), (7, "redefinition of 'helper__m7'"), (12, "duplicate case value")]);
    }
}
