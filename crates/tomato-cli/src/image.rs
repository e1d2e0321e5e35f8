//! `tomato template create NAME --oci PATH|REF`: a template from an OCI image.

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use anyhow::Context;
use reqwest::Method;
use tomato_api::job::Job;
use tomato_api::request::TemplatePull;

use crate::args::{Output, TemplateCreate};
use crate::client::Client;
use crate::limits::TLS_FILE_BYTES;
use crate::{archive, job, lab, login};

/// What exists as a file or directory is uploaded, anything else is the name of an image in a registry.
pub(crate) async fn create(
    client: &Client,
    create: TemplateCreate,
    form: Output,
) -> anyhow::Result<()> {
    let TemplateCreate { name, oci: image, label, user, password_file, registry_ca } = create;
    let path = Path::new(&image);
    if path.exists() {
        let mut query = vec![("format", "oci")];
        query.extend(label.iter().map(|label| ("label", label.as_str())));
        archive::stream(client, &format!("/templates/{name}"), &query, open(path)?).await?;
        return Ok(());
    }
    let password =
        user.as_ref().map(|user| login::password(user, password_file.as_deref())).transpose()?;
    let ca = registry_ca.map(|file| lab::read_bounded(&file, TLS_FILE_BYTES)).transpose()?;
    let pull = TemplatePull { reference: image.clone(), label, user, password, ca };
    let request = client.request(Method::POST, &format!("/templates/{name}/pull")).json(&pull);
    let begun: Job = client.json(request).await?;
    job::follow(client, begun, form)
        .await
        .with_context(|| format!("there is no file {image}, and as an image of a registry"))?;
    Ok(())
}

/// The archive itself, or a directory packed into one without a name; its parts are compressed already.
fn open(path: &Path) -> anyhow::Result<File> {
    if !path.is_dir() {
        return File::open(path).with_context(|| format!("cannot open {}", path.display()));
    }
    let make = || {
        let mut tar = tar::Builder::new(tempfile::tempfile()?);
        tar.follow_symlinks(false);
        tar.append_dir_all(".", path)?;
        let mut file = tar.into_inner()?;
        file.rewind()?;
        Ok::<_, std::io::Error>(file)
    };
    make().with_context(|| format!("cannot pack {}", path.display()))
}
