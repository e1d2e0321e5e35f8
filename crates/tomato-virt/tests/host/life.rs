//! Start, commands, limits, adoption, end.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tomato_virt::container::{
    ContainerError, Containers, ExecRequest, ExitReason, NetworkSpec, Observed, ProcessState,
    Runtime, SpawnRequest, purge,
};
use tomato_virt::helper::IdMapping;

use super::world::{World, chain, until};

fn runc() -> Runtime {
    let program = PathBuf::from("/usr/sbin/runc");
    assert!(program.exists(), "runc is installed");
    Runtime::Runc { program }
}

fn spawn(script: &str) -> SpawnRequest {
    SpawnRequest {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::new(),
        cwd: "/".to_owned(),
        output: None,
    }
}

/// The whole life of a container, the same with every runtime and id mapping.
async fn whole_life(world: World) {
    let mut spec = world.spec(1);
    spec.boot = ["/bin/sh", "-c", "echo booted as $(id -u) >/tmp/boot"].map(str::to_owned).to_vec();
    let id = spec.id.clone();
    let all = &world.containers;
    assert_eq!(all.observe(&id).await.expect("seen"), Observed::Absent);
    assert!(matches!(
        all.exec(&id, ExecRequest::new(["true"])).await,
        Err(ContainerError::NotPrepared(_))
    ));
    all.prepare(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    all.prepare(&spec).await.expect("twice is once");
    assert_eq!(all.observe(&id).await.expect("seen"), Observed::Prepared { last_exit: None });
    assert!(matches!(
        all.exec(&id, ExecRequest::new(["true"])).await,
        Err(ContainerError::NotStarted(_))
    ));
    all.start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    let Observed::Started { pid, .. } = all.observe(&id).await.expect("seen") else {
        panic!("not started")
    };
    all.start(&spec).await.expect("twice is once");
    let same =
        matches!(all.observe(&id).await, Ok(Observed::Started { pid: now, .. }) if now == pid);
    assert!(same, "the second start changed nothing");
    assert_eq!(
        world.sh(&id, "cat /tmp/boot").await.exit_code,
        Some(1),
        "booted without its network"
    );
    let network = NetworkSpec { hostname: "h1".to_owned(), ..NetworkSpec::default() };
    all.configure(&id, &network).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    until("boot command", || async { world.sh(&id, "cat /tmp/boot").await.exit_code == Some(0) })
        .await;
    assert_eq!(world.ok(&id, "cat /tmp/boot").await, "booted as 0\n");
    assert_eq!(world.ok(&id, "hostname; cat /etc/hostname").await, "h1\nh1\n");
    let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).expect("read");
    let outside: u32 = map.split_whitespace().nth(1).expect("mapped").parse().expect("number");
    assert_ne!(outside, 0, "root inside is nobody outside");
    assert_eq!(world.ok(&id, "stat -c %u /bin/busybox").await, "0\n", "the template is root's");
    world.ok(&id, "echo kept >/root/file && rm /bin/yes").await;
    all.stop(&id, Duration::from_secs(5)).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    all.stop(&id, Duration::from_secs(5)).await.expect("twice is once");
    let stopped = Observed::Prepared { last_exit: Some(ExitReason::Stopped) };
    assert_eq!(all.observe(&id).await.expect("seen"), stopped);
    assert!(world.dir.path().join("template/bin/yes").exists(), "the template is untouched");
    all.start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(world.ok(&id, "cat /root/file; ls /bin/yes || echo gone").await, "kept\ngone\n");
    assert_eq!(all.list().await.expect("listed"), std::slice::from_ref(&id));
    all.destroy(&id).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    all.destroy(&id).await.expect("twice is once");
    assert_eq!(all.observe(&id).await.expect("seen"), Observed::Absent);
    assert!(all.list().await.expect("listed").is_empty());
}

#[tokio::test]
async fn whole_life_with_libcontainer() {
    whole_life(World::new()).await;
}

