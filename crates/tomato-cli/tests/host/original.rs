//! Files of the original, imported and started on real containers.

use std::path::Path;

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
