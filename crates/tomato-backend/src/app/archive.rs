//! Executable archives: files with a script, put into an element and run there.

use tomato_api::host::ArchiveStatus;
use tomato_model::flag::Flag;
use tomato_model::id::ElementId;

use crate::app::element::need_container;
use crate::app::share::placed;
use crate::app::{Answer, App, Caller};
use crate::hostlink::ByteStream;

/// Where archives are unpacked, as in the original.
const ARCHIVE_DIR: &str = "/mnt/nlXTP";

impl App {
    /// Unpacks an archive (tar.gz) in the element and runs its script, now or at its next start.
    pub async fn archive_upload(
        &self,
        caller: &Caller,
        id: &ElementId,
        body: ByteStream,
    ) -> Answer<()> {
        need_container(&self.element_info(caller, id).await?)?;
        caller.need_without(Flag::OverQuota, "it may not upload anything")?;
        let _place = self.inner.shares.copies.place(caller).await?;
        let path = format!("/v1/elements/{id}/archive?dir={ARCHIVE_DIR}&run=true");
        self.inner.host.upload("PUT", &path, body).await.map(drop)
    }

    /// The archive's directory as it is now (tar.gz).
    pub async fn archive_download(&self, caller: &Caller, id: &ElementId) -> Answer<ByteStream> {
        caller.need_use()?;
        need_container(&self.element_info(caller, id).await?)?;
        let place = self.inner.shares.copies.place(caller).await?;
        let path = format!("/v1/elements/{id}/archive?dir={ARCHIVE_DIR}");
        Ok(placed(self.inner.host.download(&path).await?, place))
    }

    /// How the archive's script is doing.
    pub async fn archive_status(&self, caller: &Caller, id: &ElementId) -> Answer<ArchiveStatus> {
        need_container(&self.element_info(caller, id).await?)?;
        let _place = self.inner.shares.commands.place(caller).await?;
        self.inner.host.get(&format!("/v1/elements/{id}/archive/status")).await
    }
}
