//! The certificate of a lab: given by its operator, or made up.
//!
//! Both are copied to `DATA_DIR/tls`, where the backend, which has an account of its own, can read them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};

use crate::args::Up;
use crate::lab::{Lab, make_dir, read_bounded, write_file};
use crate::limits;

/// Beside a certificate that was made up: the names it is for.
const NAMES_FILE: &str = "generated-for";

/// Puts certificate and key where the backend reads them.
pub(crate) fn place(lab: &Lab, options: &Up) -> anyhow::Result<()> {
    let dir = lab.dir.join("tls");
    make_dir(&dir, 0, 0o711)?;
    match (&options.tls_cert, &options.tls_key) {
        (Some(cert), Some(key)) => {
            std::fs::remove_file(dir.join(NAMES_FILE)).ok();
            write(
                lab,
                &read_bounded(cert, limits::TLS_FILE_BYTES)?,
                &read_bounded(key, limits::TLS_FILE_BYTES)?,
            )?;
        }
        _ => generate(lab, &dir)?,
    }
    let (cert, key) = lab.tls_files();
    let files = tomato_backend::tls::TlsFiles { cert, key };
    if let Err(error) = tomato_backend::tls::config(&files) {
        bail!(anyhow::Error::new(error).context("connections cannot be encrypted"));
    }
    Ok(())
}

fn write(lab: &Lab, cert: &str, key: &str) -> anyhow::Result<()> {
    let (cert_file, key_file) = lab.tls_files();
    write_file(&key_file, key.as_bytes(), 0o600)?;
    chown(&key_file, Some(lab.backend_uid), Some(lab.backend_uid))
        .with_context(|| format!("cannot hand over {}", key_file.display()))?;
    write_file(&cert_file, cert.as_bytes(), 0o644)
}

/// Makes a certificate for the names of this machine, unless a good one is there.
fn generate(lab: &Lab, dir: &Path) -> anyhow::Result<()> {
    let names = names(lab.listen.ip());
    let text = names.join("\n");
    let made = dir.join(NAMES_FILE);
    let (cert_file, key_file) = lab.tls_files();
    let age = std::fs::metadata(&made)
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    let is_young = age.is_some_and(|age| age < Duration::from_hours(limits::TLS_RENEW_DAYS * 24));
    let is_same = std::fs::read_to_string(&made).is_ok_and(|known| known == text);
    if is_young && is_same && cert_file.exists() && key_file.exists() {
        return Ok(());
    }
    let mut params = CertificateParams::new(names).context("cannot name a certificate")?;
    params.distinguished_name.push(DnType::CommonName, format!("ToMaTo lab {}", lab.id));
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let today = i64::try_from(since.as_secs() / 86_400).unwrap_or(i64::MAX);
    let date = |day: i64| {
        let (year, month, day) = civil(day);
        rcgen::date_time_ymd(year, month, day)
    };
    // clocks differ
    params.not_before = date(today - 1);
    params.not_after = date(today + limits::TLS_DAYS);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("cannot make a key")?;
    let cert = params.self_signed(&key).context("cannot make a certificate")?;
    write(lab, &cert.pem(), &key.serialize_pem())?;
    write_file(&made, text.as_bytes(), 0o644)
}

/// Year, month and day of a number of days since 1970-01-01, after Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i32, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let small = |value: i64| u8::try_from(value).unwrap_or(1);
    (i32::try_from(year).unwrap_or(i32::MAX), small(month), small(day))
}

/// Names and addresses by which the lab is reached.
fn names(listen: IpAddr) -> Vec<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut names = vec!["localhost".to_owned()];
    let host = host.trim();
    if !host.is_empty() && host.is_ascii() {
        names.push(host.to_owned());
    }
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), listen] {
        let name = address.to_string();
        if !address.is_unspecified() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests;
