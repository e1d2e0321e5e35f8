//! Work on the project: `cargo run -p xtask -- tidy` lists what is out of order.

use anyhow::{bail, ensure};

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => {
            let findings = xtask::tidy::all()?;
            ensure!(findings.is_empty(), "not tidy:\n{}", findings.join("\n"));
            Ok(())
        }
        _ => bail!("usage: cargo run -p xtask -- tidy"),
    }
}
