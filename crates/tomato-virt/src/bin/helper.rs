//! The helper process alone, for this crate's tests; the product runs it as a hidden subcommand of its own binary.

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    std::process::ExitCode::from(tomato_virt::helper::helper_main(&arguments))
}
