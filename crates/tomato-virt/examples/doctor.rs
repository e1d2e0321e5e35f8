//! Probes this host: `doctor DATA_DIR TEMPLATE_DIR [KERNEL]`.
#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

use tomato_virt::doctor::{Options, probe, worst};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let usage = "usage: doctor DATA_DIR TEMPLATE_DIR [KERNEL]";
    let options = Options {
        data_dir: args.next().ok_or(usage)?.into(),
        template_dir: args.next().ok_or(usage)?.into(),
        kernel: args.next().map(Into::into),
    };
    let findings = probe(&options);
    for finding in &findings {
        println!("{:?}: {}: {}", finding.status, finding.name, finding.what);
        if let Some(remedy) = &finding.remedy {
            println!("      {remedy}");
        }
    }
    println!("worst: {:?}", worst(&findings));
    Ok(())
}
