use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::*;

/// An image in memory, right or wrong.
#[derive(Clone, Default)]
struct Image {
    blobs: BTreeMap<String, Vec<u8>>,
    layers: Vec<Value>,
    diff_ids: Vec<String>,
    process: Value,
    architecture: Option<&'static str>,
}

fn digest(bytes: &[u8]) -> String {
    BlobDigest::of_sum(&Sha256::digest(bytes)).to_string()
}

/// A tar of hand-made entries: a path ending in `/` is a directory, `->` a symbolic link, `=>` a hard link, `!` a device.
fn tar(entries: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let (path, kind, rest) = if let Some((path, target)) = entry.split_once("->") {
            (path, EntryType::Symlink, target)
        } else if let Some((path, target)) = entry.split_once("=>") {
            (path, EntryType::Link, target)
        } else if let Some(path) = entry.strip_suffix('!') {
            (path, EntryType::Block, "")
        } else if let Some(path) = entry.strip_suffix('/') {
            (path, EntryType::Directory, "")
        } else {
            let (path, content) = entry.split_once('=').unwrap_or((entry, ""));
            (path, EntryType::Regular, content)
        };
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        header.set_mtime(1_000_000_000);
        let content = if kind == EntryType::Regular { rest } else { "" };
        header.set_size(content.len() as u64);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            let name = &mut header.as_gnu_mut().unwrap().linkname;
            name[..rest.len()].copy_from_slice(rest.as_bytes());
        }
        header.set_cksum();
        tar.append(&header, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

impl Image {
    fn add(&mut self, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let part = json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digest, "size": bytes.len(),
        });
        self.blobs.insert(digest, bytes);
        part
    }

    fn layer(self, entries: &[&str]) -> Self {
        self.raw_layer(&tar(entries))
    }

    fn raw_layer(mut self, tar: &[u8]) -> Self {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(tar).unwrap();
        let layer = self.add(gz.finish().unwrap());
        self.layers.push(layer);
        self.diff_ids.push(digest(tar));
        self
    }

    fn process(mut self, process: Value) -> Self {
        self.process = process;
        self
    }

    /// The blobs with configuration, manifest and index, which is under `index`.
    fn finish(mut self) -> Self {
        let own = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
        let config = json!({
            "architecture": self.architecture.unwrap_or(own), "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": self.diff_ids }, "config": self.process,
        });
        let config = self.add(config.to_string().into_bytes());
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": self.layers });
        let manifest = self.add(manifest.to_string().into_bytes());
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        self.blobs.insert("index".to_owned(), index.to_string().into_bytes());
        self
    }

    /// The first layer's bytes, to be damaged.
    fn first_layer(&mut self) -> &mut Vec<u8> {
        let digest = self.layers[0]["digest"].as_str().unwrap();
        self.blobs.get_mut(digest).unwrap()
    }

    fn take(&mut self) -> (tempfile::TempDir, Result<Taken, OciError>) {
        let dir = tempfile::tempdir().unwrap();
        for part in ["root", "scratch"] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        let root = Rootfs::open(&dir.path().join("root")).unwrap();
        let taken = take(self, &root, &dir.path().join("scratch"), &mut |_| ());
        (dir, taken)
    }

    fn refused(mut self) -> String {
        let (dir, taken) = self.take();
        let error = taken.unwrap_err();
        let mut found: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        found.sort();
        assert_eq!(found, ["root", "scratch"], "something was written outside");
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

impl ImageSource for Image {
    fn root(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.blobs["index"].as_slice()))
    }

    fn blob(&mut self, blob: &Blob) -> io::Result<Box<dyn Read + '_>> {
        let found = self.blobs.get(&blob.digest.to_string());
        let found = found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such blob"))?;
        Ok(Box::new(found.as_slice()))
    }
}

