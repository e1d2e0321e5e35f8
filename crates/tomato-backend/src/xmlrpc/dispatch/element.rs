//! Methods of elements, interfaces among them.

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::ExecAnswer;
use tomato_model::kind::Kind;
use tomato_model::topology::{Element, Interface};

use super::{Args, Found, Session, attrs, id, no_action, text};
use crate::app::element::DEFAULT_TEMPLATE;
use crate::xmlrpc::attributes;
use crate::xmlrpc::link::invalid;
use crate::xmlrpc::names::{self, Meaning};
use crate::xmlrpc::view;

/// Numbers tried behind a name that is taken; the original let elements share one.
const NAME_TRIES_MAX: u32 = 100;

impl Session<'_> {
    pub(super) async fn element(&self, verb: &str, args: &Args) -> Result<Json, ApiError> {
        match verb {
            "create" => {
                let parent = args.get("parent").filter(|parent| !parent.is_null());
                let parent = parent.map(|_| id(args, "parent")).transpose()?;
                self.element_create(
                    id(args, "top")?,
                    text(args, "type")?,
                    parent,
                    &attrs(args, "attrs")?,
                )
                .await
            }
            "info" => {
                let found = self.find(id(args, "id")?).await?;
                Ok(found.view())
            }
            "modify" => self.element_modify(id(args, "id")?, &attrs(args, "attrs")?).await,
            "action" => {
                self.element_action(id(args, "id")?, text(args, "action")?, &attrs(args, "params")?)
                    .await
            }
            "remove" => {
                let id = id(args, "id")?;
                let operation = if self.find(id).await?.interface.is_some() {
                    "interface_remove"
                } else {
                    "element_remove"
                };
                self.call::<Json>(operation, &[id], json!({})).await?;
                Ok(Json::Null)
            }
            _ => Err(no_action(verb, "see _listMethods")),
        }
    }

    pub(super) async fn element_create(
        &self,
        top: &str,
        type_name: &str,
        parent: Option<&str>,
        attrs: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let kind = match (names::meaning(type_name, parent.is_none())?, parent) {
            (Meaning::Interface(parents), Some(parent)) => {
                return self.interface_create(top, type_name, parents, parent, attrs).await;
            }
            (Meaning::Interface(parents), None) => {
                return Err(invalid(
                    "parent",
                    &Json::Null,
                    &format!("must be an element of type {}", parents.join(" or ")),
                ));
            }
            (_, Some(parent)) => {
                return Err(invalid("parent", &json!(parent), "must be null for this type"));
            }
            (Meaning::Element(kind), None) => kind,
            (Meaning::SwitchOrHub, None) => attributes::mode(attrs)?,
        };
        let mut body = attributes::element(kind, &[], attrs)?;
        body.retain(|_, value| !value.is_null());
        if kind == Kind::Container {
            body.entry("template").or_insert_with(|| json!(DEFAULT_TEMPLATE));
        }
        body.insert("topology".to_owned(), json!(top));
        body.insert("kind".to_owned(), json!(kind));
        body.insert("type_name".to_owned(), json!(type_name));
        Ok(view::element(&self.create_named(body).await?))
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
                    body.entry(attributes::SHOWN_NAME).or_insert_with(|| json!(base));
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
        let element: Element = self.call("element_info", &[parent], json!({})).await?;
        if element.topology.as_str() != top {
            return Err(ApiError::new(
                ErrorCode::InvalidConfiguration,
                "the parent is in another topology",
            )
            .with(json!({"parent": parent})));
        }
        if !parents.contains(&element.type_name.as_str()) {
            return Err(invalid(
                "parent",
                &json!(parent),
                &format!("must be an element of type {}", parents.join(" or ")),
            ));
        }
        let mut body = attributes::interface(element.kind, &[], attrs)?;
        body.retain(|_, value| !value.is_null());
        body.insert("type_name".to_owned(), json!(type_name));
        let made: Interface = self.call("interface_create", &[parent], Json::Object(body)).await?;
        let element: Element = self.call("element_info", &[parent], json!({})).await?;
        Ok(view::interface(&element, &made))
    }

    pub(super) async fn element_modify(
        &self,
        id: &str,
        attrs: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let found = self.find(id).await?;
        let element = &found.element;
        match found.interface.and_then(|index| element.interfaces.get(index)) {
            Some(interface) => {
                let patch = attributes::interface(element.kind, &interface.addresses, attrs)?;
                let changed: Interface =
                    self.call("interface_modify", &[id], Json::Object(patch)).await?;
                Ok(view::interface(element, &changed))
            }
            None => {
                let patch = attributes::element(element.kind, &element.gateways, attrs)?;
                let changed: Element =
                    self.call("element_modify", &[id], Json::Object(patch)).await?;
                Ok(view::element(&changed))
            }
        }
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
            "execute" if found.element.kind == Kind::Container => self.execute(id, params).await,
            "change_template" if found.element.kind == Kind::Container => {
                let template = params.get("template").cloned().unwrap_or(Json::Null);
                self.call::<Element>("element_modify", &[id], json!({"template": template}))
                    .await?;
                Ok(Json::Null)
            }
            _ => Err(no_action(
                action,
                "use prepare, start, stop or destroy, for containers also execute and change_template; archives go by REST",
            )),
        }
    }

    /// Runs `cmd` by a shell and answers what it wrote.
    async fn execute(&self, id: &str, params: &Map<String, Json>) -> Result<Json, ApiError> {
        let value = params.get("cmd").unwrap_or(&Json::Null);
        let cmd =
            value.as_str().ok_or_else(|| invalid("cmd", value, "must be the text of a command"))?;
        let ended: ExecAnswer =
            self.call("element_exec", &[id], json!({"argv": ["/bin/sh", "-c", cmd]})).await?;
        let output = ended.stdout + &ended.stderr;
        if ended.exit_code == Some(0) {
            return Ok(Json::String(output));
        }
        let how = match (ended.timed_out, ended.exit_code, ended.signal) {
            (true, _, _) => "did not end in time".to_owned(),
            (_, Some(code), _) => format!("ended with exit code {code}"),
            (_, None, Some(signal)) => format!("was ended by signal {signal}"),
            (_, None, None) => "was ended".to_owned(),
        };
        let data = json!({"cmd": cmd, "output": output, "exit_code": ended.exit_code, "signal": ended.signal, "timed_out": ended.timed_out});
        Err(ApiError::new(ErrorCode::CommandFailed, format!("the command {how}")).with(data))
    }
}

impl Found {
    /// The old form of what was found.
    pub(super) fn view(&self) -> Json {
        match self.interface.and_then(|index| self.element.interfaces.get(index)) {
            Some(interface) => view::interface(&self.element, interface),
            None => view::element(&self.element),
        }
    }
}
