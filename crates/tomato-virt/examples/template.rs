//! Builds shipped templates into a template directory: `template DIR NAME...`.
#![allow(clippy::print_stderr, reason = "a tool for the terminal")]

use std::time::Instant;

use tomato_virt::template::{Progress, TemplateStore};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: template DIR NAME...")?;
    let store = TemplateStore::open(dir)?;
    for name in args {
        let started = Instant::now();
        let report = |progress: Progress| {
            let percent =
                progress.percent.map_or_else(String::new, |percent| format!("{percent} %"));
            eprintln!("{name}: {percent} {}", progress.message);
        };
        let template = match store.ensure(&name.parse()?, &report) {
            Ok(template) => template,
            Err(error) => {
                let mut next: Option<&dyn std::error::Error> = Some(&error);
                while let Some(cause) = next {
                    eprintln!("{cause}");
                    next = cause.source();
                }
                return Err(error.into());
            }
        };
        let megabytes = template.bytes >> 20;
        let seconds = started.elapsed().as_secs_f32();
        eprintln!(
            "{name}: {} {megabytes} MB, {} files, {seconds:.1} s",
            template.digest, template.entries
        );
    }
    Ok(())
}
