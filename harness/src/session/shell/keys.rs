//! Keys of the user: all go to the guest, except the escape key and the key after it.

/// Ctrl-A, as in QEMU and minicom.
const ESCAPE: u8 = 1;

/// The help text.
pub const HELP: &str = "Ctrl-A x ends the guest, Ctrl-A a sends a Ctrl-A, Ctrl-A h shows this help";

/// What to do with typed keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Send these bytes to the guest.
    Guest(Vec<u8>),
    /// End the guest.
    Leave,
    /// Show the help.
    Help,
}

/// Remembers whether the previous key was the escape key.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// Splits bytes of the terminal, in order.
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
    fn all_keys_but_the_escape_key_go_to_the_guest() {
        let mut keys = Keys::default();
        assert_eq!(keys.type_in(b"ls\x03\x1a\x04"), [Typed::Guest(b"ls\x03\x1a\x04".to_vec())]);
        assert_eq!(
            keys.type_in(b"ab\x01xc\x01h"),
            [Typed::Guest(b"ab".to_vec()), Typed::Leave, Typed::Guest(b"c".to_vec()), Typed::Help]
        );
        assert_eq!(keys.type_in(b"\x01a\x01\x01"), [Typed::Guest(vec![1, 1])]);
    }

    #[test]
    fn the_escape_key_works_across_reads() {
        let mut keys = Keys::default();
        assert_eq!(keys.type_in(b"\x01"), []);
        assert_eq!(keys.type_in(b"x"), [Typed::Leave]);
        assert_eq!(keys.type_in(b"x"), [Typed::Guest(b"x".to_vec())]);
    }
}
