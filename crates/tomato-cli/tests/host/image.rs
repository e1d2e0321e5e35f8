//! Templates from OCI images: a layout in a directory, the same as an archive, and a registry on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tomato_virt::cmd::Cmd;
use tomato_virt::template::BlobDigest;

use crate::world::{World, wait_for};

const ELEMENTS: &str = "\
tomato: 1
name: images
elements:
  a: {kind: container, template: TEMPLATE, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.1/24]}}}
  b: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.0.0.2/24]}}}
connections:
  line: {between: [a, b]}
";

/// What the image runs: says who, where and with what it is, then serves.
const SERVE: &str = "#!/bin/sh\necho \"I am $(id -u):$(id -g) in $(pwd) with $COLOUR\"\necho to stderr >&2\nexec httpd -f -p 8080 -h /srv\n";

/// The parts of an image of two layers by digest; its index under `index.json`.
fn image() -> BTreeMap<String, Vec<u8>> {
    let mut parts = BTreeMap::new();
    let mut add = |bytes: Vec<u8>, kind: &str| {
        let digest = BlobDigest::of(&bytes).to_string();
        let part = json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": bytes.len()});
        parts.insert(digest, bytes);
        part
    };
    let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
    let program = fs::read("/bin/busybox").expect("busybox-static is installed");
    let first: &[(&str, &[u8], u32)] = &[
        ("bin/busybox", &program, 0o755),
        ("etc/passwd", b"root:x:0:0::/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\n", 0o644),
        ("srv/index.html", b"old\n", 0o644),
        ("srv/gone", b"x", 0o644),
    ];
    let second: &[(&str, &[u8], u32)] = &[
        ("srv/index.html", b"hello\n", 0o644),
        ("srv/.wh.gone", b"", 0o644),
        ("serve", SERVE.as_bytes(), 0o755),
    ];
    for (files, links) in
        [(first, &["sh", "id", "pwd", "httpd", "cat", "ls", "ip", "ping"][..]), (second, &[])]
    {
        let mut tar = tar::Builder::new(Vec::new());
        let header = |kind, size: usize, mode| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(size as u64);
            header.set_mode(mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header
        };
        for (path, content, mode) in files {
            let mut header = header(tar::EntryType::Regular, content.len(), *mode);
            tar.append_data(&mut header, path, *content).expect("packed");
        }
        for applet in links {
            let mut header = header(tar::EntryType::Symlink, 0, 0o777);
            tar.append_link(&mut header, format!("bin/{applet}"), "busybox").expect("packed");
        }
        let tar = tar.into_inner().expect("packed");
        diff_ids.push(BlobDigest::of(&tar).to_string());
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&tar).expect("packed");
        layers.push(add(gz.finish().expect("packed"), "layer.v1.tar+gzip"));
    }
    let architecture = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let config = json!({
        "architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "config": {"User": "web", "Env": ["COLOUR=blue"], "Entrypoint": ["/serve"], "WorkingDir": "/srv/work"},
    });
    let config = add(config.to_string().into_bytes(), "config.v1+json");
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
    let manifest = add(manifest.to_string().into_bytes(), "manifest.v1+json");
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    parts.insert("index.json".to_owned(), index.to_string().into_bytes());
    parts
}

fn write_layout(dir: &Path) {
    fs::create_dir_all(dir.join("blobs/sha256")).expect("made");
    fs::write(dir.join("oci-layout"), "{\"imageLayoutVersion\": \"1.0.0\"}").expect("written");
    for (name, bytes) in image() {
        let path = match name.strip_prefix("sha256:") {
            Some(hex) => dir.join("blobs/sha256").join(hex),
            None => dir.join(name),
        };
        fs::write(path, bytes).expect("written");
    }
}

const PASSWORD: &str = "Correct Horse of the registry";
/// `ada:` and [`PASSWORD`] in base64.
const LOGIN: &str = "Basic YWRhOkNvcnJlY3QgSG9yc2Ugb2YgdGhlIHJlZ2lzdHJ5";

/// Makes a template as a script of the original would, and fails with a wrong password.
const SCRIPT: &str = r#"
import sys, xmlrpc.client
url, image, password = sys.argv[1:]
lab = xmlrpc.client.ServerProxy(url, allow_none=True)
made = lab.template_create("openvz", "old", {"image": image, "label": "Old", "user": "ada", "password": password})
assert (made["name"], made["label"], made["ready"]["backend"]) == ("old", "Old", True), made
for attrs in {"image": image, "user": "ada", "password": "WRONG"}, {"image": image, "user": "ada"}, {"images": image}:
    try:
        raise SystemExit(lab.template_create("container", "wrong", attrs))
    except xmlrpc.client.Fault as fault:
        print(fault.faultString)
