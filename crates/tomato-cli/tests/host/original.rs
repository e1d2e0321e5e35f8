//! Files of the original, imported and started on real containers.

use std::path::Path;
use std::time::Duration;

use tomato_virt::cmd::Cmd;

use crate::world::World;

fn sample(name: &str) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tomato-model/testdata/original").join(name);
    path.to_str().expect("Unicode").to_owned()
}

#[test]
fn a_file_of_the_original_comes_over_and_its_containers_run() {
    let world = World::up();
    // Its old templates mean debian-12, which takes long to build: the small one does for this test.
    let text = std::fs::read_to_string(sample("v3.json")).expect("there");
    let file = world.file("old.json");
    std::fs::write(
        &file,
        text.replace("debian-6.0_x86_64", "busybox").replace("debian-6.0_x86", "busybox"),
    )
    .expect("written");
    let checked = world.tomato(&["topology", "check", &file]);
    assert!(checked.contains("parent"), "{checked}");
    let said = world.tomato(&["topology", "import", &file]);
    for attribute in ["ram", "profile", "lossratio_to", "parent"] {
        assert!(said.contains(attribute), "{said}");
    }
    world.tomato(&["start", "Old pair"]);
    let said = world.tomato(&["exec", "Old pair/n1", "--", "ping", "-c", "2", "10.0.0.2"]);
    assert_eq!(crate::world::round_trips(&said).len(), 2, "{said}");
    let exported = world.tomato(&["export", "--format", "original", "Old pair"]);
    let exported: serde_json::Value = serde_json::from_str(&exported).expect("JSON");
    assert_eq!(exported["file_information"]["version"], 5);
    world.tomato(&["remove", "--force", "Old pair"]);
}

const CAPTURES: &str = r#"
import socket, struct, sys, time, urllib.request, xmlrpc.client

url, password = sys.argv[1:]
lab = xmlrpc.client.ServerProxy(url.replace("http://", "http://admin:%s@" % password), allow_none=True)
top = lab.topology_create()["id"]
ends = []
for i in range(2):
    given = {"name": "n%d" % i, "template": "busybox", "profile": "tiny"}
    device = lab.element_create(top, "openvz", None, given)["id"]
    address = {"ip4address": "10.0.0.%d/24" % (i + 1)}
    ends.append((device, lab.element_create(top, "openvz_interface", device, address)["id"]))
capture = {"capturing": True, "capture_mode": "net", "capture_filter": "icmp[icmptype] == icmp-echo"}
link = lab.connection_create(ends[0][1], ends[1][1], capture)["id"]
lab.topology_action(top, "start")
shown = lab.connection_info(link)
reader = socket.create_connection(("127.0.0.1", shown["capture_port"]), 20)
stream = reader.makefile("rwb")
stream.write(shown["capture_token"].encode() + b"\n")
stream.flush()
assert struct.unpack("<I", stream.read(24)[:4])[0] == 0xA1B23C4D
lab.element_action(ends[0][0], "execute", {"cmd": "ping -c 3 10.0.0.2"})
for _ in range(3):
    seconds, _ns, length, _whole = struct.unpack("<4I", stream.read(16))
    frame = stream.read(length)
    assert frame[12:14] == b"\x08\x00" and frame[34] == 8 and seconds > 1700000000, frame
reader.close()
info = shown["host_info"]
# Frames are in the file soon after they passed, not at once.
for _ in range(50):
    grant = lab.connection_action(link, "download_grant")
    file = urllib.request.urlopen("http://%s:%s/%s/download" % (info["address"], info["fileserver_port"], grant)).read()
    at, packets = 24, 0
    while at < len(file):
        length = struct.unpack("<4I", file[at:at + 16])[2]
        assert file[at + 16 + 34] == 8
        at, packets = at + 16 + length, packets + 1
    if packets >= 3:
        break
    time.sleep(0.2)
assert packets == 3, packets
lab.topology_remove(top)
"#;

#[test]
fn captures_go_to_a_file_and_to_readers_with_a_filter() {
    let world = World::up();
    let run = Cmd::new("python3")
        .args(["-c", CAPTURES, &world.url(), &world.password()])
        .deadline(Duration::from_secs(120))
        .any_status()
        .run()
        .expect("python3 runs");
    assert!(run.status.success(), "{}", run.stderr_text());
}
