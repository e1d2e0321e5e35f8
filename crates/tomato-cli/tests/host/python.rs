//! The examples of the Python client's document and its notebook, run as they stand against a real lab.

use std::path::Path;
use std::time::Duration;

use tomato_virt::cmd::Cmd;

use crate::world::World;

#[test]
fn the_examples_of_the_python_client_run_as_they_stand() {
    let world = World::up();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let run = Cmd::new("python3")
        .args(["-W", "error"])
        .args(
            ["python/tests/run_examples.py", "docs/python.md", "python/examples/first_steps.ipynb"]
                .map(|file| root.join(file).into_os_string()),
        )
        .env("TOMATO_DATA_DIR", world.data_dir())
        .env("TOMATO_URL", world.url())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .deadline(Duration::from_secs(240))
        .any_status()
        .run()
        .expect("python3 runs");
    assert!(run.status.success(), "{}{}", run.stdout_text(), run.stderr_text());
    assert_eq!(world.json(&["topology", "list"]), serde_json::json!([]));
}
