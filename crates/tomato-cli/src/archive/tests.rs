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
