//! Commands `tomato NOUN VERB` made from the operation table.
//!
//! Parameters of the path are arguments in their order; everything else is `KEY=VALUE`: query parameters by their name, all
//! others are fields of the body (`forward.delay=20ms` is a field of a field; values are JSON where they can be read as
//! such, else text; `@FILE` is the text in a file). Where an id is wanted, names like those of the other commands work too.

use std::path::Path;

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command};
use reqwest::Method;
use serde_json::{Map, Value};
use tomato_api::job::Job;
use tomato_api::operation::{self, Answer, Body, OPERATIONS, Operation};

use crate::args::Output;
use crate::client::Client;
use crate::limits::FIELD_FILE_BYTES;
use crate::{archive, job, lab, output, resolve};

/// Adds the table's commands to those written by hand, which keep their place where both have one.
pub(crate) fn extend(mut command: Command) -> Command {
    for operation in OPERATIONS {
        // Those have a command of their own.
        if matches!(operation.answer, Answer::Socket) {
            continue;
        }
        let verb = verb(operation);
        let noun = operation.noun;
        match command.find_subcommand(noun) {
            Some(known) if known.find_subcommand(operation.verb).is_some() => {}
            Some(known) if !known.has_subcommands() => {}
            Some(_) => command = command.mut_subcommand(noun, |known| known.subcommand(verb)),
            None => {
                let about = format!("Operations on {}", many(noun));
                let new = Command::new(noun).about(about).subcommand_required(true);
                command = command.subcommand(new.arg_required_else_help(true).subcommand(verb));
            }
        }
    }
    command
}

/// A noun of the table, as the title of its operations has it.
fn many(noun: &str) -> String {
    match noun {
        "audit" => "the audit log".to_owned(),
        "metrics" => "figures for Prometheus".to_owned(),
        "openapi" => "the description of the interface".to_owned(),
        "server" => "the server itself".to_owned(),
        noun => format!("{noun}s"),
    }
}

fn verb(operation: &Operation) -> Command {
    let mut verb = Command::new(operation.verb).about(operation.doc.trim_end_matches('.'));
    for param in operation.path_params() {
        let arg = Arg::new(param).value_name(param.to_uppercase()).required(true);
        verb = verb.arg(arg.help(place(operation, param)));
    }
    for param in operation.query {
        let arg = Arg::new(format!("query-{}", param.name)).long(param.name.replace('_', "-"));
        verb = verb.arg(arg.value_name("VALUE").required(param.required).help(param.doc));
    }
    match operation.body {
        Body::Json(_) => {
            let help = "Fields; nested ones as A.B=VALUE";
            verb = verb.arg(Arg::new("fields").value_name("KEY=VALUE").num_args(0..).help(help));
            verb = verb.after_help(field_help(operation));
        }
        Body::Text | Body::Stream => {
            verb = verb.arg(Arg::new("file").value_name("FILE").required(true));
        }
        Body::None => {}
    }
    if matches!(operation.answer, Answer::Stream) {
        verb = verb.arg(Arg::new("out").short('o').long("file").value_name("FILE"));
    }
    verb
}

/// What a parameter of the path may be.
fn place(operation: &Operation, param: &str) -> String {
    match (param, operation.path.split('/').nth(1)) {
        ("id", Some("topologies")) => "Name or id of the topology".to_owned(),
        ("id", Some("elements")) => "TOPOLOGY/ELEMENT, or the element's id".to_owned(),
        ("id", Some("connections")) => "TOPOLOGY/CONNECTION, or the connection's id".to_owned(),
        ("id", Some("interfaces")) => {
            "The interface's id, as `tomato --output json show TOPOLOGY` tells it".to_owned()
        }
        ("id", _) => format!("The id, as `tomato {} list` tells it", operation.noun),
        (param, _) => format!("Its {}", param.replace('_', " ")),
    }
}

/// The fields that can be given, one per line.
fn field_help(operation: &Operation) -> String {
    let fields = operation.fields();
    let width = fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
    let line = |field: &operation::Field| {
        let needed = if field.required { " (needed)" } else { "" };
        format!("  {:width$}  {}{needed}", field.name, field.doc)
    };
    let lines: Vec<String> = fields.iter().map(line).collect();
    format!(
        "Fields, each written KEY=VALUE, or KEY=@FILE for a text in a file:\n{}",
        lines.join("\n")
    )
}

