//! Tests of the runtime configuration.

use super::*;

fn spec() -> ContainerSpec {
    ContainerSpec {
        id: tomato_model::id::ElementId::new(1, 2),
        hostname: "h".to_owned(),
        rootfs: "/t".into(),
        cpus_milli: 1,
        memory_bytes: 64 << 20,
        disk_bytes: 1 << 30,
        pids_max: 100,
        boot: vec!["/bin/sh".to_owned(), "/etc/tomato/boot".to_owned()],
        main: None,
    }
}

#[test]
fn limits_and_namespaces_are_those_of_the_spec() {
    let host = HostPaths::new("/state", tomato_model::id::LabId::new(3, 4));
    let spec = spec();
    let config = config(&host, &host.element(&spec.id), &spec, 0x2000_0000, 1024);
    let linux = &config["linux"];
    assert_eq!(linux["resources"]["memory"]["limit"], 64 << 20);
    assert_eq!(linux["resources"]["cpu"]["quota"], CPU_QUOTA_MIN_US, "the kernel's least");
    assert_eq!(linux["resources"]["pids"]["limit"], 100);
    assert_eq!(linux["namespaces"].as_array().expect("list").len(), 7);
    assert_eq!(linux["uidMappings"][0]["hostID"], 0x2000_0000);
    let group = linux["cgroupsPath"].as_str().expect("text");
    assert_eq!(group, format!("/tomato/{}/{}", host.lab, spec.id));
    assert_eq!(config["process"]["args"][4], "/etc/tomato/boot");
    assert_eq!(config["process"]["rlimits"][1]["hard"], 1024);
    // What the runtime's own types refuse would only be seen at start.
    serde_json::from_value::<oci_spec::runtime::Spec>(config).expect("a valid configuration");
}
