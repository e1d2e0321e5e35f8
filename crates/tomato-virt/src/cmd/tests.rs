use std::time::{Duration, Instant};

use super::{Cmd, CmdError, Stream, Streams};

fn sh(script: &str) -> Cmd {
    Cmd::new("/bin/sh").args(["-c", script])
}

#[test]
fn gives_output_and_status() {
    let output = sh("echo out; echo err >&2; exit 3").any_status().run().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!((output.stdout_text(), output.stderr_text()), ("out\n".into(), "err\n".into()));
    assert!(!output.truncated);
}

#[test]
fn a_bad_status_is_an_error_with_the_end_of_stderr() {
    let error = sh("echo why >&2; exit 3").run().unwrap_err();
    assert_eq!(error.to_string(), "/bin/sh failed with exit code 3: why");
    let error = sh("kill -9 $$").run().unwrap_err();
    assert_eq!(error.to_string(), "/bin/sh failed with signal 9");
}

#[test]
fn a_missing_program_is_named() {
    let error = Cmd::new("no-such-program-here").run().unwrap_err();
    assert!(matches!(error, CmdError::Find { .. }), "{error:?}");
    let error = Cmd::new("/bin/sh").dir("/no/such/dir").run().unwrap_err();
    assert!(matches!(error, CmdError::Start { .. }), "{error:?}");
}

#[test]
fn large_input_and_output_pass_without_a_deadlock() {
    let input = vec![b'x'; 3 << 20];
    let output = Cmd::new("cat").stdin(input.clone()).run().unwrap();
    assert!(output.stdout == input);
    let output = Cmd::new("cat").stdin(input).output_bytes(1000).run().unwrap();
    assert!(output.truncated);
    assert_eq!(output.stdout.len(), 1000);
}

#[test]
fn a_program_that_does_not_read_its_input_is_no_error() {
    sh("exec 0<&-; true").stdin(vec![b'x'; 1 << 20]).run().unwrap();
}

#[test]
fn the_deadline_kills_the_whole_group() {
    let started = Instant::now();
    let error = sh("sleep 98 & echo $! >&2; sleep 98; true")
        .deadline(Duration::from_millis(300))
        .run()
        .unwrap_err();
    let CmdError::Deadline { stderr, .. } = error else { panic!("{error:?}") };
    assert!(started.elapsed() < Duration::from_secs(20));
    let stat = format!("/proc/{}/stat", stderr.trim());
    let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z"));
    let limit = Instant::now() + Duration::from_secs(10);
    while !gone() {
        assert!(Instant::now() < limit, "the background child lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_background_child_does_not_hold_up_the_end() {
    let started = Instant::now();
    let output = sh("sleep 97 & echo $!").run().unwrap();
    assert!(started.elapsed() < Duration::from_secs(30));
    let pid: i32 = output.stdout_text().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn lines_arrive_with_their_stream() {
    let mut lines = Vec::new();
    sh("printf 'a\\nb\\rc'; printf 'e\\n' >&2")
        .lines(|stream, line| lines.push((stream, line.to_owned())))
        .unwrap();
    lines.sort_by(|a, b| a.1.cmp(&b.1));
    let out = |line: &str| (Stream::Stdout, line.to_owned());
    assert_eq!(lines, [out("a"), out("b"), out("c"), (Stream::Stderr, "e".to_owned())]);
}

#[test]
fn environment_can_be_cleared() {
    let output = Cmd::new("/usr/bin/env").clear_env().env("A", "b").run().unwrap();
    assert_eq!(output.stdout_text(), "A=b\n");
}

#[test]
fn data_of_any_size_streams_through_within_its_bounds() {
    let input = vec![b'x'; 5 << 20];
    let stream = |cmd: Cmd, output: &mut Vec<u8>, output_max: u64| {
        let mut input = input.as_slice();
        cmd.stream(Streams { input: &mut input, output, output_max, cancelled: None })
    };
    let mut output = Vec::new();
    stream(Cmd::new("cat"), &mut output, u64::MAX).unwrap();
    assert!(output == input);
    let error = stream(Cmd::new("cat"), &mut Vec::new(), 1 << 20).unwrap_err();
    assert!(matches!(error, CmdError::TooMuch { limit_bytes: 1_048_576, .. }), "{error:?}");
    let error = stream(sh("echo why >&2; exit 3"), &mut Vec::new(), 0).unwrap_err();
    assert!(error.to_string().ends_with("why"), "{error}");
    let endless = sh("yes & wait").deadline(Duration::from_millis(300));
    let error = stream(endless, &mut Vec::new(), u64::MAX).unwrap_err();
    assert!(matches!(error, CmdError::Deadline { .. }), "{error:?}");
}

#[test]
fn a_stream_ends_when_its_caller_goes_away_or_breaks() {
    let (cancelled, caller) = std::io::pipe().unwrap();
    drop(caller);
    let begun = Instant::now();
    let error = Cmd::new("sleep")
        .arg("1000")
        .stream(Streams {
            input: &mut std::io::empty(),
            output: &mut std::io::sink(),
            output_max: 0,
            cancelled: Some(cancelled.into()),
        })
        .unwrap_err();
    assert!(matches!(error, CmdError::Cancelled { .. }), "{error:?}");
    let mut full = [0u8; 10];
    let error = Cmd::new("yes")
        .stream(Streams {
            input: &mut std::io::empty(),
            output: &mut full.as_mut_slice(),
            output_max: u64::MAX,
            cancelled: None,
        })
        .unwrap_err();
    assert!(matches!(error, CmdError::Data { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(100));
}

#[test]
fn a_full_pipe_does_not_keep_from_the_deadline() {
    // Several write small pieces, so that there is always something to read.
    let writers =
        sh("for i in 1 2 3 4; do yes >&2 & done; wait").deadline(Duration::from_millis(300));
    let error = writers.run().unwrap_err();
    assert!(matches!(error, CmdError::Deadline { .. }), "{error:?}");
}