#[tokio::test]
async fn whole_life_with_runc() {
    whole_life(World::with(runc(), IdMapping::Auto)).await;
}

#[tokio::test]
async fn whole_life_on_an_id_mapped_template() {
    whole_life(World::with(Runtime::Libcontainer, IdMapping::Mount)).await;
}

#[tokio::test]
async fn whole_life_on_a_copied_template() {
    whole_life(World::with(Runtime::Libcontainer, IdMapping::Copy)).await;
}

#[tokio::test]
async fn commands_tell_how_they_ended() {
    let world = World::new();
    let id = world.started(1).await.id;
    let output = world.sh(&id, "echo out; echo err >&2; exit 3").await;
    assert_eq!(output.exit_code, Some(3));
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    let output = world.sh(&id, "kill -9 $$").await;
    assert_eq!((output.exit_code, output.signal), (None, Some(9)));
    let mut request = ExecRequest::new(["cat"]);
    request.stdin = Some(vec![b'x'; 300_000]);
    let output = world.containers.exec(&id, request).await.expect("run");
    assert_eq!(output.stdout.len(), 300_000);
    let mut request = ExecRequest::new(["sh", "-c", "echo $A $PWD"]);
    request.env.insert("A".to_owned(), "b".to_owned());
    request.cwd = "/root".to_owned();
    let output = world.containers.exec(&id, request).await.expect("run");
    assert_eq!(output.stdout, b"b /root\n");
    // A process reopens its own output, as scripts do with /dev/stderr.
    assert_eq!(world.sh(&id, "echo again >/dev/stderr").await.stderr, b"again\n");
    let error = world.containers.exec(&id, ExecRequest::new(["no-such"])).await.expect_err("none");
    assert!(chain(&error).contains("No such file"), "{}", chain(&error));
}

#[tokio::test]
async fn commands_are_bounded_in_time_and_output() {
    let world = World::new();
    let id = world.started(1).await.id;
    let begin = Instant::now();
    let mut request = ExecRequest::new(["sh", "-c", "echo first; sleep 100 & sleep 100"]);
    request.timeout = Duration::from_millis(300);
    let output = world.containers.exec(&id, request).await.expect("run");
    assert!(output.timed_out);
    assert_eq!((output.signal, &output.stdout[..]), (Some(9), &b"first\n"[..]));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(
        world.ok(&id, "ps | grep -c '[s]leep 100' || true").await,
        "0\n",
        "killed as a group"
    );
    let mut request = ExecRequest::new(["yes"]);
    request.timeout = Duration::from_millis(300);
    request.output_limit_bytes = 1000;
    let output = world.containers.exec(&id, request).await.expect("run");
    assert!(output.timed_out && output.truncated);
    assert_eq!(output.stdout.len(), 1000);
}

#[tokio::test]
async fn background_child_does_not_hold_up_a_command() {
    let world = World::new();
    let id = world.started(1).await.id;
    let begin = Instant::now();
    let output = world.sh(&id, "sleep 50 & echo done").await;
    assert_eq!((output.exit_code, &output.stdout[..]), (Some(0), &b"done\n"[..]));
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(world.ok(&id, "ps | grep -c '[s]leep 50'").await, "1\n", "it lives on");
}

