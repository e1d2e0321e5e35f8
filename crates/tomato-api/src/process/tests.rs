//! The kernel's words are read right, whatever the process is called.

use super::*;

#[test]
fn fields_are_found_behind_any_name() {
    let stat = "7 (a) b 1 2) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 12345 1000 200";
    let status = "Name:\ta\nVmRSS:\t    2048 kB\nThreads:\t4\n";
    let figures = parse(stat, status);
    assert!((figures.cpu_s - 3.0).abs() < 1e-9, "{figures:?}");
    assert_eq!((figures.memory_bytes, figures.threads), (2 << 20, 4));
    assert_eq!(parse("", ""), ProcessFigures::default());
}

#[test]
fn this_process_is_told() {
    let figures = own();
    assert!(figures.memory_bytes > 1 << 16, "{figures:?}");
    assert!(figures.threads >= 1 && figures.open_files >= 1, "{figures:?}");
    let same = of(std::process::id()).unwrap();
    assert!(same.memory_bytes > 1 << 16 && same.open_files >= 1, "{same:?}");
    assert_eq!(of(u32::MAX), None);
}
