//! Events: the numbered record of what changed, for those who watch.

/// An event to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The topology it is about; `None` concerns everybody.
    pub topology: Option<String>,
    /// When, in microseconds since the Unix epoch.
    pub at_us: i64,
    /// JSON text.
    pub body: String,
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number, greater than those of all earlier events.
    pub sequence: u64,
    /// The topology it is about; `None` concerns everybody.
    pub topology: Option<String>,
    /// When, in microseconds since the Unix epoch.
    pub at_us: i64,
    /// JSON text.
    pub body: String,
}
