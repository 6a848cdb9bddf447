//! Splits a stream into lines, in linear time for any input.

/// Maximum length of a line; records are much shorter. The rest of a longer line is dropped here, but recorded.
const MAX_LINE: usize = 1 << 20;

/// The incomplete line.
#[derive(Debug, Default)]
pub struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Passes every line that `chunk` completes to `each`, without the line feed.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8])) {
        let mut pieces = chunk.split(|byte| *byte == b'\n');
        // The last piece is the text after the last line feed.
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
        let room = MAX_LINE - self.open.len();
        self.open.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_do_not_depend_on_the_chunks() {
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
    fn the_memory_for_an_endless_line_is_limited() {
        let mut lines = Lines::default();
        for _ in 0..50 {
            lines.push(&[b'x'; MAX_LINE], |_| panic!("no line ended"));
        }
        assert_eq!(lines.open.len(), MAX_LINE);
        let mut lens = Vec::new();
        lines.push(b"\nshort\n", |line| lens.push(line.len()));
        assert_eq!(lens, [MAX_LINE, 5]);
    }
}
