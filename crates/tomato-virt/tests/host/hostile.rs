//! Containers whose root user wants out, or wants everything. What is stopped by what is in `docs/security.md`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tomato_model::id::ElementId;
use tomato_virt::container::{
    Containers, ExecRequest, InterfaceSpec, MainProcess, NetworkSpec, Observed, Runtime,
};
use tomato_virt::helper::IdMapping;

use super::world::{World, cgroup_roots, chain, until};

/// Files of the host that known escapes write to, with what is in them now.
fn host_settings() -> Vec<(&'static str, Option<Vec<u8>>)> {
    const FILES: [&str; 7] = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/panic",
        "/proc/sys/kernel/randomize_va_space",
        "/proc/sys/fs/file-max",
        "/proc/sys/vm/overcommit_memory",
        "/sys/kernel/uevent_helper",
    ];
    FILES.map(|file| (file, fs::read(file).ok())).into()
}

/// Every script must fail, and none may change anything outside.
async fn all_refused(world: &World, id: &ElementId, scripts: &[&str]) {
    let before = host_settings();
    let mut done = Vec::new();
    for script in scripts {
        if world.sh(id, script).await.exit_code == Some(0) {
            done.push(script);
        }
    }
    assert!(done.is_empty(), "not refused: {done:#?}");
    assert_eq!(host_settings(), before);
    world.ok(id, "true").await;
}

const ESCAPES: &[&str] = &[
    // Programs that the host's kernel would start.
    "echo '|/bin/sh' > /proc/sys/kernel/core_pattern",
    "echo /bin/sh > /proc/sys/kernel/modprobe",
    "echo /bin/sh > /sys/kernel/uevent_helper",
    "echo ':x:M::x::/bin/sh:' > /proc/sys/fs/binfmt_misc/register",
    // A control group that runs a program when it gets empty.
    "mkdir -p /tmp/cg && mount -t cgroup -o rdma cgroup /tmp/cg",
    "mkdir -p /tmp/cg && mount -t cgroup2 none /tmp/cg",
    "ls /sys/fs/cgroup/* && echo /bin/sh > /sys/fs/cgroup/release_agent",
    "busybox unshare -C true",
    // Devices of the host.
    "busybox mknod /dev/sda b 8 0",
    "busybox mknod /tmp/mem c 1 1",
    "busybox mknod /tmp/kmsg c 1 11",
    "cat /dev/mem",
    "cat /dev/kmsg",
    "cat /dev/vda",
    "cat /dev/sda",
    "cat /dev/net/tun",
    "cat /dev/loop-control",
    "cat /dev/fuse",
    // Mounts.
    "mount -t proc proc /tmp",
    "mount -t sysfs sysfs /tmp",
    "mount -t tmpfs none /tmp",
    "mount --bind / /tmp",
    "mount -o remount,rw /sys",
    "mount -o remount,bind,rw /.tomato/keeper",
    "mount --make-shared /",
    "busybox umount /proc/kcore",
    "busybox umount /sys/fs/cgroup",
    "busybox umount -l /etc/hosts",
    "busybox pivot_root /tmp /tmp",
    // Namespaces.
    "busybox unshare -U true",
    "busybox unshare -r true",
    "busybox unshare -m true",
    "busybox unshare -n true",
    "busybox unshare -p true",
    "busybox nsenter -t 1 -m true",
    "busybox nsenter -t $$ -n true",
    // The kernel itself.
    "echo b > /proc/sysrq-trigger",
    "echo 1 > /proc/sys/kernel/panic",
    "echo 0 > /proc/sys/kernel/randomize_va_space",
    "echo 1 > /proc/sys/fs/file-max",
    "echo 3 > /proc/sys/vm/overcommit_memory",
    "echo mem > /sys/power/state",
    "echo 0 > /sys/devices/system/cpu/cpu1/online",
    "busybox insmod /bin/busybox",
    "busybox swapon /bin/busybox",
    "busybox dmesg",
    // It says so but ends well.
    "! busybox date -s 2000-01-01 2>&1 | grep 'not permitted'",
    "busybox reboot -f",
    "busybox adjtimex -t 9000",
    "cat /proc/kcore",
    "grep -q . /proc/keys",
    "cat /proc/sched_debug",
    "grep -q . /proc/timer_list",
    // Process 1, which is ours.
    "cat /proc/1/environ",
    "cat /proc/1/mem",
    "ls /proc/1/root/",
    "ls /proc/1/cwd/",
    "echo x > /.tomato/keeper",
    "rm /.tomato/keeper",
    "ln -f /bin/busybox /.tomato/keeper",
    // Other processes of the host.
    "ls /run/tomato /run/tomato-it",
    "ls /proc/$(busybox cat /proc/sys/kernel/pid_max)",
];

