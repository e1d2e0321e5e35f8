//! Connections and what was captured on them.

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tomato_api::dissection::{DissectCall, Dissection};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::SavedCapture;
use tomato_api::request::CaptureFilter;
use tomato_api::request::ConnectionCreate;
use tomato_api::usage::ConnectionUsage;
use tomato_model::edit::{self, ConnectionPatch, End};
use tomato_model::graph::Graph;
use tomato_model::id::{ConnectionId, ElementId, InterfaceId, TopologyId};
use tomato_model::link::{Curves, LinkParams};
use tomato_model::role::Role;
use tomato_model::topology::Connection;

use crate::app::commit::edit_error;
use crate::app::slot::Part;
use crate::app::topology::check_revision;
use crate::app::{Answer, App, Caller, not_found, read};
use crate::clock::SystemIds;
use crate::hostlink::ByteStream;
use crate::limits::{HOST_CALL, SOCKET_PING};

impl App {
    /// Connects two elements or interfaces.
    pub async fn connection_create(
        &self,
        caller: &Caller,
        args: ConnectionCreate,
    ) -> Answer<Connection> {
        let patch: ConnectionPatch = read(Value::Object(args.attributes))?;
        let topology = match args.topology {
            Some(id) => id,
            None => self.topology_of_end(&args.ends[0])?,
        };
        let make = |graph: &mut Graph| {
            let ends = [end(graph, &args.ends[0])?, end(graph, &args.ends[1])?];
            let connect = if args.fill { edit::connect } else { edit::connect_unfilled };
            connect(graph, &mut SystemIds, &ends, &patch).map_err(edit_error)
        };
        let part = Part::Topology(&topology);
        let id = self.edit_live(caller, part, Role::Manager, make).await?;
        // as it is now that the host took it into account
        self.connection_info(caller, &id).await
    }

    /// A connection.
    pub async fn connection_info(&self, caller: &Caller, id: &ConnectionId) -> Answer<Connection> {
        self.peek(caller, Part::Connection(id), Role::User, |graph| found(graph, id)).await
    }

    /// What the timelines of a connection mean.
    pub async fn connection_curve(&self, caller: &Caller, id: &ConnectionId) -> Answer<Curves> {
        let connection = self.connection_info(caller, id).await?;
        // a wrong timeline was refused when it was set
        let of = |params: &LinkParams| params.curve().and_then(Result::ok);
        Ok(Curves { forward: of(&connection.forward), backward: of(&connection.backward) })
    }

    /// Changes a connection, also while it passes frames.
    pub async fn connection_modify(
        &self,
        caller: &Caller,
        id: &ConnectionId,
        patch: ConnectionPatch,
        expected: Option<u64>,
    ) -> Answer<Connection> {
        self.edit_live(caller, Part::Connection(id), Role::Manager, |graph| {
            let current = found(graph, id)?;
            check_revision(expected, current.revision, &current)?;
            edit::modify_connection(graph, id, &patch).map_err(edit_error)
        })
        .await?;
        // as it is now that the host took it into account
        self.connection_info(caller, id).await
    }

    /// Removes a connection.
    pub async fn connection_remove(&self, caller: &Caller, id: &ConnectionId) -> Answer<()> {
        self.edit_live(caller, Part::Connection(id), Role::Manager, |graph| {
            edit::disconnect(graph, id).map_err(edit_error)?;
            Ok(())
        })
        .await
    }

    /// What of the captured frames a filter means (pcapng); the empty one means all.
    pub async fn capture_download(
        &self,
        caller: &Caller,
        id: &ConnectionId,
        filter: &str,
    ) -> Answer<ByteStream> {
        self.connection_info(caller, id).await?;
        let filter = tomato_api::address::escaped(filter);
        self.inner.host.download(&format!("/v1/connections/{id}/capture?filter={filter}")).await
    }

    /// What passed in the last seconds (pcapng).
    pub async fn capture_past(&self, caller: &Caller, id: &ConnectionId) -> Answer<ByteStream> {
        self.connection_info(caller, id).await?;
        self.inner.host.download(&format!("/v1/connections/{id}/capture/past")).await
    }

    /// Pasts that were saved when something happened, the newest first.
    pub async fn capture_saved(
        &self,
        caller: &Caller,
        id: &ConnectionId,
    ) -> Answer<Vec<SavedCapture>> {
        self.connection_info(caller, id).await?;
        self.inner.host.get(&format!("/v1/connections/{id}/capture/saved")).await
    }

