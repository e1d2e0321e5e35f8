//! Following a job to its end, with a bar on a terminal and lines elsewhere.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use tomato_api::job::{Job, JobState};

use crate::args::Output;
use crate::client::Client;
use crate::exit::CliError;
use crate::{limits, output};

/// Waits for the end of a job; a job that did not reach its goal is an error. An interrupt cancels it.
pub(crate) async fn follow(client: &Client, job: Job, form: Output) -> anyhow::Result<Job> {
    let path = format!("/jobs/{}", job.id);
    let mut view = View::new(&job);
    let mut job = job;
    let mut cancelled = false;
    while !job.is_over() {
        view.show(&job);
        tokio::select! {
            () = tokio::time::sleep(limits::JOB_POLL) => {}
            interrupt = tokio::signal::ctrl_c(), if !cancelled => {
                interrupt?;
                cancelled = true;
                eprintln!("cancelling");
                client.act::<serde_json::Value>(Method::DELETE, &path).await?;
            }
        }
        job = client.poll(&path).await?;
    }
    view.show(&job);
    view.end();
    if form == Output::Json {
        output::json(&job);
    }
    verdict(&job)?;
    Ok(job)
}

fn verdict(job: &Job) -> Result<(), CliError> {
    let state = match job.state {
        JobState::Done => return Ok(()),
        JobState::Cancelled => "was cancelled",
        JobState::Failed | JobState::Running => "failed",
    };
    let mut errors: Vec<String> = job
        .elements
        .values()
        .filter_map(|part| Some(format!("{}: {}", part.name, part.error.as_ref()?.message)))
        .collect();
    if errors.is_empty() {
        let whole = job.error.as_ref().map(|error| error.message.clone());
        errors.push(whole.unwrap_or_else(|| "no reason was given".to_owned()));
    }
    Err(CliError::Job {
        action: job.action.clone(),
        state: state.to_owned(),
        message: errors.join("; "),
    })
}

/// What is shown of a job in work.
struct View {
    bar: Option<ProgressBar>,
    /// Lines that were written; each is written once.
    told: BTreeSet<String>,
}

impl View {
    fn new(job: &Job) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(job.progress.total);
            if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(job.action.clone());
            bar
        });
        Self { bar, told: BTreeSet::new() }
    }

    fn show(&mut self, job: &Job) {
        if let Some(bar) = &self.bar {
            bar.set_length(job.progress.total);
            bar.set_position(job.progress.done);
            let doing = job.elements.values().find_map(|part| {
                part.doing.as_ref().map(|doing| format!("{}: {doing}", part.name))
            });
            bar.set_message(doing.or_else(|| job.log.last().cloned()).unwrap_or_default());
            return;
        }
        let doing = job.elements.values();
        let doing =
            doing.filter_map(|part| Some(format!("{}: {}", part.name, part.doing.as_ref()?)));
        for line in job.log.iter().cloned().chain(doing) {
            if self.told.insert(line.clone()) {
                eprintln!("{line}");
            }
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