#[tokio::test]
async fn background_process_is_known_after_a_restart() {
    let world = World::new();
    let id = world.started(1).await.id;
    let mut request =
        spawn("echo out; echo err >&2; while ! test -e /go; do sleep 0.05; done; exit 5");
    request.output = Some("/tmp/log".to_owned());
    let process = world.containers.spawn(&id, request).await.expect("spawned");
    let again = world.restarted();
    let wait = Duration::from_millis(50);
    assert_eq!(again.wait(&id, process, wait).await.expect("asked"), ProcessState::Running);
    world.ok(&id, "touch /go").await;
    let wait = Duration::from_secs(10);
    assert_eq!(again.wait(&id, process, wait).await.expect("asked"), ProcessState::Exited(5));
    let later = world.restarted().wait(&id, process, Duration::ZERO).await.expect("asked");
    assert_eq!(later, ProcessState::Exited(5), "still known");
    assert_eq!(world.ok(&id, "cat /tmp/log").await, "out\nerr\n");
    let process = again.spawn(&id, spawn("sleep 100")).await.expect("spawned");
    again.kill(&id, process, 15).await.expect("asked");
    let how = again.wait(&id, process, wait).await.expect("asked");
    assert_eq!(how, ProcessState::Signalled(15));
    let unknown = tomato_virt::container::ProcessId(999);
    assert_eq!(again.wait(&id, unknown, wait).await.expect("asked"), ProcessState::Unknown);
}

#[tokio::test]
async fn console_is_a_terminal() {
    use std::io::{Read, Write};
    let world = World::new();
    let id = world.started(1).await.id;
    let script = "read x; echo got $x; test -t 0";
    let opened = world.containers.console(&id, spawn(script)).await.expect("opened");
    assert!(opened.is_new);
    // Whoever opened it is gone; the next one finds the same.
    drop(opened.master);
    let again = world.containers.console(&id, spawn(script)).await.expect("opened again");
    assert_eq!((again.process, again.is_new), (opened.process, false));
    let process = again.process;
    let mut master = fs::File::from(again.master);
    master.write_all(b"hello\n").expect("typed");
    let ended = world.containers.wait(&id, process, Duration::from_secs(10)).await.expect("asked");
    assert_eq!(ended, ProcessState::Exited(0));
    let mut seen = [0u8; 256];
    let n = master.read(&mut seen).expect("read");
    assert!(String::from_utf8_lossy(&seen[..n]).contains("hello"));
    let next = world.containers.console(&id, spawn(script)).await.expect("opened anew");
    assert!(next.is_new, "its process has ended");
    assert_eq!(world.containers.plugged(&id).await.expect("asked"), Vec::<String>::new());
}

#[tokio::test]
async fn orphans_are_reaped() {
    let world = World::new();
    let id = world.started(1).await.id;
    world.ok(&id, "for i in 1 2 3 4 5; do (sleep 0.05 &) ; done").await;
    until("orphans gone", || async {
        world.ok(&id, "ps").await.lines().filter(|l| l.contains("sleep")).count() == 0
    })
    .await;
}

#[tokio::test]
async fn memory_limit_kills_the_eater_and_is_reported() {
    let world = World::new();
    let spec = world.started(1).await;
    let output = world.sh(&spec.id, "tail /dev/zero").await;
    assert_eq!(output.signal.or(output.exit_code), Some(9).or(Some(137)), "{output:?}");
    let seen = world.containers.observe(&spec.id).await.expect("seen");
    let Observed::Started { oom_kills, .. } = seen else { panic!("{seen:?}") };
    assert!(oom_kills > 0, "reported");
    world.ok(&spec.id, "true").await;
    let usage = world.containers.usage(&spec.id).await.expect("read");
    assert!(usage.cpu_ns > 0 && usage.memory_bytes <= 64 << 20, "{usage:?}");
}

