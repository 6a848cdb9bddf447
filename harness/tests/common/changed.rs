//! Random changes of inputs: a short run of what `cargo xtask dev fuzz` does, without its guide and without a build of its own.

/// Pseudo-random numbers, the same in every run (Marsaglia's xorshift).
pub struct Random(pub u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    /// An input with a few bytes replaced, and pieces left out, repeated, or taken from another input.
    pub fn changed(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut changed = input.to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(changed.len() + 1);
            let end = at + self.below((changed.len() - at).min(200) + 1);
            match self.below(4) {
                0 if at < changed.len() => changed[at] = b"\n\r \t\0:/+-@[]<>\xff"[self.below(15)],
                1 => drop(changed.drain(at..end)),
                2 => {
                    let piece = changed[at..end].to_vec();
                    changed.splice(at..at, piece.repeat(1 + self.below(3)));
                }
                _ => {
                    let from = self.below(other.len() + 1);
                    let to = from + self.below((other.len() - from).min(200) + 1);
                    changed.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
        changed.truncate(16 << 10);
        changed
    }
}
