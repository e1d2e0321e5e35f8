//! Methods of elements, interfaces among them.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{ArchiveStatus, ExecAnswer, TemplateInfo};
use tomato_model::kind::Kind;
use tomato_model::lifecycle::State;
use tomato_model::original::names::{self, Meaning};
use tomato_model::original::{SHOWN_NAME, attributes, template, view};
use tomato_model::topology::{Element, Interface};

use super::{Args, Found, Session, attrs, id, invalid, missing, no_action, refused, text};
use crate::limits::XMLRPC_STATUS_WAIT;

/// Numbers tried behind a name that is taken; the original let elements share one.
const NAME_TRIES_MAX: u32 = 100;

impl Session<'_> {
    pub(super) async fn element(&self, verb: &str, args: &Args) -> Result<Json, ApiError> {
        match verb {
            "create" => {
                let parent = args.get("parent").filter(|parent| !parent.is_null());
                let parent = parent.map(|_| id(args, "parent")).transpose()?;
                let (top, type_name) = (id(args, "top")?, text(args, "type")?);
                self.element_create(top, type_name, parent, &attrs(args, "attrs")?).await
            }
            "info" => self.element_view(id(args, "id")?).await,
            "modify" => self.element_modify(id(args, "id")?, &attrs(args, "attrs")?).await,
            "action" => {
                let params = attrs(args, "params")?;
                self.element_action(id(args, "id")?, text(args, "action")?, &params).await
            }
            "remove" => {
                let id = id(args, "id")?;
                let is_interface = self.find(id).await?.interface.is_some();
                let operation = if is_interface { "interface_remove" } else { "element_remove" };
                self.call::<Json>(operation, &[id], json!({})).await?;
                Ok(Json::Null)
            }
            "usage" => self.element_usage(args).await,
            _ => Err(no_action(verb, "see _listMethods")),
        }
    }

    /// An element with what only its host knows.
    async fn element_view(&self, id: &str) -> Result<Json, ApiError> {
        let found = self.find(id).await?;
        let mut shown = found.view();
        self.place_on_host([&mut shown]);
        if found.interface.is_none() && found.element.kind == Kind::Container {
            shown["rextfv_supported"] = json!(true);
            shown["rextfv_max_size"] = Json::Null;
            shown["rextfv_run_status"] = self.archive_status(&found.element).await;
        }
        Ok(shown)
    }

    async fn element_create(
        &self,
        top: &str,
        type_name: &str,
        parent: Option<&str>,
        attrs: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let kind = match (names::meaning(type_name, parent.is_none()).map_err(refused)?, parent) {
            (Meaning::Interface(parents), Some(parent)) => {
                return self.interface_create(top, type_name, parents, parent, attrs).await;
            }
            (Meaning::Interface(parents), None) => return Err(wrong_parent(&Json::Null, parents)),
            (_, Some(parent)) => {
                return Err(invalid("parent", &json!(parent), "must be null for this type"));
            }
            (Meaning::Element(kind), None) => kind,
            (Meaning::SwitchOrHub, None) => attributes::mode(attrs).map_err(refused)?,
        };
        let mut body = attributes::element(kind, type_name, None, attrs).map_err(refused)?;
        body.retain(|_, value| !value.is_null());
        if kind == Kind::Container {
            let wanted = body.get("template").and_then(Json::as_str).unwrap_or(template::DEFAULT);
            let today = self.todays_template(wanted).await?;
            body.insert("template".to_owned(), json!(today));
        }
        body.insert("topology".to_owned(), json!(top));
        body.insert("kind".to_owned(), json!(kind));
        body.insert("type_name".to_owned(), json!(type_name));
        let made = self.create_named(body).await?;
        if names::is_self_connected(type_name) {
            let own = json!({"type_name": type_name});
            self.call::<Interface>("interface_create", &[made.id.as_str()], own).await?;
        }
        self.element_view(made.id.as_str()).await
    }

    /// The template that starts under a name, which may be an old one; it must exist, as far as that is known.
    async fn todays_template(&self, name: &str) -> Result<String, ApiError> {
        if name == template::DEFAULT {
            return Ok(name.to_owned());
        }
        let list = self.call::<Vec<TemplateInfo>>("template_list", &[], json!({})).await;
        // Without a host nobody knows of a template under the old name itself.
        let known: BTreeSet<String> = list.iter().flatten().map(|info| info.name.clone()).collect();
        match template::alias(name, &known) {
            Some(today) => Ok(today.to_owned()),
            None if list.is_err() || known.contains(name) => Ok(name.to_owned()),
            None => Err(missing("template", &json!(name))),
        }
    }

    /// Creates an element, with a number behind its name if that is taken.
    async fn create_named(&self, mut body: Map<String, Json>) -> Result<Element, ApiError> {
        let base = body.get("name").and_then(Json::as_str).map(str::to_owned);
        let mut tries = 1;
        loop {
            let made =
                self.call::<Element>("element_create", &[], Json::Object(body.clone())).await;
            match (made, &base) {
                (Err(error), Some(base))
                    if error.code == ErrorCode::AlreadyExists && tries < NAME_TRIES_MAX =>
                {
                    tries += 1;
                    body.entry(SHOWN_NAME).or_insert_with(|| json!(base));
                    body.insert("name".to_owned(), json!(format!("{base}-{tries}")));
                }
                (made, _) => return made,
            }
        }
    }

    async fn interface_create(
        &self,
        top: &str,
        type_name: &str,
        parents: &[&str],
        parent: &str,
        attrs: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let Found { element, interface } = self.find(parent).await?;
        if element.topology.as_str() != top {
            return Err(ApiError::new(
                ErrorCode::InvalidConfiguration,
                "the parent is in another topology",
            )
            .with(json!({"parent": parent})));
        }
        if interface.is_some() || !parents.contains(&element.type_name.as_str()) {
            return Err(wrong_parent(&json!(parent), parents));
        }
        let mut body =
            attributes::interface(element.kind, type_name, None, attrs).map_err(refused)?;
        body.retain(|_, value| !value.is_null());
        body.insert("type_name".to_owned(), json!(type_name));
        let made: Interface = self.call("interface_create", &[parent], Json::Object(body)).await?;
        self.element_view(made.id.as_str()).await
    }

    async fn element_modify(&self, id: &str, attrs: &Map<String, Json>) -> Result<Json, ApiError> {
        let found = self.find(id).await?;
        let element = &found.element;
        match found.interface.and_then(|index| element.interfaces.get(index)) {
            Some(interface) => {
                let type_name = interface_type(element, interface);
                let patch = attributes::interface(element.kind, &type_name, Some(interface), attrs)
                    .map_err(refused)?;
                self.call::<Interface>("interface_modify", &[id], Json::Object(patch)).await?;
            }
            None => {
                let (kind, type_name) = (element.kind, element.type_name.as_str());
                let mut patch =
                    attributes::element(kind, type_name, Some(element), attrs).map_err(refused)?;
                if let Some(name) = patch.get("template").and_then(Json::as_str) {
                    let today = self.todays_template(name).await?;
                    patch.insert("template".to_owned(), json!(today));
                }
                self.call::<Element>("element_modify", &[id], Json::Object(patch)).await?;
            }
        }
        self.element_view(id).await
    }

    async fn element_action(
        &self,
        id: &str,
        action: &str,
        params: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let found = self.find(id).await?;
        if found.interface.is_some() {
            return Err(no_action(action, "interfaces follow their element"));
        }
        match action {
            "prepare" | "start" | "stop" | "destroy" => {
                self.act("element_action", id, action).await?;
                Ok(Json::Null)
            }
            "rextfv_upload_grant" | "rextfv_download_grant" => {
                let is_upload = action == "rextfv_upload_grant";
                let grant = self.app.grant_archive(self.caller, &found.element.id, is_upload);
                grant.await.map(Json::String)
            }
            "rextfv_upload_use" => {
                self.app.grant_use_archive(self.caller, &found.element.id).await?;
                Ok(Json::Null)
            }
            "execute" if found.element.kind == Kind::Container => self.execute(id, params).await,
            "change_template" if found.element.kind == Kind::Container => {
                self.change_template(&found.element, params).await
            }
            _ => Err(no_action(
                action,
                "use prepare, start, stop or destroy, for containers also execute, change_template, and rextfv_upload_grant, rextfv_upload_use and rextfv_download_grant",
            )),
        }
    }

    /// Another template; a disk that exists is made anew.
    async fn change_template(
        &self,
        element: &Element,
        params: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let value = params.get("template").unwrap_or(&Json::Null);
        let wanted = value.as_str().ok_or_else(|| invalid("template", value, "must be a name"))?;
        let today = self.todays_template(wanted).await?;
        let id = element.id.as_str();
        if element.state == State::Started {
            let text = "change_template needs the element stopped: stop it first";
            return Err(ApiError::new(ErrorCode::InvalidState, text)
                .with(json!({"action": "change_template", "state": element.state})));
        }
        let is_prepared = element.state == State::Prepared;
        if is_prepared {
            self.act("element_action", id, "destroy").await?;
        }
        self.call::<Element>("element_modify", &[id], json!({"template": today})).await?;
        if is_prepared {
            self.act("element_action", id, "prepare").await?;
        }
        Ok(Json::Null)
    }

    /// Runs `cmd` by a shell and answers what it wrote.
    async fn execute(&self, id: &str, params: &Map<String, Json>) -> Result<Json, ApiError> {
        let value = params.get("cmd").unwrap_or(&Json::Null);
        let cmd =
            value.as_str().ok_or_else(|| invalid("cmd", value, "must be the text of a command"))?;
        let ended: ExecAnswer =
            self.call("element_exec", &[id], json!({"argv": ["/bin/sh", "-c", cmd]})).await?;
        executed(cmd, ended)
    }

    /// The attribute `rextfv_run_status`: what the archive's script does.
    async fn archive_status(&self, element: &Element) -> Json {
        let nothing = json!({"readable": false});
        if element.state == State::Created {
            return nothing;
        }
        let path = [element.id.as_str()];
        let status = self.call::<ArchiveStatus>("archive_status", &path, Json::Null);
        match tokio::time::timeout(XMLRPC_STATUS_WAIT, status).await {
            Ok(Ok(status)) if status.readable => json!({
                "readable": true,
                "done": status.done,
                "isAlive": status.is_alive,
                "custom": status.custom,
            }),
            _ => nothing,
        }
    }
}

