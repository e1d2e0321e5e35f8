#[cfg(feature = "host-tests")]
mod debian;

use std::cell::RefCell;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    Digest, Holder, ImportOptions, Progress, Step, Template, TemplateError, TemplateName,
    TemplateState, TemplateStore,
};

fn store() -> (tempfile::TempDir, TemplateStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = TemplateStore::open(dir.path().join("templates")).unwrap();
    (dir, store)
}

fn name(text: &str) -> TemplateName {
    text.parse().unwrap()
}

/// A root file system with a shell and `content`, as a tar archive.
fn archive(shell: &[u8], content: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in [("bin/sh", shell), ("etc/content", content.as_bytes())] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        tar.append_data(&mut header, path, content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn import(store: &TemplateStore, text: &str, content: &str) -> Result<Template, TemplateError> {
    let archive = archive(b"#!/bin/true", content);
    store
        .import_tar(&name(text), &archive[..], ImportOptions::default(), &|_| ())
        .map(|imported| imported.template)
}

fn files_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn names_are_checked() {
    for good in ["a", "debian-12", "my.own_1", &"a".repeat(63)] {
        assert_eq!(name(good).to_string(), good);
    }
    for bad in ["", ".", "..", "-a", ".a", "A", "a/b", "a b", "ä", "a\0", &"a".repeat(64)] {
        bad.parse::<TemplateName>().unwrap_err();
    }
    let digest = format!("sha256-{}", "0f".repeat(32));
    assert_eq!(digest.parse::<Digest>().unwrap().as_str(), digest);
    for bad in ["sha256-", "sha256-xyz", &digest.to_uppercase(), &format!("{digest}0"), "../x"] {
        bad.parse::<Digest>().unwrap_err();
    }
    "Lab1.abc".parse::<Holder>().unwrap();
    "../x".parse::<Holder>().unwrap_err();
}

#[test]
fn a_new_store_is_closed_and_lists_what_is_shipped() {
    let (_dir, store) = store();
    assert_eq!(fs::metadata(store.dir()).unwrap().permissions().mode() & 0o777, 0o700);
    let list = store.list().unwrap();
    let names: Vec<_> = list.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["busybox", "debian-12", "debian-12-frr"]);
    assert!(list.iter().all(|info| info.state == TemplateState::Shipped && info.built.is_none()));
    let error = store.info(&name("nothing")).unwrap_err().to_string();
    assert_eq!(error, "there is no template nothing; there are: busybox, debian-12, debian-12-frr");
}

#[test]
fn busybox_builds_with_the_same_digest_each_time() {
    let (_dir, first) = store();
    let heard = RefCell::new(Vec::new());
    let template = first
        .ensure(&name("busybox"), &|progress: Progress| heard.borrow_mut().push(progress))
        .unwrap();
    assert!(heard.borrow().windows(2).all(|pair| pair[0].percent <= pair[1].percent));
    assert_eq!(heard.borrow().last().unwrap().percent, Some(100));
    assert_eq!(template.boot, ["/bin/sh", "/etc/tomato/boot"]);
    assert!(template.rootfs.join("bin/busybox").is_file());
    let target = fs::read_link(template.rootfs.join("usr/bin/wget")).unwrap();
    assert_eq!(target, Path::new("../../bin/busybox"));
    assert_eq!(fs::read_link(template.rootfs.join("bin/sh")).unwrap(), Path::new("busybox"));
    let script = template.rootfs.join("etc/udhcpc/default.script");
    assert_eq!(fs::metadata(script).unwrap().permissions().mode() & 0o777, 0o755);

    let (_dir, second) = store();
    assert_eq!(second.ensure(&name("busybox"), &|_| ()).unwrap().digest, template.digest);

    // Ready at once the next time, and nothing is left of the build.
    let again = first.ensure(&name("busybox"), &|progress| panic!("built again: {progress:?}"));
    assert_eq!(again.unwrap(), template);
    assert_eq!(first.info(&name("busybox")).unwrap().state, TemplateState::Built);
    assert!(files_in(&first.dir().join("building")).is_empty());
}

#[test]
fn several_callers_build_once() {
    let (dir, _) = store();
    let dir = dir.path().join("templates");
    let builds = AtomicUsize::new(0);
    let ready = Barrier::new(4);
    let digests: Vec<Digest> = std::thread::scope(|scope| {
        let build = || {
            let store = TemplateStore::open(&dir).unwrap();
            ready.wait();
            let count = |progress: Progress| {
                if progress.step == Step::Store && progress.percent == Some(100) {
                    builds.fetch_add(1, Ordering::SeqCst);
                }
            };
            store.ensure(&name("busybox"), &count).unwrap().digest
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(build)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(builds.load(Ordering::SeqCst), 1);
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

#[test]
fn a_changed_recipe_is_built_again() {
    let (_dir, store) = store();
    let template = store.ensure(&name("busybox"), &|_| ()).unwrap();
    let path = store.dir().join("names/busybox.json");
    let older =
        fs::read_to_string(&path).unwrap().replace(&template.recipe.clone().unwrap(), "older");
    fs::write(&path, older).unwrap();
    assert_eq!(store.info(&name("busybox")).unwrap().state, TemplateState::Outdated);
    let again = store.ensure(&name("busybox"), &|_| ()).unwrap();
    assert_eq!((again.digest, again.recipe), (template.digest, template.recipe));
    assert!(again.rootfs.is_dir());
}

#[test]
fn imports_are_listed_replaced_and_removed() {
    let (_dir, store) = store();
    let first = import(&store, "mine", "one").unwrap();
    assert_eq!(store.info(&name("mine")).unwrap().state, TemplateState::Imported);
    assert_eq!(store.ensure(&name("mine"), &|_| ()).unwrap(), first);
    assert!(first.boot.is_empty());
    let second = import(&store, "mine", "two").unwrap();
    assert_ne!(first.digest, second.digest);
    assert!(!first.rootfs.exists() && second.rootfs.exists());

    // Two names of the same files.
    let other = import(&store, "other", "two").unwrap();
    assert_eq!(other.digest, second.digest);
    store.remove(&name("mine")).unwrap();
    assert!(other.rootfs.exists());
    store.remove(&name("other")).unwrap();
    assert!(files_in(&store.dir().join("blobs")).is_empty());
    assert!(matches!(store.remove(&name("other")), Err(TemplateError::Find { .. })));
    assert!(matches!(store.ensure(&name("other"), &|_| ()), Err(TemplateError::Find { .. })));
}

#[test]
fn shipped_names_are_not_taken() {
    let (_dir, store) = store();
    assert!(matches!(import(&store, "busybox", ""), Err(TemplateError::Shipped { .. })));
    store.remove(&name("busybox")).unwrap();
}

#[test]
fn pinned_files_stay() {
    let (_dir, store) = store();
    let template = import(&store, "mine", "one").unwrap();
    let (a, b): (Holder, Holder) = ("lab.a".parse().unwrap(), "lab.b".parse().unwrap());
    for holder in [&a, &a, &b] {
        store.pin(&template.digest, holder).unwrap();
    }
    store.remove(&name("mine")).unwrap();
    assert!(template.rootfs.exists());
    store.unpin(&template.digest, &a).unwrap();
    assert!(template.rootfs.exists());
    store.unpin(&template.digest, &b).unwrap();
    assert!(!template.rootfs.exists());
    store.unpin(&template.digest, &b).unwrap();
    assert!(matches!(store.pin(&template.digest, &a), Err(TemplateError::Gone { .. })));
}

#[test]
fn a_lab_lets_go_of_all_its_pins() {
    let (_dir, store) = store();
    let template = import(&store, "mine", "one").unwrap();
    for holder in ["lab.a", "lab.b", "lab", "lab2.a"] {
        store.pin(&template.digest, &holder.parse().unwrap()).unwrap();
    }
    store.remove(&name("mine")).unwrap();
    store.unpin_all(&"lab".parse().unwrap()).unwrap();
    let pins = template.rootfs.with_file_name("pins");
    assert_eq!(files_in(&pins), ["lab2.a"]);
    store.unpin_all(&"lab2".parse().unwrap()).unwrap();
    assert!(!template.rootfs.exists());
}

#[test]
fn a_failed_import_leaves_nothing() {
    let (_dir, store) = store();
    let whole = archive(b"#!/bin/true", "x");
    for bytes in [&whole[..700], b"" as &[u8]] {
        let result = store.import_tar(&name("mine"), bytes, ImportOptions::default(), &|_| ());
        assert!(matches!(result, Err(TemplateError::Import { .. })), "{result:?}");
    }
    for part in ["building", "blobs", "names"] {
        assert!(files_in(&store.dir().join(part)).is_empty(), "{part}");
    }
}

#[test]
fn a_template_must_run_here() {
    let (_dir, store) = store();
    let mut foreign = vec![0; 64];
    foreign[..6].copy_from_slice(b"\x7fELF\x02\x01");
    foreign[18..20].copy_from_slice(&999_u16.to_le_bytes());
    let import = |bytes: &[u8]| {
        let options = ImportOptions::default();
        store.import_tar(&name("mine"), bytes, options, &|_| ()).unwrap_err()
    };
    let error = import(&archive(&foreign, ""));
    assert!(matches!(error, TemplateError::Machine { machine: 999, .. }), "{error:?}");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, "bin/sh", &b""[..]).unwrap();
    let error = import(&tar.into_inner().unwrap());
    assert!(matches!(error, TemplateError::Shell { .. }), "{error:?}");
}

#[test]
fn leftovers_of_dead_builders_are_removed_and_those_of_living_ones_stay() {
    let (_dir, store) = store();
    let building = store.dir().join("building");
    for dead in ["1-dead/blob/rootfs", "2-no-lock", "gone-sha256-x"] {
        fs::create_dir_all(building.join(dead)).unwrap();
    }
    fs::write(building.join("1-dead/lock"), "").unwrap();
    // An import that waits for its archive is alive.
    let archive = archive(b"#!/bin/true", "x");
    let (start, rest) = archive.split_at(1024);
    let check = Check { store: &store, done: false };
    let reader = start.chain(check).chain(rest);
    store.import_tar(&name("mine"), reader, ImportOptions::default(), &|_| ()).unwrap();
    assert!(files_in(&building).is_empty());
}

/// Reads nothing, but opens the store once more meanwhile.
struct Check<'s> {
    store: &'s TemplateStore,
    done: bool,
}

impl Read for Check<'_> {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        if !self.done {
            self.done = true;
            TemplateStore::open(self.store.dir()).unwrap();
            let left = files_in(&self.store.dir().join("building"));
            assert_eq!(left.len(), 1, "{left:?}");
            assert!(left[0].starts_with(&format!("{}-", std::process::id())), "{left:?}");
        }
        Ok(0)
    }
}

