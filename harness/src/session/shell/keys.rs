//! What a person types into a guest. All of it is for the guest, but for one key and what follows it.

/// Ctrl-A, as QEMU and minicom have it.
const ESCAPE: u8 = 1;

/// What is said about it.
pub const HELP: &str = "Ctrl-A x ends the guest, Ctrl-A a sends a Ctrl-A, Ctrl-A h says this";

/// What to do about a piece that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// The guest gets these bytes.
    Guest(Vec<u8>),
    /// The person wants to leave.
    Leave,
    /// The person wants to know the keys.
    Help,
}

/// Knows whether the key before was the escape.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// Takes the bytes of the terminal apart, in order.
    pub fn type_in(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut typed = Vec::new();
        let mut plain = Vec::new();
        for byte in bytes {
            let escaped = std::mem::take(&mut self.escaped);
            let special = match (escaped, byte) {
                (false, &ESCAPE) => {
                    self.escaped = true;
                    continue;
                }
                (true, b'x' | b'X') => Typed::Leave,
                (true, b'h' | b'H' | b'?') => Typed::Help,
                (true, b'a' | b'A' | &ESCAPE) => {
                    plain.push(ESCAPE);
                    continue;
                }
                _ => {
                    plain.push(*byte);
                    continue;
                }
            };
            if !plain.is_empty() {
                typed.push(Typed::Guest(std::mem::take(&mut plain)));
            }
            typed.push(special);
        }
        if !plain.is_empty() {
            typed.push(Typed::Guest(plain));
        }
        typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_the_escape_is_for_the_guest() {
        let mut keys = Keys::default();
        assert_eq!(keys.type_in(b"ls\x03\x1a\x04"), [Typed::Guest(b"ls\x03\x1a\x04".to_vec())]);
        assert_eq!(
            keys.type_in(b"ab\x01xc\x01h"),
            [Typed::Guest(b"ab".to_vec()), Typed::Leave, Typed::Guest(b"c".to_vec()), Typed::Help]
        );
        assert_eq!(keys.type_in(b"\x01a\x01\x01"), [Typed::Guest(vec![1, 1])]);
    }

    #[test]
    fn an_escape_holds_over_two_pieces() {
        let mut keys = Keys::default();
        assert_eq!(keys.type_in(b"\x01"), []);
        assert_eq!(keys.type_in(b"x"), [Typed::Leave]);
        assert_eq!(keys.type_in(b"x"), [Typed::Guest(b"x".to_vec())]);
    }
}