/// Paths below a directory with the content of files.
fn files(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = vec![PathBuf::new()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(root.join(&dir)).unwrap() {
            let path = dir.join(entry.unwrap().file_name());
            let full = root.join(&path);
            if full.is_symlink() {
                all.push(format!("{}->{}", path.display(), fs::read_link(full).unwrap().display()));
            } else if full.is_dir() {
                left.push(path);
            } else {
                all.push(format!("{}={}", path.display(), fs::read_to_string(full).unwrap()));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn layers_replace_and_remove_what_lies_below() {
    let mut image = Image::default()
        .layer(&[
            "kept=1",
            "gone=1",
            "dir/",
            "dir/a=1",
            "dir/b=1",
            "full/",
            "full/old=1",
            "full/sub/",
            "full/sub/old=1",
            "becomes_dir=1",
            "becomes_file/",
            "becomes_file/deep/",
            "becomes_file/deep/x=1",
            "link->kept",
        ])
        .layer(&[
            ".wh.gone",
            "dir/.wh.a",
            "full/new=2",
            "full/.wh..wh..opq",
            "full/newer=2",
            "becomes_dir/",
            "becomes_dir/in=2",
            "becomes_file=2",
            "back=2",
            "hard=>kept",
            "link=2",
            "dir/.wh..wh.plnk=note",
            "never/.wh.there",
        ])
        // Marked as gone and made anew in one layer: only the former one goes.
        .layer(&["back=3", ".wh.back", "dir/.wh.none=x", "dir/.wh.hard=>kept"])
        .finish();
    let (dir, taken) = image.take();
    taken.unwrap();
    assert_eq!(
        files(&dir.path().join("root")),
        [
            "back=3",
            "becomes_dir/in=2",
            "becomes_file=2",
            "dir/b=1",
            "full/new=2",
            "full/newer=2",
            "hard=1",
            "kept=1",
            "link=2",
        ]
    );
    let inode = |name: &str| fs::metadata(dir.path().join("root").join(name)).unwrap().ino();
    assert_eq!(inode("hard"), inode("kept"));
}

#[test]
fn extended_attributes_and_modes_are_kept() {
    let mut bytes = Vec::new();
    {
        let mut builder = tar::Builder::new(&mut bytes);
        let records = b"30 SCHILY.xattr.user.note=abc\n";
        for (kind, name, content) in [
            (EntryType::XHeader, "pax", &records[..]),
            (EntryType::Regular, "program", b"x".as_slice()),
        ] {
            let mut header = Header::new_ustar();
            header.set_path(name).unwrap();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o4755);
            header.set_uid(rustix::process::geteuid().as_raw().into());
            header.set_gid(rustix::process::getegid().as_raw().into());
            header.set_mtime(0);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        builder.finish().unwrap();
    }
    let mut image = Image::default().raw_layer(&bytes).finish();
    let (dir, taken) = image.take();
    taken.unwrap();
    let path = dir.path().join("root/program");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o4755);
    let mut value = [0; 16];
    let length = rustix::fs::getxattr(&path, "user.note", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"abc");
}

#[test]
fn hostile_layers_are_refused() {
    let hostile: &[&[&str]] = &[
        &["../outside=x"],
        &["/outside=x"],
        &["a/../../outside=x"],
        &["link->/tmp", "link/outside=x"],
        &["link->..", "link/outside=x"],
        &["hard=>../outside"],
        &["link->/etc", "hard=>link/passwd"],
        &[".wh."],
        &["a/.wh."],
        &["a/.wh.."],
        &["a/.wh..."],
        &["../.wh.root"],
    ];
    for entries in hostile {
        let said = Image::default().layer(entries).finish().refused();
        assert!(said.contains("layer 1"), "{entries:?}: {said}");
    }
    // Marks of a later layer that lead through a link of an earlier one.
    for mark in ["link/.wh.passwd", "link/.wh..wh..opq", "link/x=1"] {
        let image = Image::default().layer(&["link->/etc"]).layer(&[mark]).finish();
        let said = image.refused();
        assert!(said.contains("layer 2") && said.contains("symbolic link"), "{mark}: {said}");
    }
}

#[test]
fn devices_are_left_out() {
    let mut image = Image::default().layer(&["dev/", "dev/sda!", "file=1"]).finish();
    let (dir, taken) = image.take();
    assert_eq!(taken.unwrap().skipped.devices, 1);
    assert_eq!(files(&dir.path().join("root")), ["file=1"]);
}

#[test]
fn every_part_is_checked_before_it_is_used() {
    let image = || Image::default().layer(&["file=1"]).finish();
    let mut wrong = image();
    let last = wrong.first_layer().last_mut().unwrap();
    *last ^= 1;
    let said = wrong.refused();
    assert!(said.contains("layer 1") && said.contains("damaged"), "{said}");
    let mut short = image();
    short.first_layer().pop();
    assert!(short.refused().contains("bytes instead of"));
    let mut long = image();
    long.first_layer().push(0);
    assert!(long.refused().contains("more bytes instead of"));
    let mut absent = image();
    absent.blobs.retain(|name, _| name == "index");
    assert!(absent.refused().contains("no such blob"));
    // The compressed bytes are right, what is in them is not what the configuration says.
    let mut other = Image::default().layer(&["file=1"]);
    other.diff_ids[0] = digest(b"other");
    let said = other.finish().refused();
    assert!(said.contains("layer 1 unpacked") && said.contains("damaged"), "{said}");
}

#[test]
fn what_cannot_be_used_is_said() {
    let mut foreign = Image::default().layer(&["file=1"]);
    foreign.architecture = Some("s390x");
    assert!(foreign.finish().refused().contains("linux/s390x"));
    let mut fewer = Image::default().layer(&["file=1"]);
    fewer.diff_ids.clear();
    assert!(fewer.finish().refused().contains("names 0 layers"));
    let mut artifact = Image::default().layer(&["file=1"]);
    artifact.layers[0]["mediaType"] = json!("application/vnd.cncf.helm.chart");
    assert!(artifact.finish().refused().contains("helm"));
    for (process, text) in [
        (json!({"User": "nobody-here"}), "nobody-here"),
        (json!({"User": "0:no-group"}), "no-group"),
        (json!({"User": "70000"}), "70000"),
        (json!({"WorkingDir": "relative"}), "relative"),
        (json!({"Env": ["=x"]}), "NAME=VALUE"),
        (json!({"Cmd": ["a\u{0}b"]}), "zero"),
    ] {
        let said = Image::default().layer(&["file=1"]).process(process).finish().refused();
        assert!(said.contains(text), "{said}");
    }
    let mut garbage = Image::default().finish();
    garbage.blobs.insert("index".to_owned(), b"{\"manifests\": 3}".to_vec());
    assert!(garbage.refused().contains("understand the index"));
    let mut huge = Image::default().finish();
    huge.blobs.insert("index".to_owned(), vec![b' '; 5 << 20]);
    assert!(huge.refused().contains("more than"));
    let mut endless = Image::default().finish();
    let index = json!({"manifests": [{"digest": digest(b"x"), "size": u64::MAX}]});
    endless.blobs.insert("index".to_owned(), index.to_string().into_bytes());
    assert!(endless.refused().contains("more than"));
}

#[test]
fn a_layer_that_unpacks_to_too_much_is_refused() {
    // An entry that claims more than a template may have: no byte of it needs to come.
    let mut header = Header::new_gnu();
    header.set_path("bomb").unwrap();
    header.set_size(IMPORT_BYTES + 1);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let said = Image::default().raw_layer(header.as_bytes()).finish().refused();
    assert!(said.contains("layer 1"), "{said}");
}

#[test]
fn the_process_is_as_the_image_says() {
    let mut image = Image::default()
        .layer(&[
            "etc/",
            "etc/passwd=root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\n",
            "etc/group=root:x:0:\nweb:x:102:\nlog:x:103:other,web\nadm:x:104:web\n",
        ])
        .process(json!({
            "User": "web", "Env": ["PATH=/opt", "A=b=c"], "Entrypoint": ["/bin/serve"],
            "Cmd": ["-v", "x"], "WorkingDir": "/srv/data",
        }))
        .finish();
    let (dir, taken) = image.take();
    let text = |list: &[&str]| list.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
    let expected = MainProcess {
        argv: text(&["/bin/serve", "-v", "x"]),
        env: text(&["PATH=/opt", "A=b=c", "HOME=/srv"]),
        cwd: "/srv/data".to_owned(),
        uid: 101,
        gid: 102,
        groups: vec![103, 104],
    };
    assert_eq!(taken.unwrap().main, expected);
    assert!(dir.path().join("root/srv/data").is_dir(), "the working directory is made");
    for (user, ids) in [("", (0, 0)), ("7", (7, 0)), ("7:8", (7, 8)), ("web:adm", (101, 104))] {
        let mut image = image.clone();
        image.process["User"] = json!(user);
        let (_dir, taken) = image.finish().take();
        let main = taken.unwrap().main;
        assert_eq!((main.uid, main.gid), ids, "{user}");
    }
}

/// The image as the tar archive of a layout, with more entries.
fn layout(image: &Image, more: &[&str]) -> Vec<u8> {
    let mut tar_of = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar_of.append_data(&mut header, name, bytes).unwrap();
    };
    for (name, bytes) in &image.blobs {
        match name.strip_prefix("sha256:") {
            Some(hex) => add(&format!("./blobs/sha256/{hex}"), bytes),
            None => add("./index.json", bytes),
        }
    }
    add("oci-layout", b"{\"imageLayoutVersion\": \"1.0.0\"}");
    let mut bytes = tar_of.into_inner().unwrap();
    // Archives of one after the other: without the end of the first.
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(tar(more));
    bytes
}

#[test]
fn a_layout_is_read_and_nothing_else_of_its_archive() {
    let image = Image::default().layer(&["file=1"]).finish();
    let dir = tempfile::tempdir().unwrap();
    for part in ["layout", "root", "scratch"] {
        fs::create_dir(dir.path().join(part)).unwrap();
    }
    let link = format!("blobs/sha256/{}->/etc/passwd", "0".repeat(64));
    let bytes = layout(&image, &["../outside=x", "/outside=x", "blobs/sha256/../../x=1", &link]);
    let mut layout = Layout::read(bytes.as_slice(), &dir.path().join("layout")).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("layout")).unwrap().count(), image.blobs.len());
    let root = Rootfs::open(&dir.path().join("root")).unwrap();
    take(&mut layout, &root, &dir.path().join("scratch"), &mut |_| ()).unwrap();
    assert_eq!(files(&dir.path().join("root")), ["file=1"]);
    fs::create_dir(dir.path().join("other")).unwrap();
    let none = Layout::read(tar(&["bin/sh=x"]).as_slice(), &dir.path().join("other"));
    assert!(none.unwrap_err().to_string().contains("index.json"));
}

#[test]
fn a_layout_with_an_endless_name_is_refused_before_it_is_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(0);
    archive.append_data(&mut header, "x/".repeat(1 << 20), &b""[..]).unwrap();
    let bytes = archive.into_inner().unwrap();
    let error = Layout::read(bytes.as_slice(), dir.path()).unwrap_err();
    let OciError::Layout(error) = error else { panic!("{error:?}") };
    assert!(matches!(error, ImportError::Long { .. }), "{error:?}");
}