#[tokio::test]
async fn process_limit_stops_a_fork_bomb() {
    let world = World::new();
    let id = world.started(1).await.id;
    let mut request =
        ExecRequest::new(["sh", "-c", "for i in $(seq 200); do sleep 30 & done; wait"]);
    request.timeout = Duration::from_secs(2);
    let output = world.containers.exec(&id, request).await.expect("run");
    assert!(String::from_utf8_lossy(&output.stderr).contains("fork"), "{output:?}");
    // The keeper has room again once the bomb is gone.
    until("room", || async {
        world.containers.exec(&id, ExecRequest::new(["true"])).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn what_a_container_must_not_do_is_refused() {
    let world = World::new();
    let id = world.started(1).await.id;
    for script in [
        "mount -t tmpfs none /tmp",
        "unshare -U true",
        "unshare -n true",
        "echo 1 >/proc/sys/kernel/panic",
        "echo h >/proc/sysrq-trigger",
        "echo x >/.tomato/keeper",
        "cat /proc/kcore",
        "ls /sys/fs/cgroup/memory",
        "cat /proc/1/environ",
    ] {
        assert_ne!(world.sh(&id, script).await.exit_code, Some(0), "{script}");
    }
    let bits = world.ok(&id, "grep -E 'CapBnd|Seccomp:' /proc/self/status").await;
    assert!(bits.contains("Seccomp:\t2"), "{bits}");
    let bounding = bits.split_whitespace().nth(1).expect("there");
    let bounding = u64::from_str_radix(bounding, 16).expect("hex");
    for (name, bit) in [("SYS_MODULE", 16), ("SYS_PTRACE", 19), ("SYS_BOOT", 22), ("SYS_TIME", 25)]
    {
        assert_eq!(bounding & (1 << bit), 0, "{name}");
    }
    world.ok(&id, "echo 1 >/proc/sys/net/ipv4/ip_forward").await;
}

#[tokio::test]
async fn killed_container_is_seen_and_started_again() {
    let world = World::new();
    let spec = world.started(1).await;
    let id = &spec.id;
    let Observed::Started { pid, .. } = world.containers.observe(id).await.expect("seen") else {
        panic!("not started")
    };
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("small")).expect("positive");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    let died = Observed::Prepared { last_exit: Some(ExitReason::Died) };
    until("death", || async { world.containers.observe(id).await.expect("seen") == died }).await;
    assert!(matches!(
        world.containers.exec(id, ExecRequest::new(["true"])).await,
        Err(ContainerError::NotStarted(_))
    ));
    world.containers.start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    world.ok(id, "true").await;
    // One that does not end when asked is killed.
    let stubborn = "(trap '' TERM HUP; touch /tmp/ready; while true; do sleep 1; done) >/dev/null 2>&1 & \
                    while ! test -e /tmp/ready; do sleep 0.01; done";
    world.ok(id, stubborn).await;
    world.containers.stop(id, Duration::from_millis(200)).await.expect("stopped");
    let killed = Observed::Prepared { last_exit: Some(ExitReason::Killed) };
    assert_eq!(world.containers.observe(id).await.expect("seen"), killed);
}

#[tokio::test]
async fn helper_killed_at_any_moment_leaves_nothing_in_the_way() {
    killed_helper(World::new()).await;
}

#[tokio::test]
async fn runc_killed_at_any_moment_leaves_nothing_in_the_way() {
    killed_helper(World::with(runc(), IdMapping::Auto)).await;
}

async fn killed_helper(world: World) {
    let spec = world.spec(1);
    let run_dir = world.host.run_dir.join(spec.id.as_str());
    // Each file there is another step of a start.
    let steps = || fs::read_dir(&run_dir).map_or(0, |files| 1 + files.count());
    for step in 0..8 {
        // The operation goes on in its own thread; only its helper dies, as with a machine out of memory.
        let starting = tokio::spawn({
            let (all, spec) = (world.containers.clone(), spec.clone());
            async move { all.start(&spec).await }
        });
        until("a step of the start", || async { steps() >= step || starting.is_finished() }).await;
        kill_helpers(world.host.lab.as_str());
        // Whether it was quick enough does not matter.
        drop(starting.await.expect("no panic"));
        world.restarted().start(&spec).await.unwrap_or_else(|e| panic!("{step}: {}", chain(&e)));
        world.ok(&spec.id, "true").await;
        if step % 2 == 0 {
            world.containers.destroy(&spec.id).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
        } else {
            world.containers.stop(&spec.id, Duration::from_secs(5)).await.expect("stopped");
        }
    }
}

fn kill_helpers(lab: &str) {
    for entry in fs::read_dir("/proc").expect("listed").flatten() {
        let arguments = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let program = arguments.split('\0').next().unwrap_or_default();
        let helper = program.ends_with("tomato-virt-helper") || program.ends_with("runc");
        if helper && arguments.contains(lab) {
            let pid = entry.file_name().to_string_lossy().parse().expect("a number");
            let pid = rustix::process::Pid::from_raw(pid).expect("positive");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
    }
}

#[tokio::test]
async fn start_that_lost_its_process_is_done_again() {
    let world = World::new();
    let spec = world.started(1).await;
    world.ok(&spec.id, "touch /tmp/first; echo x >/dev/shm/first").await;
    // What a process leaves that was killed after its helper had finished.
    let file = world.host.state_dir.join("elements").join(spec.id.as_str()).join("state.json");
    let text = fs::read_to_string(&file).expect("read");
    fs::write(&file, text.replace("\"started\"", "\"starting\"")).expect("written");
    let seen = world.containers.observe(&spec.id).await.expect("seen");
    assert!(matches!(seen, Observed::Prepared { .. }), "{seen:?}");
    world.restarted().start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(world.sh(&spec.id, "test -e /dev/shm/first").await.exit_code, Some(1), "a new one");
    world.ok(&spec.id, "test -e /tmp/first").await;
}

#[tokio::test]
async fn damaged_record_can_be_destroyed() {
    let world = World::new();
    let spec = world.started(1).await;
    let file = world.host.state_dir.join("elements").join(spec.id.as_str()).join("state.json");
    fs::write(&file, "{").expect("written");
    let error = world.containers.start(&spec).await.expect_err("damaged");
    assert!(matches!(error, ContainerError::ParseState { .. }), "{}", chain(&error));
    assert_eq!(world.containers.list().await.expect("listed"), std::slice::from_ref(&spec.id));
    world.containers.destroy(&spec.id).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(world.containers.observe(&spec.id).await.expect("seen"), Observed::Absent);
}

#[tokio::test]
async fn clear_errors_for_bad_templates() {
    let world = World::new();
    let mut spec = world.spec(1);
    spec.rootfs = world.dir.path().join("missing");
    let error = world.containers.start(&spec).await.expect_err("missing");
    assert!(matches!(error, ContainerError::FindTemplate { .. }), "{}", chain(&error));
    let spec = world.spec(2);
    world.containers.prepare(&spec).await.expect("prepared");
    let template = world.dir.path().join("template");
    fs::rename(&template, world.dir.path().join("away")).expect("moved");
    let error = world.containers.start(&spec).await.expect_err("missing");
    assert!(matches!(error, ContainerError::FindTemplate { .. }), "{}", chain(&error));
    fs::rename(world.dir.path().join("away"), &template).expect("moved");
    world.containers.start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
}

#[tokio::test]
async fn purge_removes_running_containers_and_can_be_repeated() {
    let world = World::new();
    let first = world.started(1).await.id;
    world.started(2).await;
    world.ok(&first, "sleep 100 >/dev/null 2>&1 &").await;
    world.containers.prepare(&world.spec(3)).await.expect("prepared");
    let host = world.host.clone();
    let purged = tokio::task::spawn_blocking(move || purge(&host)).await.expect("no panic");
    assert_eq!(purged.unwrap_or_else(|e| panic!("{}", chain(&e))).elements, 3);
    assert!(world.leftovers().is_empty(), "{:?}", world.leftovers());
}

#[tokio::test]
async fn a_runtime_that_fails_inside_says_why() {
    let world = World::new();
    let proc = world.dir.path().join("template/proc");
    fs::remove_dir(&proc).expect("removed");
    fs::write(&proc, "no directory").expect("written");
    let error = world.containers.start(&world.spec(1)).await.expect_err("no place for /proc");
    let text = chain(&error);
    assert!(text.contains("prepare rootfs") && text.contains("proc"), "{text}");
}
