use std::io::{Cursor, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::super::rootfs::Rootfs;
use super::{IMPORT_ENTRIES, ImportError, Skipped, Unpacking, unpack};

/// A tar archive of hand-made entries, valid or not.
struct Tar(Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn header(kind: EntryType, path: &str, size: usize) -> Header {
        let mut header = Header::new_gnu();
        // Written straight into the field, because the builder refuses what is tested here.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size as u64);
        header.set_mode(0o644);
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        header.set_uid(uid.as_raw().into());
        header.set_gid(gid.as_raw().into());
        header.set_mtime(1_000_000_000);
        header
    }

    fn add(mut self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, path: &str, content: &str) -> Self {
        self.add(Self::header(EntryType::Regular, path, content.len()), content.as_bytes())
    }

    fn link(self, kind: EntryType, path: &str, target: &str) -> Self {
        let mut header = Self::header(kind, path, 0);
        header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
        self.add(header, b"")
    }

    fn pax(self, records: &[(&str, &str)]) -> Self {
        let mut content = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            content.push_str(&format!("{length} {key}={value}\n"));
        }
        self.add(Self::header(EntryType::XHeader, "pax", content.len()), content.as_bytes())
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn import(bytes: &[u8]) -> (tempfile::TempDir, Result<Skipped, ImportError>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("root")).unwrap();
    let root = Rootfs::open(&dir.path().join("root")).unwrap();
    let result = unpack(bytes, &root, &mut |_| ());
    (dir, result)
}

fn refused(tar: Tar) -> String {
    let (dir, result) = import(&tar.bytes());
    let error = result.unwrap_err();
    let outside: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(outside, ["root"], "something was written outside");
    error.to_string()
}

#[test]
fn keeps_what_a_root_file_system_has() {
    let mut run = Tar::header(EntryType::Regular, "./bin/run", 2);
    run.set_mode(0o4755);
    let mut dir = Tar::header(EntryType::Directory, "./var/", 0);
    dir.set_mode(0o1777);
    let tar = Tar::new()
        .add(Tar::header(EntryType::Directory, "./", 0), b"")
        .add(dir, b"")
        .add(run, b"hi")
        .link(EntryType::Symlink, "sbin", "/bin")
        .link(EntryType::Link, "bin/again", "./bin/run")
        .add(Tar::header(EntryType::Fifo, "var/fifo", 0), b"")
        .add(Tar::header(EntryType::Char, "null", 0), b"")
        .add(Tar::header(EntryType::Block, "disk", 0), b"");
    let (dir, result) = import(&tar.bytes());
    assert_eq!(result.unwrap(), Skipped { devices: 2, xattrs: 0 });
    let root = dir.path().join("root");
    let run = std::fs::metadata(root.join("bin/run")).unwrap();
    assert_eq!((run.mode() & 0o7777, run.nlink(), run.mtime()), (0o4755, 2, 1_000_000_000));
    assert_eq!(std::fs::metadata(root.join("var")).unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(std::fs::read_link(root.join("sbin")).unwrap(), Path::new("/bin"));
    assert!(std::fs::metadata(root.join("var/fifo")).unwrap().file_type().is_fifo());
    assert!(!root.join("null").exists());
}

#[test]
fn all_compressions_are_told_apart() {
    let tar = Tar::new().file("a", "text").bytes();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar).unwrap();
    for bytes in [tar.clone(), gz.finish().unwrap(), zstd::encode_all(&tar[..], 1).unwrap()] {
        let (dir, result) = import(&bytes);
        result.unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("root/a")).unwrap(), "text");
    }
    for (start, word) in [(&b"\xfd7zXZ\0"[..], "xz"), (b"BZh9", "bzip2"), (b"PK\x03\x04", "zip")] {
        let error = import(start).1.unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("tar.zst"), "{error}");
    }
}

#[test]
fn paths_that_leave_the_root_are_refused() {
    for path in ["/etc/x", "../x", "a/../../x", "./../x", "/"] {
        let error = refused(Tar::new().file(path, "x"));
        assert!(error.contains("absolute or goes up"), "{path}: {error}");
    }
    for target in ["/etc/passwd", "../root.txt"] {
        let error = refused(Tar::new().link(EntryType::Link, "a", target));
        assert!(error.contains("absolute or goes up"), "{target}: {error}");
    }
}

#[test]
fn paths_through_links_are_refused() {
    for target in ["..", "/tmp", ".", "dir"] {
        let tar = Tar::new().file("dir/a", "x").link(EntryType::Symlink, "l", target);
        let error = refused(tar.file("l/x", "x"));
        assert!(error.contains("behind a symbolic link"), "{target}: {error}");
        let tar = Tar::new().file("dir/a", "x").link(EntryType::Symlink, "l", target);
        let error = refused(tar.link(EntryType::Link, "hard", "l/a"));
        assert!(error.contains("behind a symbolic link"), "{target}: {error}");
    }
}

#[test]
fn a_file_over_a_link_replaces_it() {
    let (dir, result) = {
        let outside = "../victim";
        let tar = Tar::new().link(EntryType::Symlink, "l", outside).file("l", "new");
        import(&tar.bytes())
    };
    result.unwrap();
    assert!(!dir.path().join("victim").exists());
    assert_eq!(std::fs::read_to_string(dir.path().join("root/l")).unwrap(), "new");
}

#[test]
fn a_hard_link_to_a_symbolic_link_does_not_lead_out() {
    let tar = Tar::new()
        .link(EntryType::Symlink, "l", "../victim")
        .link(EntryType::Link, "h", "l")
        .file("h", "new");
    let (dir, result) = import(&tar.bytes());
    result.unwrap();
    assert!(!dir.path().join("victim").exists());
}

