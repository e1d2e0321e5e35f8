//! The original's interface, called by a real Python as its users' scripts call it.

use std::path::Path;
use std::time::Duration;

use tomato_testlab::Lab;
use tomato_virt::cmd::Cmd;

#[tokio::test]
async fn scripts_of_the_original_run_unchanged() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tomato-model/testdata/original");
    let samples = samples.to_str().unwrap().to_owned();
    let script = include_str!("xmlrpc.py");
    let url = lab.url().to_owned();
    let run = tokio::task::spawn_blocking(move || {
        let run = Cmd::new("python3").args(["-", &url, &samples]).stdin(script.as_bytes().to_vec());
        run.deadline(Duration::from_secs(100)).any_status().run().unwrap()
    });
    let run = run.await.unwrap();
    assert!(run.status.success(), "{}\n{}", run.stdout_text(), run.stderr_text());
}