#[test]
fn a_machine_without_debian_sources_says_so() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = TemplateStore::open_with(dir.path().join("t"), dir.path().join("apt")).unwrap();
    let error = store.ensure(&name("debian-12"), &|_| ()).unwrap_err();
    let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
    let chain: Vec<_> = chain.map(ToString::to_string).collect();
    assert!(chain.last().unwrap().contains("found no Debian package source"), "{chain:?}");
    assert!(files_in(&store.dir().join("building")).is_empty());
}

#[test]
fn the_digest_covers_content_modes_links_and_owners_but_no_times() {
    let sum = |change: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("d/a"), "a").unwrap();
        fs::hard_link(dir.path().join("d/a"), dir.path().join("d/b")).unwrap();
        change(dir.path());
        super::manifest::manifest(dir.path(), None).unwrap()
    };
    let base = sum(&|_| ());
    assert_eq!((base.entries, base.bytes), (3, 1));
    let old = std::time::SystemTime::UNIX_EPOCH;
    let touched = sum(&|dir| fs::File::open(dir.join("d/a")).unwrap().set_modified(old).unwrap());
    assert_eq!(touched.digest, base.digest);
    let changes: [&dyn Fn(&Path); 6] = [
        &|dir| fs::write(dir.join("d/a"), "b").unwrap(),
        &|dir| fs::set_permissions(dir.join("d/a"), fs::Permissions::from_mode(0o700)).unwrap(),
        &|dir| fs::rename(dir.join("d/a"), dir.join("a")).unwrap(),
        &|dir| fs::create_dir(dir.join("e")).unwrap(),
        &|dir| {
            let none = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(dir.join("d/a"), "user.x", b"y", none).unwrap();
        },
        &|dir| {
            fs::remove_file(dir.join("d/b")).unwrap();
            fs::write(dir.join("d/b"), "a").unwrap();
        },
    ];
    for (index, change) in changes.iter().enumerate() {
        assert_ne!(sum(*change).digest, base.digest, "change {index}");
    }
}