/// An error of the command line whose tip fits: what these commands take are fields, not options.
pub(crate) fn helped(mut error: clap::Error) -> clap::Error {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let operation = words.windows(2).find_map(|two| operation::find(&two.join("_")));
    let named = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    if error.kind() == ErrorKind::UnknownArgument
        && operation.is_some_and(|operation| matches!(operation.body, Body::Json(_)))
        && let Some(option) = named
    {
        let key = option.trim_start_matches('-').replace('-', "_");
        let tip = format!("fields are written KEY=VALUE, as in {key}=...; --help lists them");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// The operation that the matches are for, unless they are for a command written by hand.
pub(crate) fn find<'m>(
    by_hand: &Command,
    matches: &'m ArgMatches,
) -> Option<(&'static Operation, &'m ArgMatches)> {
    let (noun, rest) = matches.subcommand()?;
    let (verb, rest) = rest.subcommand()?;
    if by_hand.find_subcommand(noun).is_some_and(|known| known.find_subcommand(verb).is_some()) {
        return None;
    }
    Some((operation::find(&format!("{noun}_{verb}"))?, rest))
}

/// Calls the operation.
pub(crate) async fn call(
    client: &Client,
    operation: &Operation,
    matches: &ArgMatches,
    form: Output,
) -> anyhow::Result<()> {
    let path = path(client, operation, matches).await?;
    let query: Vec<(&str, String)> = operation
        .query
        .iter()
        .filter_map(|param| {
            Some((param.name, matches.get_one::<String>(&format!("query-{}", param.name))?.clone()))
        })
        .collect();
    if matches!(operation.answer, Answer::Stream) {
        let path = with_query(&path, &query)?;
        let out = matches.get_one::<String>("out").map(Path::new);
        return crate::capture::to_file(client, &path, out).await;
    }
    if matches!(operation.body, Body::Stream) {
        let file = std::fs::File::open(file(matches)?).context("cannot open the file")?;
        let query: Vec<(&str, &str)> = query.iter().map(|(k, v)| (*k, v.as_str())).collect();
        show(&archive::stream(client, &path, &query, file).await?, form);
        return Ok(());
    }
    let request = client.request(method(operation), &path).query(&query);
    let request = match operation.body {
        Body::Json(_) => {
            let given = matches.get_many::<String>("fields").into_iter().flatten();
            let mut body = fields(operation, given.map(String::as_str))?;
            names_to_ids(client, &mut body).await?;
            request.json(&body)
        }
        Body::Text => request
            .body(lab::read_bounded(file(matches)?.as_ref(), crate::limits::TOPOLOGY_FILE_BYTES)?),
        Body::None | Body::Stream => request,
    };
    match operation.answer {
        Answer::Text => {
            let text =
                client.send(request).await?.text().await.context("cannot read the answer")?;
            output::text(&text);
        }
        Answer::Events => {
            let mut events = client.send(request).await?;
            let mut pending = Vec::new();
            while let Some(chunk) = events.chunk().await.context("the events broke off")? {
                pending.extend_from_slice(&chunk);
                // a letter may be in two pieces, a line is not
                if let Some(end) = pending.iter().rposition(|byte| *byte == b'\n') {
                    let lines: Vec<u8> = pending.drain(..=end).collect();
                    output::text(&without_comments(&String::from_utf8_lossy(&lines)));
                }
            }
        }
        Answer::None | Answer::Json(_) | Answer::Stream | Answer::Socket if operation.long => {
            let begun: Job = client.json(request).await?;
            job::follow(client, begun, form).await?;
        }
        Answer::None | Answer::Json(_) | Answer::Stream | Answer::Socket => {
            show(&client.json(request).await?, form);
        }
    }
    Ok(())
}

/// Lines of an event stream without the comments that keep it alive, each of which is a line and an empty one.
fn without_comments(lines: &str) -> String {
    let mut kept = String::new();
    let mut lines = lines.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if line.starts_with(':') {
            lines.next_if(|next| next.trim_end().is_empty());
        } else {
            kept.push_str(line);
        }
    }
    kept
}

