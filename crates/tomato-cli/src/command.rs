//! From what was typed to what is done.

use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches};

use crate::args::{
    ArchiveCommand, CaptureCommand, Cli, Command, ConnectionCommand, Global, TemplateCommand,
    TopologyCommand,
};
use crate::client::Client;
use crate::topology::Import;
use crate::{
    archive, backup, capture, config, connection, console, copy, doctor, down, element, generated,
    image, live, login, output, resolve, role, supervisor, topology, usage, verify,
};

/// Reads the command line and runs it.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let by_hand = Cli::command();
    let matches = generated::extend(Cli::command())
        .try_get_matches()
        .unwrap_or_else(|error| generated::helped(error).exit());
    if let Some((operation, rest)) = generated::find(&by_hand, &matches) {
        let global = Global::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        output::log_to_stderr("warn");
        let client = config::client(&global)?;
        runtime()?.block_on(generated::call(&client, operation, rest, global.output))?;
        return Ok(ExitCode::SUCCESS);
    }
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let global = &cli.global;
    match cli.command {
        // These need no lab, or are one; they come before any runtime and its threads.
        Command::Wire(wire) => role::wire(&wire),
        Command::Backend(backend) => role::backend(backend),
        Command::Hostmanager(host) => role::hostmanager(host),
        Command::Up(up) => supervisor::up(global, &up),
        Command::Down(options) => {
            output::log_to_stderr("warn");
            down::down(global, &options).map(|()| ExitCode::SUCCESS)
        }
        Command::Restore(options) => {
            output::log_to_stderr("warn");
            backup::restore(global, &options).map(|()| ExitCode::SUCCESS)
        }
        Command::Doctor(options) => Ok(doctor::doctor(global, &options)),
        Command::Completions { shell } => {
            let mut command = generated::extend(Cli::command());
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "tomato", &mut script);
            output::text(&String::from_utf8_lossy(&script));
            Ok(ExitCode::SUCCESS)
        }
        Command::Topology(TopologyCommand::Check { file }) => {
            topology::check(&file, global).map(|()| ExitCode::SUCCESS)
        }
        Command::Verify { capture } => verify::run(&capture, global.output),
        Command::Topology(TopologyCommand::Schema) => {
            topology::schema();
            Ok(ExitCode::SUCCESS)
        }
        other => {
            output::log_to_stderr("warn");
            runtime()?.block_on(on_lab(other, global))
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Commands that talk to a lab.
async fn on_lab(command: Command, global: &Global) -> anyhow::Result<ExitCode> {
    if let Command::Login(options) = &command {
        login::login(global, options).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let client = &config::client(global)?;
    let form = global.output;
    match command {
        Command::Start(start) => topology::start(client, &start, form).await?,
        Command::Stop(target) => act(client, &target.topology, "stop", global).await?,
        Command::Prepare(target) => act(client, &target.topology, "prepare", global).await?,
        Command::Destroy(target) => act(client, &target.topology, "destroy", global).await?,
        Command::Remove(remove) => topology::remove(client, &remove, form).await?,
        Command::Show(target) => topology::show(client, &target.topology, form).await?,
        Command::Export(export) => topology::export(client, &export).await?,
        Command::Console(options) => return console::console(client, &options).await,
        Command::Backup(options) => backup::backup(client, &options.file).await?,
        Command::Copy(options) => copy::copy(client, &options).await?,
        Command::Usage(options) => usage::usage(client, &options, form).await?,
        Command::Exec(exec) => return element::exec(client, &exec, form).await,
        Command::Link(link) | Command::Connection(ConnectionCommand::Set(link)) => {
            connection::link(client, &link, form).await?;
        }
        Command::Connection(ConnectionCommand::Info { connection }) => {
            connection::info(client, &connection, form).await?;
        }
        Command::Topology(TopologyCommand::Counters(target)) => {
            topology::counters(client, &target.topology, form).await?;
        }
        Command::Topology(TopologyCommand::List) => topology::list(client, form).await?,
        Command::Topology(TopologyCommand::Import { file, dry_run, update }) => {
            topology::import(client, &file, Import { update, dry_run }, form).await?;
        }
        Command::Capture(CaptureCommand::Live { connection, filter }) => {
            live::live(client, &connection, &filter).await?;
        }
        Command::Capture(CaptureCommand::Past { target, file }) => {
            capture::past(client, &target, &file).await?;
        }
        Command::Capture(CaptureCommand::Extcap(asked)) => live::extcap(client, &asked).await?,
        Command::Capture(CaptureCommand::Download { connection, filter, file }) => {
            capture::download(client, &connection, &filter, file.as_deref()).await?;
        }
        Command::Archive(command) => on_archive(client, command, global).await?,
        Command::Template(TemplateCommand::Create(create)) => {
            image::create(client, create, form).await?;
        }
        Command::Template(TemplateCommand::Upload { name, file, label }) => {
            let open = std::fs::File::open(&file)
                .with_context(|| format!("cannot open {}", file.display()))?;
            let query: Vec<(&str, &str)> = label.iter().map(|l| ("label", l.as_str())).collect();
            archive::stream(client, &format!("/templates/{name}"), &query, open).await?;
        }
        Command::Up(_)
        | Command::Down(_)
        | Command::Restore(_)
        | Command::Doctor(_)
        | Command::Verify { .. }
        | Command::Completions { .. }
        | Command::Login(_)
        | Command::Backend(_)
        | Command::Hostmanager(_)
        | Command::Wire(_)
        | Command::Topology(TopologyCommand::Check { .. } | TopologyCommand::Schema) => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn on_archive(
    client: &Client,
    command: ArchiveCommand,
    global: &Global,
) -> anyhow::Result<()> {
    match command {
        ArchiveCommand::Run(run) => archive::run(client, &run, global.output).await,
        ArchiveCommand::Upload { archive, element } => {
            archive::upload(client, &archive, &element).await
        }
        ArchiveCommand::Download { element, file } => {
            archive::download(client, &element, file.as_deref()).await
        }
        ArchiveCommand::Status { element } => {
            archive::status(client, &element, global.output).await
        }
    }
}

async fn act(client: &Client, text: &str, action: &str, global: &Global) -> anyhow::Result<()> {
    let id = resolve::topology(client, text).await?;
    topology::act(client, &id, action, global.output).await
}
