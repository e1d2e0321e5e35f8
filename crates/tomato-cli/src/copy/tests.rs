use super::*;

#[test]
fn places_are_told_apart() {
    for (text, place) in [
        ("campus/a:/etc", Place::Inside("campus/a", "/etc")),
        ("campus/a:/", Place::Inside("campus/a", "/")),
        ("./campus/a:/etc", Place::Here(Path::new("./campus/a:/etc"))),
        ("/campus/a:/etc", Place::Here(Path::new("/campus/a:/etc"))),
        ("file", Place::Here(Path::new("file"))),
        ("a:b", Place::Here(Path::new("a:b"))),
    ] {
        assert_eq!(Place::parse(text), place, "{text}");
    }
}

fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(u64::try_from(text.len()).unwrap());
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn what_comes_is_put_into_a_folder_or_gets_a_new_name() {
    let dir = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    place(archive(&[("motd", "one")]).as_slice(), dir.path()).unwrap();
    assert_eq!(read("motd"), "one");
    place(archive(&[("motd", "two")]).as_slice(), &dir.path().join("other")).unwrap();
    assert_eq!((read("motd"), read("other")), ("one".to_owned(), "two".to_owned()));
    place(archive(&[("d/f", "three")]).as_slice(), &dir.path().join("e")).unwrap();
    assert_eq!(read("e/f"), "three");
    for hostile in ["../out", "/out"] {
        let inside = dir.path().join("inside");
        std::fs::create_dir_all(&inside).unwrap();
        drop(place(archive(&[(hostile, "x")]).as_slice(), &inside));
        assert!(!dir.path().join("out").exists() && !Path::new("/out").exists(), "{hostile}");
    }
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 4, "{left:?}");
}
