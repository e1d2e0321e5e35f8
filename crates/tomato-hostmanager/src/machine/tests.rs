use super::*;

#[test]
fn what_the_kernel_writes_is_understood() {
    let mut figures = MachineFigures::default();
    let cpu = "processor\t: 0\nmodel name\t: A B\nbogomips\t: 10.5\n\nprocessor\t: 1\nmodel name\t: A B\nbogomips\t: 11.5\n";
    processors(&mut figures, cpu);
    assert_eq!((figures.cpus, figures.cpu_model.as_str()), (2, "A B"));
    assert!((figures.bogomips - 11.0).abs() < 1e-9);
    memory(&mut figures, "MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:  400 kB\n");
    assert_eq!((figures.memory_bytes, figures.memory_used_bytes), (1_024_000, 614_400));
    let release = "PRETTY_NAME=\"D 12\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
    assert_eq!(distribution(release), ["debian", "12", "bookworm"]);
    let load: Vec<f64> = numbers("0.50 1.25 2.00 3/400 17").collect();
    assert_eq!(load, [0.5, 1.25, 2.0]);
}

#[test]
fn this_machine_has_time_memory_and_disks() {
    let figures = measure(Path::new("/"));
    assert!(figures.time_ms > 0 && figures.uptime_s > 0.0 && figures.cpus > 0, "{figures:?}");
    assert!(figures.memory_used_bytes < figures.memory_bytes, "{figures:?}");
    assert_eq!(figures.disk_root, figures.disk_data);
    assert_eq!(disk(Path::new("/nowhere/at/all")), DiskFigures::default());
}
