//! tomato
fn main() {}
