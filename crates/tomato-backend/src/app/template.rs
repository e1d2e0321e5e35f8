//! Templates, which live on hosts.

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tomato_api::address::escaped;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{TemplateInfo, TemplateProgress};
use tomato_api::job::{Job, JobState, Progress};
use tomato_api::request::TemplatePull;

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

    /// Imports a root file system or an image's layout as a template; `label` and `format` as the operation says.
    pub async fn template_upload(
        &self,
        caller: &Caller,
        name: &str,
        (label, format): (Option<&str>, Option<String>),
        body: ByteStream,
    ) -> Answer<TemplateInfo> {
        caller.need_admin()?;
        check_name(name)?;
        let label = escaped(label.unwrap_or(name));
        let format = format.as_deref().unwrap_or("rootfs");
        if !matches!(format, "rootfs" | "oci") {
            let text = format!("format {format:?} is not known: use rootfs or oci");
            let error = ApiError::new(ErrorCode::InvalidValue, text);
            return Err(error.with(json!({"attribute": "format", "value": format})));
        }
        let path = format!("/v1/templates/{name}?label={label}&format={format}");
        let answer = self.inner.host.upload("PUT", &path, body).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| crate::app::internal("reading a host's answer", &error))
    }

    /// Begins to build or fetch a template.
    pub async fn template_ensure(&self, caller: &Caller, name: &str) -> Answer<Job> {
        check_name(name)?;
        let work = (format!("/v1/templates/{name}/ensure"), Bytes::new());
        self.template_job(caller, "template_ensure", format!("template {name}"), work).await
    }

    /// Begins to import an image from a registry.
    pub async fn template_pull(
        &self,
        caller: &Caller,
        name: &str,
        pull: TemplatePull,
    ) -> Answer<Job> {
        caller.need_admin()?;
        check_name(name)?;
        check_login(&pull)?;
        let label = pull.label.or_else(|| Some(name.to_owned()));
        let title = format!("template {name} from {}", pull.reference);
        let body = serde_json::to_vec(&TemplatePull { label, ..pull })
            .map_err(|error| crate::app::internal("writing a request to the host", &error))?;
        let work = (format!("/v1/templates/{name}/pull"), body.into());
        self.template_job(caller, "template_pull", title, work).await
    }

    /// Begins a job that follows a host's progress lines; `work` is where it is asked for them, and with what.
    async fn template_job(
        &self,
        caller: &Caller,
        action: &str,
        title: String,
        work: (String, Bytes),
    ) -> Answer<Job> {
        let job = Job {
            id: crate::clock::job_id(),
            topology: None,
            account: caller.account.clone(),
            action: action.to_owned(),
            state: JobState::Running,
            progress: Progress { done: 0, total: 100 },
            elements: std::collections::BTreeMap::new(),
            log: vec![title],
            error: None,
            started_at: crate::clock::now_us(),
            ended_at: None,
        };
        let handle = self.job_begin(job.clone()).await?;
        let app = self.clone();
        tokio::spawn(async move {
            let result = tokio::select! {
                result = app.template_follow(&handle, work) => result,
                () = handle.cancelled() => Err(ApiError::new(ErrorCode::EntityBusy, "cancelled")),
            };
            app.job_finish(&handle, result.err()).await;
        });
        Ok(job)
    }

    /// Reads a host's progress lines to the end.
    async fn template_follow(
        &self,
        handle: &JobHandle,
        (path, body): (String, Bytes),
    ) -> Answer<()> {
        let mut stream = self.inner.host.stream("POST", &path, body).await?;
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

/// A login is whole, and can be sent in one header.
fn check_login(pull: &TemplatePull) -> Answer<()> {
    let wrong = |field: &str, text: &str| {
        let error = ApiError::new(ErrorCode::InvalidValue, format!("{field}: {text}"));
        Err(error.with(json!({"attribute": field})))
    };
    match (&pull.user, &pull.password) {
        (Some(user), _) if user.is_empty() || user.contains(':') => {
            wrong("user", "the account at the registry has a name without ':'")
        }
        (Some(_), None) => wrong("password", "give the password of the account at the registry"),
        (None, Some(_)) => {
            wrong("user", "name the account at the registry that the password is of")
        }
        _ => Ok(()),
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
