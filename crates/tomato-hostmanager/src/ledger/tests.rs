use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn record() -> Record {
    let wanted = WantedTopology {
        id: TopologyId::new(1, 1),
        generation: 1,
        seed: 1,
        elements: Vec::new(),
        connections: Vec::new(),
        host_names: BTreeMap::new(),
    };
    Record { wanted, is_removing: false, elements: BTreeMap::new() }
}

#[test]
fn records_are_for_root_alone_also_those_of_earlier_versions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let ledger = Ledger::open(&path).unwrap();
    ledger.save(&record()).unwrap();
    let file = ledger.path(&record().wanted.id);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    ledger.save(&record()).unwrap();
    assert_eq!((mode(&path), mode(&file)), (0o700, 0o600));
    assert_eq!(ledger.load().unwrap(), [record()]);
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_former_one_and_nothing_else() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            buffer[0] = b'{';
            Ok(1)
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    replace_file(&path, &mut b"{}".as_slice()).unwrap();
    let error = replace_file(&path, &mut Broken(false)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read(&path).unwrap(), b"{}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
