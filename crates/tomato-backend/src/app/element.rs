//! Elements.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use tomato_api::address::escaped;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{ExecAnswer, ExecCall, FileHeld};
use tomato_api::job::Job;
use tomato_api::request::ElementCreate;
use tomato_api::switch::SwitchView;
use tomato_api::usage::ElementUsage;
use tomato_model::edit::{self, ElementPatch, NewElement};
use tomato_model::flag::Flag;
use tomato_model::graph::Graph;
use tomato_model::id::ElementId;
use tomato_model::kind::Kind;
use tomato_model::lifecycle::{Action, State};
use tomato_model::role::Role;
use tomato_model::topology::Element;

use crate::app::commit::edit_error;
use crate::app::share::placed;
use crate::app::slot::Part;
use crate::app::topology::check_revision;
use crate::app::{Answer, App, Caller, not_found, read};
use crate::clock::SystemIds;
use crate::hostlink::ByteStream;
use crate::limits::{EXEC_DEFAULT, EXEC_GRACE, HOST_RECOVERY};

/// Template of a container that names none.
pub const DEFAULT_TEMPLATE: &str = "debian-12";

impl App {
    /// Adds an element.
    pub async fn element_create(&self, caller: &Caller, args: ElementCreate) -> Answer<Element> {
        let mut patch: ElementPatch = read(Value::Object(args.attributes))?;
        if patch.name.is_none() {
            patch.name = args.name;
        }
        if args.kind == Kind::Container && patch.template.is_none() {
            patch.template = Some(DEFAULT_TEMPLATE.to_owned());
        }
        self.edit_live(caller, Part::Topology(&args.topology), Role::Manager, |graph| {
            let new = NewElement { kind: args.kind, type_name: args.type_name, set: patch };
            let id = edit::add_element(graph, &mut SystemIds, &new).map_err(edit_error)?;
            found(graph, &id)
        })
        .await
    }

    /// An element.
    pub async fn element_info(&self, caller: &Caller, id: &ElementId) -> Answer<Element> {
        self.peek(caller, Part::Element(id), Role::User, |graph| found(graph, id)).await
    }

    /// Changes an element.
    pub async fn element_modify(
        &self,
        caller: &Caller,
        id: &ElementId,
        patch: ElementPatch,
        expected: Option<u64>,
    ) -> Answer<Element> {
        self.edit_live(caller, Part::Element(id), Role::Manager, |graph| {
            let current = found(graph, id)?;
            check_revision(expected, current.revision, &current)?;
            edit::modify_element(graph, id, &patch).map_err(edit_error)?;
            found(graph, id)
        })
        .await
    }

    /// Removes an element of which nothing is on a host, with its connections.
    pub async fn element_remove(&self, caller: &Caller, id: &ElementId) -> Answer<()> {
        self.edit_live(caller, Part::Element(id), Role::Manager, |graph| {
            let element = found(graph, id)?;
            if element.state != State::Created || element.wanted != State::Created {
                let text =
                    format!("element {} is not in state created: destroy it first", element.name);
                return Err(
                    ApiError::new(ErrorCode::InvalidState, text).with(json!({"element": id}))
                );
            }
            edit::remove_element(graph, id).map_err(edit_error)?;
            Ok(())
        })
        .await
    }

    /// Begins an action on one element.
    pub async fn element_action(
        &self,
        caller: &Caller,
        id: &ElementId,
        action: Action,
    ) -> Answer<Job> {
        // before anyone waits: who may not do it learns it at once
        self.peek(caller, Part::Element(id), Role::Manager, |graph| {
            self.may_act(caller, &graph.topology, action)
        })
        .await?;
        self.reported(Part::Element(id)).await?;
        self.with_slot(caller, Part::Element(id), Role::Manager, async |slot, state| {
            let element = found(&state.graph, id)?;
            if matches!(action, Action::Prepare | Action::Start) {
                need_offered(&element)?;
            }
            if crate::app::run::target(&element, action).is_none() {
                let text = format!(
                    "element {} is {:?}: it cannot {action:?} now",
                    element.name, element.state
                )
                .to_lowercase();
                return Err(ApiError::new(ErrorCode::InvalidState, text)
                    .with(json!({"element": id, "state": element.state})));
            }
            self.begin(caller, Arc::clone(slot), state, action, vec![id.clone()]).await
        })
        .await
    }

    /// The element as it is once it runs, cannot run, or [`HOST_RECOVERY`] is over: a call during a start or a recovery waits.
    async fn element_running(&self, caller: &Caller, id: &ElementId) -> Answer<Element> {
        let until = tokio::time::Instant::now() + HOST_RECOVERY;
        let mut observed = self.observed(Part::Element(id))?;
        loop {
            observed.mark_unchanged();
            let element = self.element_info(caller, id).await?;
            need_container(&element)?;
            let is_coming = element.wanted == State::Started && element.error.is_none();
            if element.state == State::Started || !is_coming {
                return Ok(element);
            }
            if !matches!(tokio::time::timeout_at(until, observed.changed()).await, Ok(Ok(()))) {
                return Ok(element);
            }
        }
    }

