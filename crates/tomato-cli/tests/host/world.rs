//! A lab of a test: a data directory, templates and a port of its own; purged when dropped, whatever happened.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tomato_virt::cmd::Cmd;

const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// One lab.
pub(crate) struct World {
    dir: tempfile::TempDir,
    data: PathBuf,
    /// The lab's id.
    id: String,
    listen: String,
    scheme: &'static str,
}

impl World {
    /// A new lab that answers.
    pub(crate) fn up() -> Self {
        Self::up_with(None, "data")
    }

    /// A new lab whose data directory has this path below the test's own, with these templates.
    pub(crate) fn up_with(templates: Option<&str>, data: &str) -> Self {
        Self::up_in(Self::dir(), templates, data)
    }

    /// The directory of a test.
    pub(crate) fn dir() -> tempfile::TempDir {
        // The backend runs without privileges and must get through.
        tempfile::Builder::new()
            .prefix("tomato-host-test-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .expect("made")
    }

    /// A new lab in a directory of a test.
    pub(crate) fn up_in(dir: tempfile::TempDir, templates: Option<&str>, data: &str) -> Self {
        Self::up_as(dir, templates, data, &[])
    }

    /// The same with more options, by which connections may be encrypted.
    pub(crate) fn up_as(
        dir: tempfile::TempDir,
        templates: Option<&str>,
        data: &str,
        options: &[&str],
    ) -> Self {
        let listen = "127.0.0.1:0".to_owned();
        let data = dir.path().join(data);
        let is_tls = options.iter().any(|option| option.starts_with("--tls"));
        let scheme = if is_tls { "https" } else { "http" };
        let mut world = Self { dir, data, id: String::new(), listen, scheme };
        let templates = templates.map_or_else(|| world.file("templates"), str::to_owned);
        let up = ["up", "--detach", "--listen", &world.listen, "--template-dir", &templates];
        world.tomato(&[&up, options].concat());
        let lab = fs::read(world.data_dir().join("lab.json")).expect("kept");
        let lab: Value = serde_json::from_slice(&lab).expect("JSON");
        world.id = lab["id"].as_str().expect("has an id").to_owned();
        world.listen = lab["listen"].as_str().expect("has an address").to_owned();
        world
    }

    /// Starts the lab, after `down` again; gives what `up` says.
    pub(crate) fn again(&self) -> String {
        let templates = self.file("templates");
        self.tomato(&["up", "--detach", "--listen", &self.listen, "--template-dir", &templates])
    }

    /// How the program ends with this text at its standard input.
    pub(crate) fn typed(&self, input: &str, arguments: &[&str]) -> tomato_virt::cmd::Output {
        Cmd::new(env!("CARGO_BIN_EXE_tomato"))
            .args(arguments)
            .env("TOMATO_DATA_DIR", self.data_dir())
            .env("TOMATO_URL", self.url())
            .stdin(input)
            .deadline(2 * DEADLINE)
            .any_status()
            .run()
            .expect("runs")
    }

    /// The path of a file of the test.
    pub(crate) fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("Unicode").to_owned()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data.clone()
    }

