//! The standalone proxy.
fn main() {}
