//! The server itself.

use serde_json::{Value, json};
use tomato_api::request::{HostInfo, ServerInfo};
use tomato_model::kind::kind_table;

use crate::app::App;

/// Version of the public interface.
pub const API_VERSION: u32 = 1;

impl App {
    /// Versions and hosts.
    pub fn server_info(&self) -> ServerInfo {
        let hosts = self
            .inner
            .host
            .hello()
            .into_iter()
            .map(|h| HostInfo { name: h.host, version: h.version })
            .collect();
        ServerInfo { version: env!("CARGO_PKG_VERSION").to_owned(), api: API_VERSION, hosts }
    }

    /// The kinds of elements.
    pub fn kind_list(&self) -> Value {
        json!(kind_table())
    }
}
