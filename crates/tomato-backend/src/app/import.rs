//! Topology files in and out.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::MutexGuard;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::request::{ImportAnswer, PlanStep};
use tomato_model::file::{self, Diagnostic, TopologyFile};
use tomato_model::graph::Graph;
use tomato_model::id::TopologyId;
use tomato_model::original::import::Known;
use tomato_model::original::{self, OriginalError};
use tomato_model::plan::{self, Plan};
use tomato_model::role::Role;
use tomato_model::topology::Topology;

use crate::app::commit::edit_error;
use crate::app::profile::check_given;
use crate::app::share::apart;
use crate::app::slot::Part;
use crate::app::topology::check_name;
use crate::app::{Answer, App, Caller, internal};
use crate::clock::SystemIds;

/// Forms of a topology file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileFormat {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
    /// The original's, version 5.
    Original,
}

/// How a file is imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportMode {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Change the topology of that name instead of creating one.
    pub update: bool,
    /// Name of the topology, in place of the one that the file gives.
    pub name: Option<String>,
}

impl App {
    /// The topology as a file.
    pub async fn topology_export(
        &self,
        caller: &Caller,
        id: &TopologyId,
        format: FileFormat,
    ) -> Answer<String> {
        let graph = self.view(caller, Part::Topology(id), Role::User).await?;
        let file = file::export(&graph);
        let text = match format {
            FileFormat::Yaml => file.to_yaml(),
            FileFormat::Json => file.to_json(),
            FileFormat::Original => return Ok(original::export::file(&graph).to_string()),
        };
        text.map_err(|error| internal("writing a topology file", &error))
    }

    /// Reads a file and does, or only plans, what it says.
    pub async fn topology_import(
        &self,
        caller: &Caller,
        text: &str,
        mode: &ImportMode,
    ) -> Answer<ImportAnswer> {
        let _place = self.inner.shares.imports.place(caller).await?;
        let owned = text.to_owned();
        let read = move || match original::import::recognise(&owned) {
            Some(data) => Ok(Read::Original(data)),
            None => file::parse(&owned).map(Read::Own),
        };
        let mut file = match apart(read).await?.map_err(|found| refused(&found))? {
            Read::Original(data) => return self.original_import(caller, data, mode).await,
            Read::Own(file) => file,
        };
        self.check_names(&file).await?;
        file.name = match mode.name.clone().or_else(|| file.name.take()) {
            Some(name) => Some(check_name(name)?),
            None => {
                let text = "name: is missing; add a line like `name: campus` to the file";
                return Err(ApiError::new(ErrorCode::InvalidConfiguration, text)
                    .with(json!({"attribute": "name"})));
            }
        };
        let creating = self.inner.imports.lock().await;
        if let Some(name) = file.name.as_deref().filter(|_| !mode.update) {
            self.need_new_name(caller, name).await?;
        }
        self.file_import(caller, Arc::new(file), mode, creating).await
    }

    /// Reads one of the original's files. One that shall change a topology goes by the native form of what it says.
    async fn original_import(
        &self,
        caller: &Caller,
        data: Value,
        mode: &ImportMode,
    ) -> Answer<ImportAnswer> {
        let templates = self.template_list().await.ok();
        let known = Known {
            templates: templates.map(|list| list.into_iter().map(|info| info.name).collect()),
            profiles: Some(self.profiles().keys().cloned().collect()),
        };
        let account = caller.account.clone();
        let import = move || original::import::import(&data, &account, &known, &mut SystemIds);
        let mut made = apart(import).await?.map_err(original_error)?;
        if let Some(name) = mode.name.clone() {
            made.graph.topology.name = check_name(name)?;
        }
        let creating = self.inner.imports.lock().await;
        let existing = match mode.update {
            true => self.by_name(caller, &made.graph.topology.name).await?,
            false => None,
        };
        let file = Arc::new(file::export(&made.graph));
        let answer = if mode.dry_run || existing.is_some() {
            self.file_import(caller, file, mode, creating).await?
        } else {
            crate::app::topology::may_create(caller)?;
            self.need_place(caller).await?;
            let plan = apart(planner(caller, file, None)).await??;
            let topology = Some(made.graph.topology.id.clone());
            check_given(caller, &self.profiles(), None, &made.graph)?;
            self.commit_new(made.graph).await?;
            drop(creating);
            ImportAnswer { topology, plan: shown(&plan), original: None }
        };
        Ok(ImportAnswer { original: Some(made.report), ..answer })
    }

    /// Does what a file says; nobody else looks for its name or makes a topology while `creating` is held.
    async fn file_import(
        &self,
        caller: &Caller,
        file: Arc<TopologyFile>,
        mode: &ImportMode,
        creating: MutexGuard<'_, ()>,
    ) -> Answer<ImportAnswer> {
        let existing = match &file.name {
            Some(name) if mode.update => self.by_name(caller, name).await?,
            _ => None,
        };
        let Some(id) = existing else {
            crate::app::topology::may_create(caller)?;
            self.need_place(caller).await?;
            let plan = apart(planner(caller, file, None)).await??;
            check_given(caller, &self.profiles(), None, &plan.graph)?;
            let steps = shown(&plan);
            let id = plan.graph.topology.id.clone();
            if mode.dry_run {
                return Ok(ImportAnswer { topology: None, plan: steps, original: None });
            }
            self.commit_new(plan.graph).await?;
            return Ok(ImportAnswer { topology: Some(id), plan: steps, original: None });
        };
        // the wait for the host is nobody else's
        drop(creating);
        if mode.dry_run {
            let graph = self.view(caller, Part::Topology(&id), Role::Manager).await?;
            let plan = apart(planner(caller, file, Some(Arc::clone(&graph)))).await??;
            check_given(caller, &self.profiles(), Some(&graph), &plan.graph)?;
            return Ok(ImportAnswer { topology: Some(id), plan: shown(&plan), original: None });
        }
        let account = caller.account.clone();
        let make = move |graph: &Graph| {
            let plan = planned(Some(graph), &file, &account)?;
            let steps = shown(&plan);
            Ok((plan.graph, steps))
        };
        let steps = self.remake_live(caller, Part::Topology(&id), Role::Manager, make).await?;
        Ok(ImportAnswer { topology: Some(id), plan: steps, original: None })
    }

