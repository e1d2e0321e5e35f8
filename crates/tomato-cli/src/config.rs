//! Which lab is meant and who calls: options, then what `tomato login` kept, then the lab of this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;

use crate::args::Global;
use crate::client::{Client, Credentials};
use crate::lab::Lab;

const URL_DEFAULT: &str = "http://127.0.0.1:8000";

/// The client that the options ask for.
pub(crate) fn client(global: &Global) -> anyhow::Result<Client> {
    let url = url(global);
    Client::new(&url, credentials(global, &url), &trusted(global, &url))
}

/// Certificates that the options and the lab of this machine name.
pub(crate) fn trusted(global: &Global, url: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = global.ca.iter().cloned().collect();
    if let Ok(Some(lab)) = Lab::load(&global.data_dir)
        && lab.url() == url
    {
        all.extend(authorities(&lab));
    }
    all
}

/// The certificate of a lab of this machine, if it has one.
pub(crate) fn authorities(lab: &Lab) -> Vec<PathBuf> {
    let (cert, _) = lab.tls_files();
    if lab.tls && cert.exists() { vec![cert] } else { Vec::new() }
}

/// Where the lab answers.
pub(crate) fn url(global: &Global) -> String {
    let local = || Lab::load(&global.data_dir).ok().flatten().map(|lab| lab.url());
    global.url.clone().or_else(local).unwrap_or_else(|| URL_DEFAULT.to_owned())
}

fn credentials(global: &Global, url: &str) -> Credentials {
    if let Some(token) = &global.token {
        return Credentials::Token(token.clone());
    }
    let local = Lab::load(&global.data_dir).ok().flatten().is_some_and(|lab| lab.url() == url);
    if local && let Ok(Some(password)) = crate::lab::admin_password(&global.data_dir) {
        return Credentials::Password { account: "admin".to_owned(), password };
    }
    match logins().ok().and_then(|mut logins| logins.remove(url)) {
        Some(token) => Credentials::Token(token),
        None => match std::env::var("TOMATO_ADMIN_PASSWORD") {
            Ok(password) => Credentials::Password { account: "admin".to_owned(), password },
            Err(_) => Credentials::None,
        },
    }
}

/// File of the kept tokens.
pub(crate) fn login_file() -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
        .context("cannot find the home directory; set HOME")?;
    Ok(base.join("tomato").join("login.json"))
}

/// The kept tokens by address.
pub(crate) fn logins() -> anyhow::Result<BTreeMap<String, String>> {
    let path = login_file()?;
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("cannot read {}; remove it and log in again", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