/// The path with parameters behind it.
pub(crate) fn with_query(path: &str, query: &[(&str, String)]) -> anyhow::Result<String> {
    if query.is_empty() {
        return Ok(path.to_owned());
    }
    let url = reqwest::Url::parse_with_params("http://lab/", query)?;
    Ok(format!("{path}?{}", url.query().unwrap_or_default()))
}

fn file(matches: &ArgMatches) -> anyhow::Result<&String> {
    matches.get_one::<String>("file").context("name a file")
}

fn show(value: &Value, form: Output) {
    match form {
        Output::Json => output::json(value),
        Output::Text => output::value(value),
    }
}

fn method(operation: &Operation) -> Method {
    match operation.method {
        operation::Method::Get => Method::GET,
        operation::Method::Post => Method::POST,
        operation::Method::Put => Method::PUT,
        operation::Method::Patch => Method::PATCH,
        operation::Method::Delete => Method::DELETE,
    }
}

/// The path with its parameters, names resolved.
async fn path(
    client: &Client,
    operation: &Operation,
    matches: &ArgMatches,
) -> anyhow::Result<String> {
    let mut path = operation.path.to_owned();
    for param in operation.path_params() {
        let given = matches.get_one::<String>(param).context("an argument is missing")?;
        let value = match (param, operation.path.split('/').nth(1)) {
            ("id", Some("topologies")) => resolve::topology(client, given).await?.to_string(),
            ("id", Some("elements")) if given.contains('/') => {
                match resolve::elements(client, given).await?.as_slice() {
                    [one] => one.id.to_string(),
                    _ => bail!("this works on one element; name one"),
                }
            }
            ("id", Some("connections")) if given.contains('/') => {
                resolve::connection(client, given).await?.id.to_string()
            }
            _ => tomato_api::address::escaped(given),
        };
        path = path.replace(&format!("{{{param}}}"), &value);
    }
    Ok(path)
}

/// The body that `KEY=VALUE` words describe.
fn fields<'a>(
    operation: &Operation,
    words: impl Iterator<Item = &'a str>,
) -> anyhow::Result<Value> {
    let known = operation.fields();
    let is_text = |key: &str| known.iter().any(|field| field.name == key && field.is_text);
    let mut body = Map::new();
    for word in words {
        let Some((key, text)) = word.split_once('=') else {
            bail!("{word:?} is no field; write KEY=VALUE");
        };
        let value = match text.strip_prefix('@').filter(|_| is_text(key)) {
            Some(file) => Value::String(from_file(key, file)?),
            None => typed(text, is_text(key)),
        };
        let mut place = &mut body;
        let mut parts: Vec<&str> = key.split('.').collect();
        let last = parts.pop().unwrap_or(key);
        for part in parts {
            let inner = place.entry(part).or_insert_with(|| Value::Object(Map::new()));
            place = inner
                .as_object_mut()
                .with_context(|| format!("{part:?} has a value already and cannot have fields"))?;
        }
        place.insert(last.to_owned(), value);
    }
    Ok(Value::Object(body))
}

/// What is text stays as it was typed, but for JSON's own words for text and nothing.
fn typed(text: &str, is_text: bool) -> Value {
    let read = serde_json::from_str(text).ok();
    let read = read.filter(|value: &Value| value.is_string() || value.is_null() || !is_text);
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// A text that is in a file, as passwords should be: everybody sees what a program is called with.
fn from_file(key: &str, file: &str) -> anyhow::Result<String> {
    let text = lab::read_bounded(Path::new(file), FIELD_FILE_BYTES)
        .with_context(|| format!("{key}: a text that begins with @ is written '{key}=\"@...\"'"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// A topology in a body may be named too.
async fn names_to_ids(client: &Client, body: &mut Value) -> anyhow::Result<()> {
    let Some(name) = body.get("topology").and_then(Value::as_str) else { return Ok(()) };
    let id = resolve::topology(client, name).await?;
    body["topology"] = Value::String(id.to_string());
    Ok(())
}

#[cfg(test)]
mod tests;
