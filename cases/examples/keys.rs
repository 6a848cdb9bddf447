//! Prints the key of every planned run, one a line.

fn main() {
    for key in cases::suite::keys() {
        println!("{key}");
    }
}
