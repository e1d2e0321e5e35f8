//! `tomato login`: makes an access token and keeps it for later calls.

use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::json;
use tomato_api::request::TokenCreated;

use crate::args::{Global, Login};
use crate::client::{Client, Credentials};
use crate::{config, lab, output};

/// Asks for the password, makes a token, keeps it.
pub(crate) async fn login(global: &Global, login: &Login) -> anyhow::Result<()> {
    let url = config::url(global);
    let account = login.account.clone();
    let password = password(&account, login.password_file.as_deref())?;
    let credentials = Credentials::Password { account, password };
    let client = Client::new(&url, credentials, &config::trusted(global, &url))?;
    let body = json!({ "label": "tomato login" });
    let token: TokenCreated = client.call(Method::POST, "/tokens", &body).await?;
    let mut logins = config::logins()?;
    logins.insert(client.url().to_owned(), token.secret);
    let file = config::login_file()?;
    let dir = file.parent().context("the login file has no directory")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let text = serde_json::to_vec_pretty(&logins).context("cannot write the login")?;
    lab::write_file(&file, &text, 0o600)?;
    output::line(&format!(
        "logged in at {url} as {}; the token is kept in {}",
        login.account,
        file.display()
    ));
    Ok(())
}

/// The password of an account: from a file, asked for at a terminal, else read from standard input.
pub(crate) fn password(account: &str, file: Option<&Path>) -> anyhow::Result<String> {
    let text = match file {
        Some(file) => lab::read_bounded(file, 4096)?,
        None if std::io::stdin().is_terminal() => hidden(account)?,
        None => {
            let mut text = String::new();
            std::io::stdin()
                .take(4096)
                .read_to_string(&mut text)
                .context("cannot read the password")?;
            text
        }
    };
    let password = text.trim_end_matches(['\n', '\r']).to_owned();
    if password.is_empty() {
        bail!("the password is empty");
    }
    Ok(password)
}

/// Reads a line from the terminal without showing it.
fn hidden(account: &str) -> anyhow::Result<String> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    eprint!("Password of {account}: ");
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).context("cannot look at the terminal")?;
    let mut quiet = before.clone();
    quiet.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &quiet).context("cannot hide what is typed")?;
    let mut text = String::new();
    let read = stdin.read_line(&mut text);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &before).context("cannot reset the terminal")?;
    eprintln!();
    read.context("cannot read the password")?;
    Ok(text)
}
