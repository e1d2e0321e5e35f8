//! A user's script for the original XML-RPC interface, with the names of element types it had.

use std::time::Duration;

use tomato_virt::cmd::Cmd;

use crate::world::World;

const SCRIPT: &str = r#"
import sys, xmlrpc.client

lab = xmlrpc.client.ServerProxy(sys.argv[1].replace("http://", "http://admin:%s@" % sys.argv[2]) + "/RPC2", allow_none=True)
topology = lab.topology_create()["id"]
lab.topology_modify(topology, {"name": "by script"})
ends = []
for i in range(2):
    place = {"x": 0.3 + 0.4 * i, "y": 0.5}
    attributes = {"_pos": place, "name": "n%d" % i, "template": "busybox"}
    device = lab.element_create(topology, "openvz", None, attributes)["id"]
    address = {"ip4address": "10.0.0.%d/24" % (i + 1)}
    ends.append((device, lab.element_create(topology, "openvz_interface", device, address)["id"]))
lab.connection_create(ends[0][1], ends[1][1], {"bandwidth_to": 2000, "delay_from": 10})
lab.topology_action(topology, "start")
print(lab.element_action(ends[0][0], "execute", {"cmd": "ping -c 3 10.0.0.2"}))
lab.topology_action(topology, "destroy")
lab.topology_remove(topology)
try:
    lab.topology_info(topology)
    sys.exit("the topology is still there")
except xmlrpc.client.Fault as fault:
    assert "entity_does_not_exist" in fault.faultString, fault
"#;

#[test]
fn a_script_for_the_original_interface_runs_a_topology() {
    let world = World::up();
    let run = Cmd::new("python3")
        .args(["-c", SCRIPT, &world.url(), &world.password()])
        .deadline(Duration::from_secs(120))
        .any_status()
        .run()
        .expect("python3 runs");
    assert!(run.status.success(), "{}", run.stderr_text());
    let said = run.stdout_text();
    let times = crate::world::round_trips(&said);
    assert_eq!(times.len(), 3, "{said}");
    // One direction has the delay.
    assert!(times.iter().all(|time| *time >= 10.0), "{said}");
    assert_eq!(world.json(&["topology", "list"]), serde_json::json!([]));
}