/// The type under which an interface is shown.
fn interface_type(element: &Element, interface: &Interface) -> String {
    view::interface(element, interface)["type"].as_str().unwrap_or_default().to_owned()
}

fn wrong_parent(value: &Json, parents: &[&str]) -> ApiError {
    invalid("parent", value, format!("must be an element of type {}", parents.join(" or ")))
}

/// What a command wrote; a fault if it failed, or if not all that it wrote is there.
fn executed(cmd: &str, ended: ExecAnswer) -> Result<Json, ApiError> {
    let output = ended.stdout + &ended.stderr;
    if ended.exit_code == Some(0) && !ended.truncated {
        return Ok(Json::String(output));
    }
    let how = match (ended.timed_out, ended.exit_code, ended.signal) {
        (true, _, _) => "did not end in time".to_owned(),
        (_, Some(0), _) => "wrote more than is kept, write it to a file and fetch that".to_owned(),
        (_, Some(code), _) => format!("ended with exit code {code}"),
        (_, None, Some(signal)) => format!("was ended by signal {signal}"),
        (_, None, None) => "was ended".to_owned(),
    };
    let data = json!({"cmd": cmd, "output": output, "exit_code": ended.exit_code, "signal": ended.signal, "timed_out": ended.timed_out, "truncated": ended.truncated});
    Err(ApiError::new(ErrorCode::CommandFailed, format!("the command {how}")).with(data))
}

#[cfg(test)]
mod tests;