    /// Runs a command in a started container.
    pub async fn element_exec(
        &self,
        caller: &Caller,
        id: &ElementId,
        call: ExecCall,
    ) -> Answer<ExecAnswer> {
        need_started(&self.element_running(caller, id).await?)?;
        if call.argv.is_empty() {
            return Err(ApiError::new(
                ErrorCode::InvalidValue,
                "argv: names no program: give at least one word",
            ));
        }
        let _place = self.inner.shares.commands.place(caller).await?;
        let own = call.timeout_ms.map_or(EXEC_DEFAULT, std::time::Duration::from_millis);
        let body = Bytes::from(json!(call).to_string());
        let path = format!("/v1/elements/{id}/exec");
        self.inner.host.call("POST", &path, body, own + EXEC_GRACE).await
    }

    /// A file or folder as tar, with the host's headers; `from` are the bytes that are there already and the version they are of.
    pub async fn file_download(
        &self,
        caller: &Caller,
        id: &ElementId,
        path: &str,
        from: (u64, Option<&str>),
    ) -> Answer<(HeaderMap, ByteStream)> {
        caller.need_use()?;
        need_container(&self.element_info(caller, id).await?)?;
        let (offset, version) = from;
        let mut url = format!("/v1/elements/{id}/files?path={}&offset={offset}", escaped(path));
        if let Some(version) = version {
            url += &format!("&version={}", escaped(version));
        }
        let place = self.inner.shares.copies.place(caller).await?;
        let (told, bytes) = self.inner.host.download_with(&url).await?;
        Ok((told, placed(bytes, place)))
    }

    /// Unpacks a tar; one that goes on has a name and what is held of it.
    pub async fn file_upload(
        &self,
        caller: &Caller,
        id: &ElementId,
        path: &str,
        part: Option<(&str, u64)>,
        body: ByteStream,
    ) -> Answer<()> {
        caller.need_without(Flag::OverQuota, "it may not upload anything")?;
        need_container(&self.element_info(caller, id).await?)?;
        let _place = self.inner.shares.copies.place(caller).await?;
        let mut url = format!("/v1/elements/{id}/files?path={}", escaped(path));
        if let Some((name, offset)) = part {
            url += &format!("&part={}&offset={offset}", escaped(name));
            return self.inner.host.upload_part(&url, body).await.map(drop);
        }
        self.inner.host.upload("PUT", &url, body).await.map(drop)
    }

    /// How much is held of an upload that broke off.
    pub async fn file_held(&self, caller: &Caller, id: &ElementId, part: &str) -> Answer<FileHeld> {
        caller.need_use()?;
        need_container(&self.element_info(caller, id).await?)?;
        let url = format!("/v1/elements/{id}/files/held?part={}", escaped(part));
        self.inner.host.get(&url).await
    }

    /// What an element used in the last hour.
    pub async fn element_usage(&self, caller: &Caller, id: &ElementId) -> Answer<ElementUsage> {
        self.element_info(caller, id).await?;
        self.inner.host.get(&format!("/v1/elements/{id}/usage")).await
    }

    /// What a running switch or hub knows and counted.
    pub async fn element_switch(&self, caller: &Caller, id: &ElementId) -> Answer<SwitchView> {
        let element = self.element_info(caller, id).await?;
        if element.kind.is_device() {
            let text = format!("element {} is a {}, no switch or hub", element.name, element.kind);
            let error = ApiError::new(ErrorCode::UnsupportedAction, text);
            return Err(error.with(json!({"element": element.id})));
        }
        need_running(&element)?;
        self.inner.host.get(&format!("/v1/elements/{id}/switch")).await
    }

    /// Opens the terminal of a started container: streams of [`tomato_api::console::Frame`]s in both directions.
    pub async fn element_console(
        &self,
        caller: &Caller,
        id: &ElementId,
        is_view: bool,
        input: ByteStream,
    ) -> Answer<ByteStream> {
        need_started(&self.element_running(caller, id).await?)?;
        self.inner.host.duplex(&format!("/v1/elements/{id}/console?view={is_view}"), input).await
    }
}

/// A copy of the element.
pub(crate) fn found(graph: &Graph, id: &ElementId) -> Answer<Element> {
    graph.element(id).cloned().ok_or_else(|| not_found("element", id.as_str()))
}

/// Refuses elements that only stand for a kind that is not offered.
pub(crate) fn need_offered(element: &Element) -> Answer<()> {
    if element.kind.is_offered() {
        return Ok(());
    }
    let text = format!(
        "element {} is a {}, which is not offered yet: remove it or put a container in its place",
        element.name, element.type_name
    );
    Err(ApiError::new(ErrorCode::UnsupportedType, text)
        .with(json!({"element": element.id, "type": element.type_name})))
}

/// Refuses elements in which nothing runs now.
pub(crate) fn need_started(element: &Element) -> Answer<()> {
    need_container(element)?;
    need_running(element)
}

fn need_running(element: &Element) -> Answer<()> {
    if element.state == State::Started {
        return Ok(());
    }
    let text = format!("element {} is not started: start it first", element.name);
    Err(ApiError::new(ErrorCode::InvalidState, text)
        .with(json!({"element": element.id, "state": element.state})))
}

/// Refuses elements in which nothing can run.
pub(crate) fn need_container(element: &Element) -> Answer<()> {
    if element.kind.is_device() {
        return Ok(());
    }
    let text = format!("element {} is a {} and runs no programs", element.name, element.kind);
    Err(ApiError::new(ErrorCode::UnsupportedAction, text).with(json!({"element": element.id})))
}
