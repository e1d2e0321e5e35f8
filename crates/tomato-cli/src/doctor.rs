//! `tomato doctor`.

use std::process::ExitCode;

use tomato_virt::doctor::{Finding, Options, Status, probe, worst};
use tomato_wire::process::default_workers;

use crate::args::{Doctor, Global, Output};
use crate::output;

/// Probes the host and says what was found; fails if no lab can run here.
pub(crate) fn doctor(global: &Global, doctor: &Doctor) -> ExitCode {
    let template_dir = doctor.template_dir.clone();
    let options = Options {
        data_dir: global.data_dir.clone(),
        template_dir: template_dir.unwrap_or_else(|| global.data_dir.join("templates")),
        kernel: None,
    };
    let mut findings = probe(&options);
    findings.push(data_path());
    if global.output == Output::Json {
        output::json(&findings);
    } else {
        for finding in &findings {
            let mark = match finding.status {
                Status::Ok => "ok  ",
                Status::Warn => "WARN",
                Status::Fail => "FAIL",
            };
            output::line(&format!("{mark} {}: {}", finding.name, finding.what));
            if let Some(remedy) = &finding.remedy {
                output::line(&format!("     remedy: {remedy}"));
            }
        }
        output::line(match worst(&findings) {
            Status::Ok => "\nThis machine can run a lab; everything works here.",
            Status::Warn => "\nThis machine can run a lab, with the limits above.",
            Status::Fail => "\nNo lab can run here until the failures above are remedied.",
        });
    }
    if worst(&findings) == Status::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// How many threads move frames here unless the lab is told otherwise.
fn data_path() -> Finding {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let what = match default_workers().get() {
        1 => format!("one thread moves all frames, of {processors} processors"),
        workers => format!("{workers} threads share the topologies, of {processors} processors"),
    };
    Finding { name: "data path".to_owned(), status: Status::Ok, what, remedy: None }
}