#[test]
fn owners_no_container_has_are_refused() {
    let mut header = Tar::header(EntryType::Regular, "a", 0);
    header.set_uid(65_536);
    assert!(refused(Tar::new().add(header, b"")).contains("65536"));
    let tar = Tar::new().pax(&[("uid", "5000000000")]).file("a", "");
    assert!(refused(tar).contains("5000000000"));
}

#[test]
fn long_names_and_records() {
    let long = format!("{}/f", vec!["d".repeat(100); 10].join("/"));
    let record = Tar::header(EntryType::GNULongName, "././@LongLink", long.len() + 1);
    let tar = Tar::new().add(record, format!("{long}\0").as_bytes()).file("cut", "x");
    let tar = tar.pax(&[("path", "from-pax"), ("comment", "x")]).file("ignored", "y");
    let (dir, result) = import(&tar.bytes());
    result.unwrap();
    assert!(dir.path().join("root").join(&long).is_file());
    assert!(dir.path().join("root/from-pax").is_file());
    assert!(!dir.path().join("root/ignored").exists());

    let error = refused(Tar::new().pax(&[("path", &"a/".repeat(2000))]).file("x", ""));
    assert!(error.contains("longer than 2000"), "{error}");
    let error = refused(Tar::new().pax(&[("comment", &"a".repeat(2 << 20))]).file("x", ""));
    assert!(error.contains("a record longer"), "{error}");
    let error = refused(Tar::new().pax(&[("path", "../out")]).file("x", ""));
    assert!(error.contains("goes up"), "{error}");
}

#[test]
fn only_harmless_attributes_are_taken() {
    let tar = Tar::new()
        .pax(&[
            ("SCHILY.xattr.user.colour", "red"),
            ("SCHILY.xattr.trusted.overlay.opaque", "y"),
            ("SCHILY.xattr.user.overlay.opaque", "y"),
            ("SCHILY.xattr.security.selinux", "x"),
        ])
        .file("a", "");
    let (dir, result) = import(&tar.bytes());
    assert_eq!(result.unwrap(), Skipped { devices: 0, xattrs: 3 });
    let mut value = [0; 16];
    let path = dir.path().join("root/a");
    let length = rustix::fs::getxattr(&path, "user.colour", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"red");
}

#[test]
fn sparse_and_unknown_kinds_are_refused() {
    let error = refused(Tar::new().pax(&[("GNU.sparse.major", "1")]).file("a", ""));
    assert!(error.contains("sparse"), "{error}");
    let error = refused(Tar::new().pax(&[("size", "9000000000")]).file("a", ""));
    assert!(error.contains("8 GiB"), "{error}");
    let error = refused(Tar::new().add(Tar::header(EntryType::new(b'Z'), "a", 0), b""));
    assert!(error.contains("'Z'"), "{error}");
}

#[test]
fn damaged_archives_are_refused() {
    let tar = Tar::new().file("a", &"x".repeat(5000)).bytes();
    for bytes in
        [&tar[..600], &tar[..2000], b"no archive at all, but long enough to be taken for one"]
    {
        let error = import(bytes).1.unwrap_err();
        assert!(matches!(error, ImportError::Read { .. } | ImportError::Write { .. }), "{error:?}");
    }
    assert!(matches!(import(b"").1, Err(ImportError::Empty)));
    assert!(matches!(import(&[0; 10240]).1, Err(ImportError::Empty)));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar).unwrap();
    let gz = gz.finish().unwrap();
    import(&gz[..gz.len() / 2]).1.unwrap_err();
}

#[test]
fn content_above_the_limit_is_refused_before_it_is_written() {
    let mut header = Tar::header(EntryType::Regular, "a", 0);
    header.set_size(super::IMPORT_BYTES + 1);
    header.set_cksum();
    let endless = Cursor::new(header.as_bytes().to_vec()).chain(std::io::repeat(0));
    let dir = tempfile::tempdir().unwrap();
    let root = Rootfs::open(dir.path()).unwrap();
    let error = unpack(endless, &root, &mut |_| ()).unwrap_err();
    assert!(matches!(error, ImportError::Large { what: "bytes", .. }), "{error:?}");
    assert!(!dir.path().join("a").exists());
}

#[test]
fn directories_get_the_mode_of_the_last_entry() {
    let mut dir = Tar::header(EntryType::Directory, "d", 0);
    dir.set_mode(0o700);
    let (temporary, result) = import(&Tar::new().file("d/x", "").add(dir, b"").bytes());
    result.unwrap();
    let mode = std::fs::metadata(temporary.path().join("root/d")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn directories_that_are_only_named_by_what_is_in_them_count_too() {
    let dir = tempfile::tempdir().unwrap();
    let root = Rootfs::open(dir.path()).unwrap();
    let archive = || {
        let tar = Tar::new().file("a/b/c/d/one", "1").file("a/b/c/d/two", "2");
        Cursor::new(tar.file("e/three", "3").0.into_inner().unwrap())
    };
    let mut room = Unpacking { entries: IMPORT_ENTRIES - 8, ..Unpacking::new(&root) };
    room.all(archive(), &mut |_| ()).unwrap();
    assert_eq!(root.made(), 5);
    let elsewhere = tempfile::tempdir().unwrap();
    let root = Rootfs::open(elsewhere.path()).unwrap();
    let mut full = Unpacking { entries: IMPORT_ENTRIES - 6, ..Unpacking::new(&root) };
    let refused = full.all(archive(), &mut |_| ()).unwrap_err();
    assert!(matches!(refused, ImportError::Large { what: "entries", .. }), "{refused}");
}
