//! What passes a topology now.

use std::time::Duration;

use async_stream::stream;
use futures_util::{Stream, StreamExt};
use tokio::time::{MissedTickBehavior, interval};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::usage::Line;
use tomato_model::id::TopologyId;

use crate::app::{Answer, App, Caller};
use crate::limits::{SOCKET_PING, TRAFFIC_LEAST_MS, TRAFFIC_LINE_BYTES};

impl App {
    /// Follows what passes the connections of a topology and what its elements use, for as long as the caller may see it. A host that
    /// goes away is waited for.
    pub async fn topology_traffic(
        &self,
        caller: Caller,
        id: TopologyId,
        interval_ms: u64,
    ) -> Answer<impl Stream<Item = Answer<Line>> + Send + use<>> {
        self.topology_info(&caller, &id).await?;
        if interval_ms < TRAFFIC_LEAST_MS {
            let text = format!("interval: {interval_ms} ms, must be at least {TRAFFIC_LEAST_MS}");
            return Err(ApiError::new(ErrorCode::InvalidValue, text));
        }
        let place = self.stream_place(&caller).await?;
        let app = self.clone();
        Ok(stream! {
            let _place = place;
            let mut recheck = interval(SOCKET_PING);
            recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let path = format!("/v1/topologies/{id}/traffic?interval_ms={interval_ms}");
            loop {
                let mut chunks = match app.inner.host.download(&path).await {
                    Ok(chunks) => chunks,
                    // It waited for the host as long as any call does.
                    Err(error) => {
                        yield Err(error);
                        return;
                    }
                };
                let mut pending = Vec::new();
                loop {
                    let chunk = tokio::select! {
                        chunk = chunks.next() => chunk,
                        _ = recheck.tick() => match app.topology_info(&caller, &id).await {
                            Ok(_) => continue,
                            Err(error) => {
                                yield Err(error);
                                return;
                            }
                        },
                    };
                    let Some(Ok(chunk)) = chunk else { break };
                    pending.extend_from_slice(&chunk);
                    while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = pending.drain(..=end).collect();
                        if let Ok(line) = serde_json::from_slice(&line) {
                            yield Ok(line);
                        }
                    }
                    if pending.len() > TRAFFIC_LINE_BYTES {
                        break;
                    }
                }
                tokio::time::sleep(Duration::from_millis(interval_ms)).await;
            }
        })
    }
}
