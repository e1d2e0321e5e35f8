//! Methods of connections.

use serde_json::{Map, Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::topology::Connection;

use super::{Args, Session, attrs, id, no_action, text};
use crate::xmlrpc::link::{self, BANDWIDTH_DEFAULT_KBIT};
use crate::xmlrpc::view;

impl Session<'_> {
    pub(super) async fn connection(&self, verb: &str, args: &Args) -> Result<Json, ApiError> {
        match verb {
            "create" => {
                self.connection_create(id(args, "el1")?, id(args, "el2")?, &attrs(args, "attrs")?)
                    .await
            }
            "info" => {
                let connection: Connection =
                    self.call("connection_info", &[id(args, "id")?], json!({})).await?;
                Ok(view::connection(&connection))
            }
            "modify" => self.connection_modify(id(args, "id")?, &attrs(args, "attrs")?).await,
            "action" => {
                let _exists: Connection =
                    self.call("connection_info", &[id(args, "id")?], json!({})).await?;
                Err(no_action(
                    text(args, "action")?,
                    "connections start and stop with their elements; captures are downloaded by REST",
                ))
            }
            "remove" => {
                let _nothing: Json =
                    self.call("connection_remove", &[id(args, "id")?], json!({})).await?;
                Ok(Json::Null)
            }
            _ => Err(no_action(verb, "see _listMethods")),
        }
    }

    /// Emulation is on and 10 Mbit/s both ways unless the attributes say otherwise, as in the original.
    pub(super) async fn connection_create(
        &self,
        el1: &str,
        el2: &str,
        attrs: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let mut topologies = Vec::new();
        for end in [el1, el2] {
            let found = self.find(end).await?;
            if found.interface.is_none() {
                let text = "only interfaces can be connected; create one in each element";
                return Err(
                    ApiError::new(ErrorCode::UnableToConnect, text).with(json!({"id": end}))
                );
            }
            topologies.push(found.element.topology);
        }
        if topologies.first() != topologies.get(1) {
            return Err(ApiError::new(
                ErrorCode::UnableToConnect,
                "the two interfaces are in different topologies",
            ));
        }
        let mut with_defaults = attrs.clone();
        with_defaults.entry("emulation").or_insert(Json::Bool(true));
        for key in ["bandwidth_from", "bandwidth_to"] {
            with_defaults.entry(key).or_insert_with(|| json!(BANDWIDTH_DEFAULT_KBIT));
        }
        let mut body = link::patch(&with_defaults)?;
        body.insert("topology".to_owned(), json!(topologies.first()));
        body.insert("ends".to_owned(), json!([el1, el2]));
        let made: Connection = self.call("connection_create", &[], Json::Object(body)).await?;
        Ok(view::connection(&made))
    }

    pub(super) async fn connection_modify(
        &self,
        id: &str,
        attrs: &Map<String, Json>,
    ) -> Result<Json, ApiError> {
        let patch = link::patch(attrs)?;
        let changed: Connection =
            self.call("connection_modify", &[id], Json::Object(patch)).await?;
        Ok(view::connection(&changed))
    }
}
