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
    Record { wanted: Arc::new(wanted), is_removing: false, elements: BTreeMap::new() }
}

fn element(n: u64) -> ElementId {
    ElementId::new(1, n)
}

fn started(count: u64) -> ElementRecord {
    ElementRecord { started_count: count, ..ElementRecord::default() }
}

fn save(ledger: &Ledger, record: &Record) {
    ledger.save(&record.wanted, record.is_removing).unwrap();
}

#[test]
fn records_are_for_root_alone_also_those_of_earlier_versions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let ledger = Ledger::open(&path).unwrap();
    save(&ledger, &record());
    let file = ledger.path(&record().wanted.id);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    save(&ledger, &record());
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

#[test]
fn an_element_has_a_file_of_its_own_that_changes_alone() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let mut expected = record();
    let id = expected.wanted.id.clone();
    save(&ledger, &expected);
    for n in [1, 2] {
        ledger.save_element(&id, &element(n), &started(n)).unwrap();
        expected.elements.insert(element(n), Arc::new(started(n)));
    }
    let others = [ledger.path(&id), element_path(&ledger.elements(&id), &element(1))];
    let inodes = || others.each_ref().map(|path| fs::metadata(path).unwrap().ino());
    let before = inodes();
    ledger.save_element(&id, &element(2), &started(7)).unwrap();
    expected.elements.insert(element(2), Arc::new(started(7)));
    assert_eq!(inodes(), before, "no other file was written");
    assert_eq!(ledger.load().unwrap(), [expected.clone()]);
    ledger.remove_element(&id, &element(2)).unwrap();
    ledger.remove_element(&id, &element(2)).unwrap();
    expected.elements.remove(&element(2));
    assert_eq!(ledger.load().unwrap(), [expected]);
}

#[test]
fn a_topology_goes_with_what_a_crash_left_of_its_elements() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let id = record().wanted.id.clone();
    save(&ledger, &record());
    ledger.save_element(&id, &element(1), &started(1)).unwrap();
    ledger.remove_element(&id, &element(1)).unwrap();
    fs::write(ledger.elements(&id).join(format!("{}.new", element(1))), b"{").unwrap();
    assert_eq!(ledger.load().unwrap(), [record()]);
    ledger.remove(&id).unwrap();
    ledger.remove(&id).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_record_of_an_earlier_version_is_split_also_after_a_crash_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let mut expected = record();
    let id = expected.wanted.id.clone();
    let elements: BTreeMap<_, _> = [1, 2].map(|n| (element(n), started(n))).into();
    let old = serde_json::json!({
        "wanted": *expected.wanted, "is_removing": false, "elements": elements,
    });
    fs::write(ledger.path(&id), old.to_string()).unwrap();
    // The crash: one element has its file already.
    ledger.save_element(&id, &element(2), &started(2)).unwrap();
    expected.elements = elements.into_iter().map(|(id, old)| (id, Arc::new(old))).collect();
    assert_eq!(ledger.load().unwrap(), [expected.clone()]);
    let text = fs::read_to_string(ledger.path(&id)).unwrap();
    assert!(!text.contains("started_count"), "{text}");
    // What changes from then on is not taken back by what was there once.
    ledger.remove_element(&id, &element(1)).unwrap();
    expected.elements.remove(&element(1));
    assert_eq!(ledger.load().unwrap(), [expected]);
}
