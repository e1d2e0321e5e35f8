//! `tomato doctor`.

use std::process::ExitCode;

use tomato_virt::doctor::{Options, Status, probe, worst};

use crate::args::{Doctor, Global, Output};
use crate::lab::Lab;
use crate::output;

/// Probes the host and says what was found; fails if no lab can run here.
pub(crate) fn doctor(global: &Global, doctor: &Doctor) -> ExitCode {
    // a lab that is there keeps its templates where it was told to
    let lab = || Lab::load(&global.data_dir).ok().flatten().map(|lab| lab.template_dir);
    let template_dir = doctor.template_dir.clone().or_else(lab);
    let options = Options {
        data_dir: global.data_dir.clone(),
        template_dir: template_dir.unwrap_or_else(|| global.data_dir.join("templates")),
        kernel: None,
    };
    let findings = probe(&options);
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
