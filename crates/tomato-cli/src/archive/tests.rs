use super::*;

#[test]
fn a_directory_is_packed_and_unpacked_again() {
    let from = tempfile::tempdir().unwrap();
    std::fs::create_dir(from.path().join("data")).unwrap();
    std::fs::write(from.path().join("auto_exec.sh"), "echo hello\n").unwrap();
    std::fs::write(from.path().join("data/x"), "1").unwrap();
    let mut packed = pack(from.path()).unwrap();
    let to = tempfile::tempdir().unwrap();
    let file = to.path().join("a.tar.gz");
    std::io::copy(&mut packed, &mut File::create(&file).unwrap()).unwrap();
    let dir = to.path().join("out");
    unpack(&file, &dir).unwrap();
    assert_eq!(std::fs::read_to_string(dir.join("auto_exec.sh")).unwrap(), "echo hello\n");
    assert_eq!(std::fs::read_to_string(dir.join("data/x")).unwrap(), "1");
}

#[test]
fn results_of_two_topologies_do_not_meet() {
    let named = |label: &str| Named {
        label: label.to_owned(),
        name: label.rsplit('/').next().unwrap().to_owned(),
        id: "0123456789abcdef01234567".parse().unwrap(),
    };
    let apart = folders(&[named("one/a"), named("two/b")]);
    assert_eq!(apart, [PathBuf::from("a"), PathBuf::from("b")]);
    let same = folders(&[named("one/a"), named("two/a")]);
    assert_eq!(same, [PathBuf::from("one/a"), PathBuf::from("two/a")]);
}
