//! Cuts a stream into lines as it comes, in time that is linear in its length whatever it holds.

/// A record is far shorter. The rest of a longer line is dropped here; the recording keeps it.
const LONGEST: usize = 1 << 20;

/// The line that is still open.
#[derive(Debug, Default)]
pub struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Hands every line that `chunk` completes to `each`, without its end.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8])) {
        let mut pieces = chunk.split(|byte| *byte == b'\n');
        // Splitting always gives a last piece: what comes after the last end of a line.
        let mut piece = pieces.next().unwrap_or_default();
        for next in pieces {
            self.grow(piece);
            each(&self.open);
            self.open.clear();
            piece = next;
        }
        self.grow(piece);
    }

    fn grow(&mut self, piece: &[u8]) {
        let room = LONGEST - self.open.len();
        self.open.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_however_they_are_cut() {
        let text = b"one\n\ntwo\nthree";
        for size in 1..=text.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for chunk in text.chunks(size) {
                lines.push(chunk, |line| seen.push(line.to_vec()));
            }
            assert_eq!(seen, [&b"one"[..], b"", b"two"]);
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_a_long_one() {
        let mut lines = Lines::default();
        for _ in 0..50 {
            lines.push(&[b'x'; LONGEST], |_| panic!("no line ended"));
        }
        assert_eq!(lines.open.len(), LONGEST);
        let mut lens = Vec::new();
        lines.push(b"\nshort\n", |line| lens.push(line.len()));
        assert_eq!(lens, [LONGEST, 5]);
    }
}
