//! Who looks at what: told to those who follow the events of a topology, and kept nowhere.

use serde_json::json;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::request::{Presence, PresenceSet};
use tomato_model::id::TopologyId;
use tomato_model::role::Role;

use crate::app::slot::Part;
use crate::app::{Answer, App, Caller};
use crate::limits::{PRESENCE_CLIENT_MAX, PRESENCE_ID_MAX, PRESENCE_SELECTION_MAX};

impl App {
    /// Tells those who watch the topology what the caller has selected.
    ///
    /// # Errors
    /// The topology is invisible, or more is told than others need to know.
    pub async fn topology_presence(
        &self,
        caller: &Caller,
        id: &TopologyId,
        set: PresenceSet,
    ) -> Answer<()> {
        self.peek(caller, Part::Topology(id), Role::User, |_| Ok(())).await?;
        let selection = set.selection.as_deref().unwrap_or_default();
        if set.client.chars().count() > PRESENCE_CLIENT_MAX {
            return Err(too_much("client", &format!("use at most {PRESENCE_CLIENT_MAX} letters")));
        }
        if selection.len() > PRESENCE_SELECTION_MAX
            || selection.iter().any(|id| id.len() > PRESENCE_ID_MAX)
        {
            let remedy = format!("name at most {PRESENCE_SELECTION_MAX} ids");
            return Err(too_much("selection", &remedy));
        }
        let presence = Presence {
            topology: id.clone(),
            account: caller.account.clone(),
            client: set.client,
            selection: set.selection,
        };
        // nobody listening is no error
        drop(self.inner.presence.send(presence));
        Ok(())
    }
}

fn too_much(field: &str, remedy: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidValue, format!("{field}: is too long: {remedy}"))
        .with(json!({"attribute": field}))
}

#[cfg(test)]
mod tests;
