//! Places where a test stops the process for ever, as a crash in that moment would.
//!
//! In the product none is set, and passing one costs a look at an option.

use std::sync::Arc;

type Stop = Arc<dyn Fn(&'static str) -> bool + Send + Sync>;

/// Says where to stop.
#[derive(Clone, Default)]
pub struct FaultPoints(Option<Stop>);

impl std::fmt::Debug for FaultPoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FaultPoints").field(&self.0.is_some()).finish()
    }
}

impl FaultPoints {
    /// Stops at each point, given by its name, for which `stop` answers true.
    pub fn new(stop: impl Fn(&'static str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(stop)))
    }

    /// Goes on unless a test stops here.
    pub(crate) async fn reached(&self, point: &'static str) {
        if self.0.as_ref().is_some_and(|stop| stop(point)) {
            std::future::pending::<()>().await;
        }
    }
}
