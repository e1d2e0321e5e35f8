//! Methods of connections.

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::original::{OriginalError, link, view};
use tomato_model::topology::Connection;

use super::{Args, Session, attrs, id, no_action, refused, text};
use crate::xmlrpc::bridge;

impl Session<'_> {
    pub(super) async fn connection(&self, verb: &str, args: &Args) -> Result<Json, ApiError> {
        match verb {
            "create" => {
                self.connection_create(id(args, "el1")?, id(args, "el2")?, &attrs(args, "attrs")?)
                    .await
            }
            "info" => self.connection_view(id(args, "id")?).await,
            "modify" => self.connection_modify(id(args, "id")?, &attrs(args, "attrs")?).await,
            "action" => {
                let params = attrs(args, "params")?;
                self.connection_action(id(args, "id")?, text(args, "action")?, &params).await
            }
            "remove" => {
                let _nothing: Json =
                    self.call("connection_remove", &[id(args, "id")?], json!({})).await?;
                Ok(Json::Null)
            }
            "usage" => self.connection_usage(args).await,
            _ => Err(no_action(verb, "see _listMethods")),
        }
    }

    async fn connection_view(&self, id: &str) -> Result<Json, ApiError> {
        let connection: Connection = self.call("connection_info", &[id], json!({})).await?;
        let graph = bridge::graph_of(self.app, self.caller, id).await?;
        let mut shown = view::connection(&graph, &connection);
        self.place_on_host([&mut shown]);
        let entry = self.app.net_capture(self.caller, &connection).await?;
        shown["capture_port"] = json!(entry.as_ref().map(|entry| entry.port));
        shown["capture_token"] = json!(entry.map(|entry| entry.token));
        Ok(shown)
    }

    /// Refuses a filter that cannot be understood.
    async fn check_filter(&self, attrs: &Map<String, Json>) -> Result<(), ApiError> {
        let Some(filter) =
            attrs.get("capture_filter").filter(|f| f.as_str().is_some_and(|f| !f.is_empty()))
        else {
            return Ok(());
        };
        let checked =
            self.call::<Json>("capture_filter_check", &[], json!({"filter": filter})).await;
        match checked {
            // Without a host nobody can tell; then it is refused when it is used.
            Err(error) if error.code == ErrorCode::HostError => Ok(()),
            Err(error) => Err(super::invalid("capture_filter", filter, error.message)),
            Ok(_) => Ok(()),
        }
    }

    /// Emulation is on and 10 Mbit/s both ways unless the attributes say otherwise, as in the original.
    async fn connection_create(
        &self,
        el1: &str,
        el2: &str,
        attrs: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let (mut topologies, mut ends, mut fixed) = (Vec::new(), Vec::new(), false);
        for end in [el1, el2] {
            let found = self.find(end).await?;
            let Some(port) = found.port() else {
                let text = "only interfaces can be connected; create one in each element";
                return Err(
                    ApiError::new(ErrorCode::UnableToConnect, text).with(json!({"id": end}))
                );
            };
            ends.push(port.id.to_string());
            fixed |= link::is_fixed_end(port);
            topologies.push(found.element.topology);
        }
        if topologies.first() != topologies.get(1) {
            return Err(ApiError::new(
                ErrorCode::UnableToConnect,
                "the two interfaces are in different topologies",
            ));
        }
        let attrs = if fixed { attrs.clone() } else { link::defaults(attrs) };
        refuse_emulation(fixed, &attrs)?;
        self.check_filter(&attrs).await?;
        let mut body = link::patch(&std::collections::BTreeMap::new(), &attrs).map_err(refused)?;
        body.insert("topology".to_owned(), json!(topologies.first()));
        body.insert("ends".to_owned(), json!(ends));
        body.insert("fill".to_owned(), json!(false));
        let made: Connection = self.call("connection_create", &[], Json::Object(body)).await?;
        self.connection_view(made.id.as_str()).await
    }

    async fn connection_modify(
        &self,
        id: &str,
        attrs: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let current: Connection = self.call("connection_info", &[id], json!({})).await?;
        let graph = bridge::graph_of(self.app, self.caller, id).await?;
        let ports = current.interfaces.iter().filter_map(|end| graph.interface(end));
        let fixed = ports.into_iter().any(|(_, port)| link::is_fixed_end(port));
        refuse_emulation(fixed, attrs)?;
        self.check_filter(attrs).await?;
        let patch = link::patch(&current.client, attrs).map_err(refused)?;
        let _changed: Connection =
            self.call("connection_modify", &[id], Json::Object(patch)).await?;
        self.connection_view(id).await
    }

    async fn connection_action(
        &self,
        id: &str,
        action: &str,
        params: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let connection: Connection = self.call("connection_info", &[id], json!({})).await?;
        match action {
            "download_grant" => {
                let newest = match params.get("limitSize").unwrap_or(&Json::Null) {
                    Json::Null => None,
                    value => Some(value.as_u64().ok_or_else(|| {
                        super::invalid("limitSize", value, "must be a number of bytes")
                    })?),
                };
                let captured = self.app.capture_download(self.caller, &connection.id, "").await;
                if let Err(error) = captured
                    && error.code == ErrorCode::NoDataAvailable
                {
                    return Err(error);
                }
                self.app.grant_capture(self.caller, &connection.id, newest).await.map(Json::String)
            }
            "start" | "stop" => {
                Err(no_action(action, "connections start and stop with their elements"))
            }
            _ => Err(no_action(action, "use download_grant")),
        }
    }
}

/// Connections to external networks emulate and capture nothing.
fn refuse_emulation(fixed: bool, attrs: &Map<String, Json>) -> Result<(), ApiError> {
    match attrs.keys().find(|key| !link::is_free(key)) {
        Some(key) if fixed => {
            Err(refused(OriginalError::UnknownAttribute { attribute: key.clone() }))
        }
        _ => Ok(()),
    }
}
