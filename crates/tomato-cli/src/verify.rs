//! `tomato verify`: checks a capture without a lab.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;
use tomato_wire::verify::{DirectionReport, Report, verify};

use crate::args::Output;
use crate::output;

/// Makes every verdict again and says where the capture differs.
pub(crate) fn run(capture: &Path, form: Output) -> anyhow::Result<ExitCode> {
    let file = File::open(capture).with_context(|| format!("cannot open {}", capture.display()))?;
    let report = verify(BufReader::new(file))
        .with_context(|| format!("cannot check {}", capture.display()))?;
    match form {
        Output::Json => output::json(&as_json(&report)),
        Output::Text => lines(&report).iter().for_each(|line| output::line(line)),
    }
    Ok(if report.agrees() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for direction in report.directions.iter().filter(|direction| !direction.name.is_empty()) {
        let DirectionReport { name, replayed, drawn, confirmed, unjudged, wrong, .. } = direction;
        lines.push(if direction.has_ingress {
            format!("{name}: {replayed} packets made again, {confirmed} ends confirmed")
        } else {
            format!(
                "{name}: {drawn} packets judged by their draws alone; what came in is not recorded, so \
                 queue, rate, delay and losses with memory are not"
            )
        });
        if *unjudged > 0 || !direction.reasons.is_empty() {
            lines.push(format!("  not judged: {unjudged} ({})", direction.reasons.join("; ")));
        }
        lines.extend(direction.disagreements.iter().map(|what| format!("  wrong: {what}")));
        let told = u64::try_from(direction.disagreements.len()).unwrap_or(u64::MAX);
        if *wrong > told {
            lines.push(format!("  and {} more", wrong - told));
        }
    }
    if report.missing > 0 {
        lines.push(format!("{} records are missing in the capture", report.missing));
    }
    lines.push(
        match (report.agrees(), report.directions.iter().any(|direction| direction.wrong > 0)) {
            (true, _) => "agrees",
            (false, true) => "does not agree",
            (false, false) => "nothing could be judged",
        }
        .to_owned(),
    );
    lines
}

fn as_json(report: &Report) -> serde_json::Value {
    let direction = |direction: &DirectionReport| {
        json!({
            "name": direction.name,
            "has_ingress": direction.has_ingress,
            "replayed": direction.replayed,
            "drawn": direction.drawn,
            "confirmed": direction.confirmed,
            "unjudged": direction.unjudged,
            "reasons": direction.reasons,
            "wrong": direction.wrong,
            "disagreements": direction.disagreements,
        })
    };
    json!({
        "agrees": report.agrees(),
        "missing": report.missing,
        "directions": report.directions.iter().map(direction).collect::<Vec<_>>(),
    })
}
