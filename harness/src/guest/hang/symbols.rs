//! Names of kernel addresses, from the System.map beside the image.

use std::collections::BTreeMap;

/// Maximum size of a function; a larger offset from a symbol is not code.
pub const LARGEST: u64 = 1 << 16;

/// The symbols of one kernel.
#[derive(Debug, Default)]
pub struct Symbols {
    /// Address to name and whether it is code.
    by_address: BTreeMap<u64, (String, bool)>,
}

impl Symbols {
    /// Parses a System.map. Invalid lines are skipped.
    pub fn parse(map: &str) -> Self {
        let by_address = map.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let address = u64::from_str_radix(fields.next()?, 16).ok()?;
            let code = matches!(fields.next()?, "t" | "T" | "w" | "W");
            // Lower values are offsets of per-CPU variables.
            in_kernel(address).then_some((address, (fields.next()?.to_string(), code)))
        });
        Symbols { by_address: by_address.collect() }
    }

    /// Every symbol: address, name, and whether it is code; sorted by address.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &str, bool)> {
        self.by_address.iter().map(|(address, (name, code))| (*address, name.as_str(), *code))
    }

    /// The function at an address, without the compiler's suffixes, and the offset from its start. None if the address is not
    /// in code.
    pub fn function(&self, address: u64) -> Option<(&str, u64)> {
        let (start, (name, code)) = self.by_address.range(..=address).next_back()?;
        let offset = address - start;
        (*code && in_kernel(address) && offset < LARGEST).then(|| (name.split('.').next().unwrap_or(name), offset))
    }
}

/// Whether an address is in the upper half of the address space, which belongs to the kernel.
pub fn in_kernel(address: u64) -> bool {
    address >> 63 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_has_a_function() {
        let symbols = Symbols::parse(
            "0000000000001000 A percpu\nffffffff81469f5b t walk.isra.0\nffffffff8146a100 D data\nrubbish\n",
        );
        assert_eq!(symbols.function(0xffff_ffff_8146_9f60), Some(("walk", 5)));
        assert_eq!(symbols.function(0xffff_ffff_8146_a104), None, "data");
        assert_eq!(symbols.function(0x1004), None, "per-CPU offsets");
        assert_eq!(Symbols::parse("ffffffff81469f5b t f\n").function(u64::MAX), None, "far after the last symbol");
    }
}
