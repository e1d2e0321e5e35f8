//! Encrypted connections from end to end: command line, consoles, the Python client, XML-RPC, and files for clients of the original.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use tomato_virt::cmd::Cmd;

use crate::life::started_in;
use crate::world::World;

/// The Python client, and a client of the original that fetches a file by a grant.
const CLIENTS: &str = r#"
import ssl, sys, urllib.request, xmlrpc.client
import tomatolab

url, cafile, password = sys.argv[1:]
lab = tomatolab.Lab(url, account="admin", password=password, cafile=cafile)
assert lab.info()["version"]
try:
    tomatolab.Lab(url, account="admin", password=password).info()
    raise SystemExit("a certificate that nobody knows was trusted")
except tomatolab.LabError:
    pass
context = ssl.create_default_context(cafile=cafile)
old = xmlrpc.client.ServerProxy(url.replace("https://", "https://admin:%s@" % password), allow_none=True, context=context)
top = old.topology_list()[0]["id"]
device = [e for e in old.topology_info(top, True)["elements"] if e["name"] == "a"][0]
old.element_action(device["id"], "execute", {"cmd": "mkdir -p /mnt/nlXTP && echo kept > /mnt/nlXTP/file"})
info = old.element_info(device["id"])["host_info"]
assert info["address"] == "127.0.0.1", info
grant = old.element_action(device["id"], "rextfv_download_grant")
plain = "http://%s:%s/%s/download" % (info["address"], info["fileserver_port"], grant)
assert urllib.request.urlopen(plain).read()[:2] == b"\x1f\x8b"
"#;

fn check(world: World) {
    let world = started_in(world);
    let (code, said) = world.with_input(&["console", "pair/a"], "echo $((6 * 7))-shown; exit\n");
    assert!(code == Some(0) && said.contains("42-shown"), "{code:?} {said}");
    let cert = world.file("data/tls/cert.pem");
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python");
    let run = Cmd::new("python3")
        .args(["-c", CLIENTS, &world.url(), &cert, &world.password()])
        .env("PYTHONPATH", client)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .deadline(Duration::from_secs(120))
        .any_status()
        .run()
        .expect("python3 runs");
    assert!(run.status.success(), "{}", run.stderr_text());
    let plain = world.url().replace("https://", "http://");
    let refused = world.try_tomato(&["--url", &plain, "topology", "list"]);
    assert!(refused.is_err(), "the port answers without encryption: {refused:?}");
}

#[test]
fn everything_works_over_a_certificate_that_was_made_up() {
    check(World::up_as(World::dir(), None, "data", &["--tls", "generate"]));
}

#[test]
fn everything_works_over_a_certificate_of_ones_own() {
    let dir = World::dir();
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let cert = params.self_signed(&key).expect("a certificate");
    let paths = ["own-cert.pem", "own-key.pem"].map(|name| dir.path().join(name));
    fs::write(&paths[0], cert.pem()).expect("written");
    fs::write(&paths[1], key.serialize_pem()).expect("written");
    let [cert, key] = paths.map(|path| path.to_str().expect("Unicode").to_owned());
    check(World::up_as(dir, None, "data", &["--tls-cert", &cert, "--tls-key", &key]));
}