    /// A past that was saved (pcapng).
    pub async fn capture_saved_download(
        &self,
        caller: &Caller,
        id: &ConnectionId,
        name: &str,
    ) -> Answer<ByteStream> {
        self.connection_info(caller, id).await?;
        let name = tomato_api::address::escaped(name);
        self.inner.host.download(&format!("/v1/connections/{id}/capture/saved/{name}")).await
    }

    /// What passes a connection from now on (pcapng), for as long as the caller may see it.
    pub async fn capture_live(
        &self,
        caller: &Caller,
        id: &ConnectionId,
        filter: CaptureFilter,
    ) -> Answer<ByteStream> {
        self.connection_info(caller, id).await?;
        let place = self.stream_place(caller).await?;
        let body = Bytes::from(json!(filter).to_string());
        let body = Box::pin(futures_util::stream::once(std::future::ready(Ok(body))));
        let path = format!("/v1/connections/{id}/capture/live");
        let blocks = self.inner.host.duplex(&path, body).await?;
        let (app, caller, id) = (self.clone(), caller.clone(), id.clone());
        Ok(Box::pin(async_stream::stream! {
            let _place = place;
            let mut blocks = blocks;
            let mut look = tokio::time::interval(SOCKET_PING);
            let mut revoked = std::pin::pin!(app.until_revoked(&caller));
            loop {
                tokio::select! {
                    () = &mut revoked => break,
                    _ = look.tick() => if app.connection_info(&caller, &id).await.is_err() {
                        break;
                    },
                    block = blocks.next() => match block {
                        Some(block) => yield block,
                        None => break,
                    },
                }
            }
        }))
    }

    /// Refuses a filter that cannot be understood.
    pub async fn capture_filter_check(&self, filter: &CaptureFilter) -> Answer<()> {
        let body = Bytes::from(json!(filter).to_string());
        self.inner.host.bytes("POST", "/v1/filter", body, HOST_CALL).await.map(drop)
    }

    /// What frames of a connection are, by its host's own dissector.
    pub async fn capture_dissect(
        &self,
        caller: &Caller,
        id: &ConnectionId,
        frames: &DissectCall,
    ) -> Answer<Dissection> {
        self.connection_info(caller, id).await?;
        let body = Bytes::from(json!(frames).to_string());
        self.inner.host.call("POST", "/v1/dissect", body, HOST_CALL).await
    }

    /// What passed in the last hour.
    pub async fn connection_usage(
        &self,
        caller: &Caller,
        id: &ConnectionId,
    ) -> Answer<ConnectionUsage> {
        self.connection_info(caller, id).await?;
        self.inner.host.get(&format!("/v1/connections/{id}/usage")).await
    }

    fn topology_of_end(&self, text: &str) -> Answer<TopologyId> {
        let slots = self.inner.slots.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let by_interface =
            text.parse::<InterfaceId>().ok().and_then(|id| slots.interfaces.get(&id));
        let by_element = || text.parse::<ElementId>().ok().and_then(|id| slots.elements.get(&id));
        let topology = by_interface.or_else(by_element);
        topology.cloned().ok_or_else(|| not_found("element", text))
    }
}

/// The end that a caller means by an id or a name.
fn end(graph: &Graph, text: &str) -> Answer<End> {
    if let Ok(id) = text.parse::<InterfaceId>()
        && graph.interface(&id).is_some()
    {
        return Ok(End::Interface(id));
    }
    if let Ok(id) = text.parse::<ElementId>()
        && graph.element(&id).is_some()
    {
        return Ok(End::Element(id));
    }
    let (element, interface) = text.split_once(':').map_or((text, None), |(e, i)| (e, Some(i)));
    let element = graph.element_by_name(element).ok_or_else(|| not_found("element", text))?;
    let Some(name) = interface else { return Ok(End::Element(element.id.clone())) };
    let interface = element.interfaces.iter().find(|i| i.name == name).ok_or_else(|| {
        ApiError::new(
            ErrorCode::EntityDoesNotExist,
            format!("element {} has no interface {name}: add it first", element.name),
        )
        .with(json!({"entity": "interface", "id": text}))
    })?;
    Ok(End::Interface(interface.id.clone()))
}

fn found(graph: &Graph, id: &ConnectionId) -> Answer<Connection> {
    graph.connection(id).cloned().ok_or_else(|| not_found("connection", id.as_str()))
}
