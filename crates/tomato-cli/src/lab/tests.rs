use super::*;

#[test]
fn a_password_is_made_once_and_only_root_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = first_password(dir.path()).unwrap();
    assert!(first.len() >= 16);
    assert_eq!(first_password(dir.path()).unwrap(), first);
    let mode = fs::metadata(dir.path().join("admin-password")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_lab_survives_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::fresh(fs::canonicalize(dir.path()).unwrap()).unwrap();
    assert_ne!(lab.backend_uid, lab.wire_uid);
    lab.save().unwrap();
    assert_eq!(Lab::load(dir.path()).unwrap(), Some(lab));
}

#[test]
fn no_lab_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Lab::load(dir.path()).unwrap(), None);
}