    /// Refuses a file that names profiles or templates which are not there. Without a host nobody knows of templates; then an
    /// unknown one is refused when its element is prepared.
    async fn check_names(&self, file: &TopologyFile) -> Answer<()> {
        let profiles = self.profiles();
        let profiles: Vec<&str> = profiles.keys().map(String::as_str).collect();
        let names_any = file.elements.values().any(|element| element.template.is_some());
        let templates = if names_any && self.inner.host.is_connected() {
            let mut known = self.template_list().await?;
            known.sort_by(|a, b| a.name.cmp(&b.name));
            Some(known)
        } else {
            None
        };
        let templates: Option<Vec<&str>> =
            templates.as_ref().map(|known| known.iter().map(|t| t.name.as_str()).collect());
        let found = file.check_names(&profiles, templates.as_deref());
        if found.is_empty() { Ok(()) } else { Err(refused(&found)) }
    }

    /// Refuses a name that a topology of the caller has.
    pub(crate) async fn need_new_name(&self, caller: &Caller, name: &str) -> Answer<()> {
        let list = self.topology_list(caller).await?;
        let is_own = |t: &&Topology| t.roles.get(&caller.account) == Some(&Role::Owner);
        if !list.iter().filter(is_own).any(|topology| topology.name == name) {
            return Ok(());
        }
        let text = format!(
            "you have a topology named {name:?}: use another name, or import with update=true (`tomato start FILE`) to change it"
        );
        Err(ApiError::new(ErrorCode::AlreadyExists, text)
            .with(json!({"attribute": "name", "value": name})))
    }

    async fn by_name(&self, caller: &Caller, name: &str) -> Answer<Option<TopologyId>> {
        let mut found = self.topology_list(caller).await?;
        found.retain(|topology| topology.name == name);
        if found.len() > 1 {
            let text = format!("{} topologies are named {name:?}: rename all but one", found.len());
            return Err(ApiError::new(ErrorCode::Ambiguous, text));
        }
        Ok(found.pop().map(|topology| topology.id))
    }
}

/// A file that was read.
enum Read {
    Own(TopologyFile),
    Original(Value),
}

fn planned(current: Option<&Graph>, file: &TopologyFile, account: &str) -> Answer<Plan> {
    plan::plan(current, file, account, &mut SystemIds).map_err(|found| refused(&found))
}

/// Planning, to be done on another thread.
fn planner(
    caller: &Caller,
    file: Arc<TopologyFile>,
    current: Option<Arc<Graph>>,
) -> impl FnOnce() -> Answer<Plan> + Send + 'static {
    let account = caller.account.clone();
    move || planned(current.as_deref(), &file, &account)
}

/// What cannot be taken over from the original, in the words of the interface.
#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(crate) fn original_error(error: OriginalError) -> ApiError {
    let text = error.to_string();
    let (code, data) = match error {
        OriginalError::InvalidValue { attribute, value, .. } => {
            (ErrorCode::InvalidValue, json!({"attribute": attribute, "value": value}))
        }
        OriginalError::UnknownAttribute { attribute }
        | OriginalError::FixedAttribute { attribute, .. } => {
            (ErrorCode::UnsupportedAttribute, json!({"attribute": attribute}))
        }
        OriginalError::UnknownType { type_name } => {
            (ErrorCode::EntityDoesNotExist, json!({"entity": "element_type", "id": type_name}))
        }
        OriginalError::Missing { entity, id } => {
            (ErrorCode::EntityDoesNotExist, json!({"entity": entity, "id": id}))
        }
        OriginalError::Inconsistent(_) => (ErrorCode::InvalidConfiguration, json!({})),
        OriginalError::Edit(error) => return edit_error(error),
    };
    ApiError::new(code, text).with(data)
}

fn shown(plan: &Plan) -> Vec<PlanStep> {
    let step = |step: &plan::Step| PlanStep {
        text: step.text.clone(),
        object: step.object.clone(),
        change: format!("{:?}", step.change).to_lowercase(),
    };
    plan.steps.iter().map(step).collect()
}

fn refused(found: &[Diagnostic]) -> ApiError {
    let first = found.first().map_or_else(
        || "the file cannot be used".to_owned(),
        |d| {
            format!("line {}, column {}: {}: {}; {}", d.line, d.column, d.path, d.message, d.remedy)
        },
    );
    let all: Vec<_> = found
        .iter()
        .map(|d| json!({"line": d.line, "column": d.column, "path": d.path, "message": d.message, "remedy": d.remedy}))
        .collect();
    ApiError::new(ErrorCode::InvalidConfiguration, first).with(json!({"diagnostics": all}))
}