#[tokio::test]
async fn known_escapes_are_refused() {
    let world = World::new();
    let id = world.started(1).await.id;
    all_refused(&world, &id, ESCAPES).await;
}

#[tokio::test]
async fn known_escapes_are_refused_with_runc() {
    let program = PathBuf::from("/usr/sbin/runc");
    assert!(program.exists(), "runc is installed");
    let world = World::with(Runtime::Runc { program }, IdMapping::Auto);
    let id = world.started(1).await.id;
    all_refused(&world, &id, ESCAPES).await;
}

/// A program without a library that makes one system call with two arguments; its exit code is the error number.
#[cfg(target_arch = "x86_64")]
fn caller(call: u32, first: u32, second: u32) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let mut code = Vec::new();
    // mov eax, call; mov edi, first; mov esi, second; xor edx, edx; xor r10d, r10d; xor r8d, r8d; syscall
    for (operation, operand) in [(0xb8_u8, call), (0xbf, first), (0xbe, second)] {
        code.push(operation);
        code.extend(operand.to_le_bytes());
    }
    code.extend([0x31, 0xd2, 0x45, 0x31, 0xd2, 0x45, 0x31, 0xc0, 0x0f, 0x05]);
    // neg eax; mov edi, eax; mov eax, 60 (exit); syscall
    code.extend([0xf7, 0xd8, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]);
    let length = HEADERS + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    for half in [2_u16, 62] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for wide in [BASE + HEADERS, 64, 0] {
        file.extend(wide.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    // One segment to load, readable and executable.
    for word in [1_u32, 5] {
        file.extend(word.to_le_bytes());
    }
    for wide in [0, BASE, BASE, length, length, 0x1000] {
        file.extend(wide.to_le_bytes());
    }
    file.extend(code);
    file
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn calls_that_reach_past_the_container_are_refused() {
    const SOCKET: u32 = 41;
    const SOCKETPAIR: u32 = 53;
    const UNSHARE: u32 = 272;
    const STREAM: u32 = 1;
    const DGRAM: u32 = 2;
    /// Exit code of the call that gave descriptor 3.
    const DESCRIPTOR: i32 = 253;
    let world = World::new();
    let id = world.started(1).await.id;
    let mut calls = vec![
        // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET
        ((SOCKET, 1, STREAM), DESCRIPTOR),
        ((SOCKET, 2, DGRAM), DESCRIPTOR),
        ((SOCKET, 10, DGRAM), DESCRIPTOR),
        ((SOCKET, 16, DGRAM), DESCRIPTOR),
        ((SOCKET, 17, DGRAM), DESCRIPTOR),
        // CLONE_NEWTIME
        ((UNSHARE, 0x80, 0), libc::EPERM),
        // open_tree_attr, file_getattr, and what comes after them
        ((467, 0, 0), libc::ENOSYS),
        ((468, 0, 0), libc::ENOSYS),
        ((500, 0, 0), libc::ENOSYS),
    ];
    // AF_KEY, AF_RDS, AF_CAN, AF_TIPC, AF_ALG, AF_VSOCK, AF_QIPCRTR, AF_SMC, AF_XDP
    for family in [15, 21, 29, 30, 38, 40, 42, 43, 44] {
        calls.push(((SOCKET, family, STREAM), libc::EAFNOSUPPORT));
        calls.push(((SOCKETPAIR, family, STREAM), libc::EAFNOSUPPORT));
    }
    for ((call, first, second), expected) in calls {
        let script = "cat > /tmp/call && chmod 755 /tmp/call && exec /tmp/call";
        let mut request = ExecRequest::new(["sh", "-c", script]);
        request.stdin = Some(caller(call, first, second));
        let output = world.containers.exec(&id, request).await.expect("run");
        assert_eq!(output.exit_code, Some(expected), "call {call} {first}: {output:?}");
    }
}

#[tokio::test]
async fn a_container_sees_itself_alone() {
    let world = World::new();
    let (id, other) = (world.started(1).await.id, world.started(2).await.id);
    world.ok(&other, "sleep 1000 > /dev/null 2>&1 &").await;
    let processes = world.ok(&id, "ps -o pid,comm").await;
    assert!(!processes.contains("sleep") && processes.lines().count() < 8, "{processes}");
    let links = world.ok(&id, "ip -o link").await;
    assert!(links.lines().all(|link| link.contains(" lo")), "{links}");
    let memory = world.ok(&id, "cat /proc/self/cgroup").await;
    assert!(memory.lines().all(|line| line.ends_with(":/")), "{memory}");
    // A root that went up through a directory of its own is still in its own root.
    world.ok(&id, "mkdir -p /tmp/j && cd / && busybox chroot /tmp/j true || true").await;
    let root = world.ok(&id, "cd /; cd ../../../..; ls -a").await;
    assert!(root.contains(".tomato"), "{root}");
    // Its process 1 cannot be killed from inside; asking it to end stops the element, as anywhere.
    let Observed::Started { pid, .. } = world.containers.observe(&id).await.expect("seen") else {
        panic!("not started")
    };
    world.sh(&id, "kill -9 1; kill -STOP 1").await;
    let same = matches!(world.containers.observe(&id).await, Ok(Observed::Started { pid: now, .. }) if now == pid);
    assert!(same, "process 1 lives");
}

#[tokio::test]
async fn root_inside_is_nobody_outside() {
    let world = World::new();
    let (first, second) = (world.started(1).await.id, world.started(2).await.id);
    world.ok(&first, "busybox cp /bin/busybox /root/evil && chmod 4755 /root/evil").await;
    let upper =
        |id: &ElementId| world.host.state_dir.join("elements").join(id.as_str()).join("upper");
    let evil = fs::metadata(upper(&first).join("root/evil")).expect("there");
    assert!(evil.permissions().mode() & 0o4000 != 0 && evil.uid() >= 0x2000_0000, "{}", evil.uid());
    let bases = [&first, &second].map(|id| fs::metadata(upper(id)).expect("there").uid());
    assert!(bases[0].abs_diff(bases[1]) >= 65_536, "{bases:?}");
    let dir =
        fs::metadata(world.host.state_dir.join("elements").join(first.as_str())).expect("there");
    assert_eq!((dir.uid(), dir.permissions().mode() & 0o777), (0, 0o700), "no account gets to it");
    // Not in any container: ids of others are nobody's.
    world.ok(&first, "busybox chown 65535 /root/evil").await;
    assert_ne!(world.sh(&first, "busybox chown 65536 /root/evil").await.exit_code, Some(0));
}

#[tokio::test]
async fn the_network_of_others_cannot_be_reached_or_moved() {
    let world = World::new();
    let id = world.started(1).await.id;
    let interface = InterfaceSpec { name: "eth0".to_owned(), mac: [2, 0, 0, 0, 0, 1], mtu: 1500 };
    let _ours = world.containers.plug(&id, &interface).await.expect("plugged");
    let before = fs::read_to_string("/proc/net/dev").expect("read");
    all_refused(
        &world,
        &id,
        &[
            "ip link set eth0 netns 1 && ! ip link show eth0",
            "ip link set eth1 down",
            "ip link add link eth7 name x type macvlan",
            "ping -c 1 -W 1 127.0.0.53",
        ],
    )
    .await;
    let names = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
    };
    let after = fs::read_to_string("/proc/net/dev").expect("read");
    let new: Vec<_> = names(&after).into_iter().filter(|n| !names(&before).contains(n)).collect();
    // Other tests make theirs in namespaces of their own.
    assert!(!new.contains(&"eth0".to_owned()) && !new.contains(&"x".to_owned()), "{new:?}");
}

/// Runs a script that goes mad, without waiting for it.
async fn let_loose(world: &World, id: &ElementId, script: &str) {
    let mut request = ExecRequest::new(["sh", "-c", script]);
    request.timeout = Duration::from_secs(2);
    // That it is cut off, or cannot even start, is as good.
    drop(world.containers.exec(id, request).await);
}

#[tokio::test]
async fn bombs_harm_only_their_own_container() {
    let world = World::new();
    let quiet = world.started(1).await.id;
    for (number, bomb) in [
        (2, "f() { f | f & }; f; while true; do f; done"),
        (3, "while true; do tail /dev/zero & done"),
        (
            4,
            "busybox dd if=/dev/zero of=/dev/shm/x bs=1M; busybox dd if=/dev/zero of=/dev/x bs=1M; tail /dev/zero",
        ),
        (5, "while true; do yes > /dev/null & done"),
        (6, "i=0; while true; do i=$((i+1)); : > /tmp/file$i; done"),
    ] {
        let id = world.started(number).await.id;
        let_loose(&world, &id, bomb).await;
        world.ok(&quiet, "true").await;
        let begin = Instant::now();
        world.containers.destroy(&id).await.unwrap_or_else(|e| panic!("{bomb}: {}", chain(&e)));
        assert!(begin.elapsed() < Duration::from_secs(20), "{bomb}: {:?}", begin.elapsed());
        assert_eq!(world.containers.observe(&id).await.expect("seen"), Observed::Absent, "{bomb}");
    }
}

#[tokio::test]
async fn memory_file_systems_count_as_memory() {
    let world = World::new();
    let id = world.started(1).await.id;
    let output = world
        .sh(
            &id,
            "for f in /dev/shm/x /dev/y; do busybox dd if=/dev/zero of=$f bs=1M count=200; done",
        )
        .await;
    assert_ne!(output.exit_code, Some(0), "{output:?}");
    let usage = world.containers.usage(&id).await.expect("read");
    assert!(usage.memory_bytes <= 64 << 20, "{usage:?}");
}

#[tokio::test]
async fn a_flood_of_output_is_bounded() {
    let world = World::new();
    let mut spec = world.spec(1);
    let argv = ["/bin/sh", "-c", "echo first; exec yes flood"].map(str::to_owned).to_vec();
    spec.main = Some(MainProcess { argv, cwd: "/".to_owned(), ..MainProcess::default() });
    world.containers.start(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    world.containers.configure(&spec.id, &NetworkSpec::default()).await.expect("configured");
    let size = async || -> u64 {
        world
            .ok(&spec.id, "busybox stat -c %s /.tomato/boot.log.1")
            .await
            .trim()
            .parse()
            .unwrap_or(0)
    };
    until("the first megabyte to be put aside", || async {
        world.sh(&spec.id, "ls /.tomato/boot.log.1").await.exit_code == Some(0)
    })
    .await;
    for _ in 0..5 {
        assert!(size().await <= 1 << 20);
        // Between putting one aside and making the next there is none.
        let now = world.ok(&spec.id, "busybox stat -c %s /.tomato/boot.log || echo 0").await;
        assert!(now.trim().parse::<u64>().expect("a number") <= 1 << 20, "{now}");
    }
    let files = fs::read_dir(upper_of(&world, &spec.id).join(".tomato")).expect("listed").count();
    assert!(files <= 3, "{files}");
}

fn upper_of(world: &World, id: &ElementId) -> PathBuf {
    world.host.state_dir.join("elements").join(id.as_str()).join("upper")
}

#[tokio::test]
async fn what_a_container_left_on_its_disk_does_not_harm_its_end_or_next_start() {
    let world = World::new();
    let spec = world.started(1).await;
    let name = "d".repeat(200);
    world.ok(&spec.id, &format!("cd /root; i=0; while [ $i -lt 300 ] && mkdir {name} && cd {name}; do i=$((i+1)); done; true")).await;
    // In the places of our own files.
    world
        .ok(&spec.id, "rm -f /.tomato/boot.log*; busybox mkfifo /.tomato/boot.log; rm -rf /tmp /dev/shm/*; ln -s /etc /tmp")
        .await;
    let disk = world.containers.disk(&spec.id).await.expect("measured");
    assert!(disk.bytes > 0);
    world.containers.stop(&spec.id, Duration::from_secs(1)).await.expect("stopped");
    let mut next = spec.clone();
    next.boot = ["/bin/sh", "-c", "echo booted"].map(str::to_owned).to_vec();
    world.containers.start(&next).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    world.containers.configure(&spec.id, &NetworkSpec::default()).await.expect("configured");
    world.ok(&spec.id, "true").await;
    world.containers.destroy(&spec.id).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert!(!upper_of(&world, &spec.id).exists());
}

#[tokio::test]
async fn limits_change_while_a_container_runs() {
    let world = World::new();
    let mut spec = world.started(1).await;
    let boot = world.ok(&spec.id, "cat /proc/1/stat").await;
    spec.memory_bytes = 128 << 20;
    spec.pids_max = 8;
    world.containers.set_limits(&spec).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    let output = world.sh(&spec.id, "for i in $(seq 20); do sleep 5 & done; wait").await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("fork"), "{output:?}");
    world.sh(&spec.id, "busybox dd if=/dev/zero of=/dev/shm/x bs=1M count=60").await;
    until("the start times to be the same", || async {
        world.sh(&spec.id, "cat /proc/1/stat").await.stdout.split(|b| *b == b' ').nth(21)
            == boot.as_bytes().split(|b| *b == b' ').nth(21)
    })
    .await;
    // What is in use is not taken away, and everything stays as it was.
    let group = PathBuf::from("tomato").join(world.host.lab.as_str()).join(spec.id.as_str());
    let memory = |name: &str| {
        let groups = cgroup_roots().into_iter().map(|root| root.join(&group));
        groups.filter_map(|group| fs::read_to_string(group.join(name)).ok()).next()
    };
    const LIMITS: [&str; 3] =
        ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max"];
    let before = LIMITS.map(memory);
    let mut less = spec.clone();
    less.memory_bytes = 16 << 20;
    let error = world.containers.set_limits(&less).await.expect_err("60 MiB are in use");
    assert!(chain(&error).contains("stopped and started"), "{}", chain(&error));
    assert_eq!(LIMITS.map(memory), before);
    world.ok(&spec.id, "rm /dev/shm/x").await;
    world.containers.set_limits(&less).await.unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_ne!(LIMITS.map(memory), before);
    let (id, other) = (spec.id.clone(), world.spec(9));
    world.containers.set_limits(&other).await.expect("one that does not run has none to change");
    world.containers.stop(&id, Duration::from_secs(1)).await.expect("stopped");
}
