//! Templates, which live on hosts.

use futures_util::StreamExt;
use serde_json::json;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{TemplateInfo, TemplateProgress};
use tomato_api::job::{Job, JobState, Progress};

use crate::app::job::JobHandle;
use crate::app::{Answer, App, Caller};
use crate::hostlink::ByteStream;

/// Bytes of one line of progress.
const LINE_BYTES_MAX: usize = 64 << 10;

impl App {
    /// The templates of the hosts.
    pub async fn template_list(&self) -> Answer<Vec<TemplateInfo>> {
        self.inner.host.get("/v1/templates").await
    }

    /// Imports a root file system as a template.
    pub async fn template_upload(
        &self,
        caller: &Caller,
        name: &str,
        label: Option<&str>,
        body: ByteStream,
    ) -> Answer<TemplateInfo> {
        caller.need_admin()?;
        check_name(name)?;
        let label: String = label.unwrap_or(name).bytes().map(escape).collect();
        let answer = self
            .inner
            .host
            .upload("PUT", &format!("/v1/templates/{name}?label={label}"), body)
            .await?;
        serde_json::from_slice(&answer)
            .map_err(|error| crate::app::internal("reading a host's answer", &error))
    }

    /// Begins to build or fetch a template.
    pub async fn template_ensure(&self, caller: &Caller, name: &str) -> Answer<Job> {
        check_name(name)?;
        let job = Job {
            id: crate::clock::job_id(),
            topology: None,
            account: caller.account.clone(),
            action: "template_ensure".to_owned(),
            state: JobState::Running,
            progress: Progress { done: 0, total: 100 },
            elements: std::collections::BTreeMap::new(),
            log: vec![format!("template {name}")],
            error: None,
            started_at: crate::clock::now_us(),
            ended_at: None,
        };
        let handle = self.job_begin(job.clone()).await?;
        let (app, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            let result = tokio::select! {
                result = app.template_follow(&handle, &name) => result,
                () = handle.cancelled() => Err(ApiError::new(ErrorCode::EntityBusy, "cancelled")),
            };
            app.job_finish(&handle, result.err()).await;
        });
        Ok(job)
    }

    /// Reads a host's progress lines to the end.
    async fn template_follow(&self, handle: &JobHandle, name: &str) -> Answer<()> {
        let mut stream =
            self.inner.host.stream("POST", &format!("/v1/templates/{name}/ensure")).await?;
        let mut pending: Vec<u8> = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| {
                ApiError::new(ErrorCode::HostError, format!("the host broke off: {error}"))
            })?;
            pending.extend_from_slice(&chunk);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                let Ok(progress) = serde_json::from_slice::<TemplateProgress>(&line) else {
                    continue;
                };
                if let Some(error) = progress.error {
                    return Err(error);
                }
                handle.update(|job| {
                    job.progress.done = progress.percent.map_or(job.progress.done, u64::from);
                    if job.log.last() != Some(&progress.message) {
                        crate::app::job::push_log(job, progress.message.clone());
                    }
                });
                if progress.done {
                    handle.update(|job| job.progress.done = job.progress.total);
                    return Ok(());
                }
            }
            if pending.len() > LINE_BYTES_MAX {
                break;
            }
        }
        Err(ApiError::new(
            ErrorCode::HostError,
            "the host broke off while making the template: try again",
        ))
    }
}

/// Names of templates are used in paths.
fn check_name(name: &str) -> Answer<()> {
    let is_fine = !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if is_fine {
        return Ok(());
    }
    let text = "name: template names are letters, digits, '-', '_' and '.'";
    Err(ApiError::new(ErrorCode::InvalidValue, text)
        .with(json!({"attribute": "name", "value": name})))
}

/// A byte for use in a query.
pub(crate) fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}