    fn run_dir(&self) -> PathBuf {
        Path::new("/run/tomato").join(&self.id)
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.listen)
    }

    pub(crate) fn password(&self) -> String {
        let text = fs::read_to_string(self.data_dir().join("admin-password")).expect("kept");
        text.trim().to_owned()
    }

    /// What the program writes to its standard output; its standard error if it fails.
    pub(crate) fn try_tomato(&self, arguments: &[&str]) -> Result<String, String> {
        let run = Cmd::new(env!("CARGO_BIN_EXE_tomato"))
            .args(arguments)
            .env("TOMATO_DATA_DIR", self.data_dir())
            .env("TOMATO_URL", self.url())
            .deadline(2 * DEADLINE)
            .any_status()
            .run()
            .map_err(|error| error.to_string())?;
        if run.status.success() {
            Ok(run.stdout_text())
        } else {
            Err(format!("{}{}", run.stdout_text(), run.stderr_text()))
        }
    }

    /// A call that reads `input`: its exit code and what it writes.
    pub(crate) fn with_input(&self, arguments: &[&str], input: &str) -> (Option<i32>, String) {
        let run = Cmd::new(env!("CARGO_BIN_EXE_tomato"))
            .args(arguments)
            .env("TOMATO_DATA_DIR", self.data_dir())
            .env("TOMATO_URL", self.url())
            .deadline(DEADLINE)
            .stdin(input)
            .any_status()
            .run()
            .expect("runs");
        (run.status.code(), format!("{}{}", run.stdout_text(), run.stderr_text()))
    }

    /// The same, and it must succeed.
    pub(crate) fn tomato(&self, arguments: &[&str]) -> String {
        self.try_tomato(arguments)
            .unwrap_or_else(|error| panic!("tomato {}: {error}", arguments.join(" ")))
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.tomato(&[&["--output", "json"], arguments].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// The state of each element.
    pub(crate) fn states(&self, topology: &str) -> Vec<String> {
        let shown = self.json(&["show", topology]);
        let elements = shown["graph"]["elements"].as_array().expect("has elements");
        elements.iter().map(|e| e["state"].as_str().expect("has a state").to_owned()).collect()
    }

    /// Where the process of a role is named.
    pub(crate) fn pid_file(&self, role: &str) -> PathBuf {
        self.run_dir().join(format!("{role}.pid"))
    }

    /// The process of a role, if it runs.
    pub(crate) fn pid(&self, role: &str) -> Option<i32> {
        let record = fs::read(self.pid_file(role)).ok()?;
        let record: Value = serde_json::from_slice(&record).ok()?;
        let pid = i32::try_from(record["pid"].as_i64()?).ok()?;
        Path::new("/proc").join(pid.to_string()).exists().then_some(pid)
    }

    /// Kills a role and waits for the next one.
    pub(crate) fn kill(&self, role: &str) {
        let old = self.pid(role).expect("runs");
        let pid = rustix::process::Pid::from_raw(old).expect("not zero");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
        wait_for("a new process", || self.pid(role).is_some_and(|new| new != old));
    }

    /// Makes a topology as a file says, started.
    pub(crate) fn start(&self, topology: &str) {
        let file = self.file("topology.yaml");
        fs::write(&file, topology).expect("written");
        self.tomato(&["start", &file]);
    }

    /// An element or connection of a topology as it is shown.
    pub(crate) fn shown(&self, topology: &str, part: &str, name: &str) -> Value {
        let shown = self.json(&["show", topology]);
        let all = shown["graph"][part].as_array().expect("a list");
        all.iter().find(|one| one["name"] == name).expect("there").clone()
    }

    /// What a script in an element writes; it must succeed.
    pub(crate) fn sh(&self, element: &str, script: &str) -> String {
        self.tomato(&["exec", element, "--", "/bin/sh", "-c", script])
    }

    /// When the first process of an element started, in clock ticks since the machine's start.
    pub(crate) fn boot_time(&self, element: &str) -> Option<u64> {
        let stat = self.try_tomato(&["exec", element, "--", "cat", "/proc/1/stat"]).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_ascii_whitespace().nth(19)?.parse().ok()
    }

    /// What of the lab is on this machine, each with its kind in front.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let data_dir = self.data_dir();
        let data = data_dir.to_str().expect("Unicode");
        let ours = |text: &str| text.contains(&self.id) || text.contains(data);
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("mounted").flatten() {
            // One that has just ended has none.
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let is_process = entry.file_name().to_string_lossy().parse::<u32>().is_ok();
            if is_process && ours(&line) {
                found.push(format!("process {line}"));
            }
            // Also those that only an element sees; a process left behind without our id in its arguments shows here too.
            let mounts = fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
            found.extend(mounts.lines().filter(|l| ours(l)).map(|line| format!("mount {line}")));
        }
        cgroups(Path::new("/sys/fs/cgroup"), &self.id, &mut found);
        // Ranges of user ids are claimed for a directory; without any container of any lab there is none.
        for claim in fs::read_dir("/var/lib/tomato-uids").into_iter().flatten().flatten() {
            let owner = fs::read_to_string(claim.path()).unwrap_or_default();
            if ours(&owner) {
                found.push(format!("claim {owner}"));
            }
        }
        for (kind, dir) in [("run directory", self.run_dir()), ("data directory", data_dir)] {
            if dir.exists() {
                found.push(format!("{kind} {}", dir.display()));
            }
        }
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Err(error) = self.try_tomato(&["down", "--purge"])
            && !std::thread::panicking()
        {
            panic!("the lab cannot be purged: {error}");
        }
    }
}

/// Directories of control groups with the lab's id in their name.
fn cgroups(dir: &Path, id: &str, found: &mut Vec<String>) {
    // Others make and remove theirs at the same time.
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().contains(id) {
            found.push(format!("cgroup {}", entry.path().display()));
        }
        cgroups(&entry.path(), id, found);
    }
}

/// The times that `ping` says, in milliseconds.
pub(crate) fn round_trips(said: &str) -> Vec<f64> {
    let time = |line: &str| line.split_once("time=")?.1.split(' ').next()?.parse().ok();
    said.lines().filter_map(time).collect()
}

/// Waits until a condition holds.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "waited {} s for {what}", DEADLINE.as_secs());
        std::thread::sleep(POLL);
    }
}