"#;

/// Serves the image to `ada` as a registry until the test ends; answers its address.
fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("has one").to_string();
    let parts = Arc::new(image());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let parts = Arc::clone(&parts);
            std::thread::spawn(move || answer(stream, &parts));
        }
    });
    address
}

fn answer(mut stream: std::net::TcpStream, parts: &BTreeMap<String, Vec<u8>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("cloned")).take(1 << 16);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if !reader.read_line(&mut line).is_ok_and(|n| n > 0) {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line);
        }
        let path =
            lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = if path == "/v2/lib/web/manifests/1" { "index.json" } else { name };
        let is_known = lines.iter().any(|line| line.trim_end().ends_with(LOGIN));
        let (status, body) = match parts.get(name) {
            _ if !is_known => {
                ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"test\"", b"who?".as_slice())
            }
            Some(body) => ("200 OK", body.as_slice()),
            None => ("404 Not Found", b"no such part".as_slice()),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).is_err() {
            return;
        }
    }
}

#[test]
fn an_image_runs_its_process_as_it_says() {
    let world = World::up();
    let dir = world.file("layout");
    write_layout(Path::new(&dir));
    world.tomato(&["template", "create", "web", "--oci", &dir]);
    world.start(&ELEMENTS.replace("TEMPLATE", "web"));
    wait_for("the web page", || {
        let get = ["exec", "images/b", "--", "wget", "-q", "-O", "-", "http://10.0.0.1:8080/"];
        world.try_tomato(&get).is_ok_and(|page| page == "hello\n")
    });
    let log = world.sh("images/a", "cat /.tomato/boot.log");
    assert_eq!(log, "I am 101:102 in /srv/work with blue\nto stderr\n");
    assert_eq!(world.sh("images/a", "ls /srv"), "index.html\nwork\n");
    assert!(world.shown("images", "elements", "a")["notice"].is_null());
    world.sh(
        "images/a",
        "for p in /proc/[0-9]*; do case $(cat $p/cmdline) in httpd*) kill ${p#/proc/};; esac; done",
    );
    wait_for("the end to be told", || {
        let notice = world.shown("images", "elements", "a")["notice"].clone();
        notice.as_str().is_some_and(|text| text.contains("/serve was ended by signal 15"))
    });
    assert_eq!(world.states("images"), ["started"; 2]);
}

#[test]
fn an_image_comes_from_a_registry_to_an_account_of_it() {
    let world = World::up();
    let address = registry();
    let name = format!("{address}/lib/web:1");
    let error = world
        .try_tomato(&["template", "create", "web", "--oci", &name])
        .expect_err("nobody is answered");
    assert!(error.contains("give user and password"), "{error}");
    let file = world.file("password");
    let create = |as_name: &str, image: &str, password: &str| {
        fs::write(&file, password).expect("written");
        let login = ["--user", "ada", "--password-file", &file, "--label", "A server"];
        let args = [&["template", "create", as_name, "--oci", image][..], &login].concat();
        world.try_tomato(&args)
    };
    let error = create("web", &name, "WRONG").expect_err("it is refused");
    assert!(error.contains("refuses the account \"ada\""), "{error}");
    create("web", &name, &format!("{PASSWORD}\n")).expect("made");
    let templates = world.json(&["template", "list"]);
    let web = templates.as_array().expect("a list").iter().find(|t| t["name"] == "web");
    let web = web.expect("there");
    assert_eq!((&web["label"], &web["ready"]), (&json!("A server"), &json!(true)));
    assert_eq!(web["description"], format!("from {name}"));
    world.start(&ELEMENTS.replace("TEMPLATE", "web"));
    wait_for("its output", || {
        world.sh("images/a", "cat /.tomato/boot.log").contains("I am 101:102")
    });
    let error = create("other", &format!("{address}/lib/web:2"), PASSWORD).expect_err("none");
    assert!(error.contains("404"), "{error}");
    let url = world.url().replace("://", &format!("://admin:{}@", world.password()));
    let script =
        Cmd::new("python3").args(["-c", SCRIPT, &url, &name, PASSWORD]).run().expect("it runs");
    let said = script.stdout_text();
    for expected in ["refuses the account", "give the password of the account", "images"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // Neither state nor log has what was only for the registry.
    let kept = Cmd::new("grep").args(["-raq", "-e", PASSWORD, "-e", "WRONG", &world.file("data")]);
    let kept = kept.any_status().run().expect("it looks");
    assert_eq!(kept.status.code(), Some(1), "a password is kept");
}
