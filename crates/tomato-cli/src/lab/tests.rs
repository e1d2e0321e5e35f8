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

#[test]
fn a_directory_with_other_things_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let used = dir.path().join("home");
    fs::create_dir(&used).unwrap();
    fs::set_permissions(&used, fs::Permissions::from_mode(0o750)).unwrap();
    fs::write(used.join("thesis.tex"), "x").unwrap();
    let error = make_free(&used).unwrap_err().to_string();
    assert!(error.contains("thesis.tex") && error.contains("--data-dir"), "{error}");
    assert_eq!(fs::metadata(&used).unwrap().permissions().mode() & 0o7777, 0o750);
    // One that anybody may write to would give the lab away.
    let open = dir.path().join("tmp");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(make_free(&open).is_err());
    assert_eq!(fs::metadata(&open).unwrap().permissions().mode() & 0o7777, 0o1777);
    // A first start that was ended early.
    let begun = dir.path().join("begun");
    make_free(&begun).unwrap();
    fs::write(begun.join("supervisor.lock"), "").unwrap();
    fs::create_dir(begun.join("tls")).unwrap();
    make_free(&begun).unwrap();
    assert_eq!(fs::metadata(&begun).unwrap().permissions().mode() & 0o7777, 0o711);
}
