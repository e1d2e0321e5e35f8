//! `tomato capture download`.

use std::path::Path;

use anyhow::Context;

use crate::client::Client;
use crate::resolve;

/// Writes what was recorded of a connection.
pub(crate) async fn download(
    client: &Client,
    connection: &str,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let connection = resolve::connection(client, connection).await?;
    to_file(client, &format!("/connections/{}/capture", connection.id), file).await
}

/// Copies a stream to a file, which is complete or not there, or to standard output.
pub(crate) async fn to_file(
    client: &Client,
    path: &str,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let Some(file) = file else {
        client.download(path, &mut tokio::io::stdout()).await?;
        return Ok(());
    };
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let mut out = tokio::fs::File::create(part)
        .await
        .with_context(|| format!("cannot write {}", part.display()))?;
    match client.download(path, &mut out).await {
        Ok(bytes) => {
            std::fs::rename(part, file)
                .with_context(|| format!("cannot write {}", file.display()))?;
            eprintln!("{bytes} bytes in {}", file.display());
            Ok(())
        }
        Err(error) => {
            std::fs::remove_file(part).ok();
            Err(error)
        }
    }
}
