//! What is refused, and how long a mail waits.

use super::*;

#[test]
fn settings_that_cannot_work_are_refused_with_the_field() {
    let good = MailSettings {
        enabled: true,
        server: "127.0.0.1".to_owned(),
        security: MailSecurity::None,
        from: "Lab <lab@example.org>".to_owned(),
        ..MailSettings::default()
    };
    check(&good).unwrap();
    check(&MailSettings::default()).unwrap();
    let with_login = |server: &str, password_file: &str| MailSettings {
        server: server.to_owned(),
        user: Some("lab".to_owned()),
        password_file: Some(password_file.to_owned()),
        ..good.clone()
    };
    for (bad, field) in [
        (MailSettings { server: String::new(), ..good.clone() }, "mail.server"),
        (MailSettings { from: "nobody".to_owned(), ..good.clone() }, "mail.from"),
        (MailSettings { user: Some("lab".to_owned()), ..good.clone() }, "mail.user"),
        (with_login("mail.example.org", "/dev/null"), "mail.security"),
        (with_login("127.0.0.1", "/nowhere/password"), "mail.password_file"),
    ] {
        let error = check(&bad).unwrap_err();
        assert!(error.message.starts_with(field), "{field}: {}", error.message);
    }
}

#[test]
fn the_pause_doubles_up_to_a_bound() {
    let pauses: Vec<u64> = (1..=4).map(pause_us).collect();
    assert_eq!(pauses, [60_000_000, 120_000_000, 240_000_000, 480_000_000]);
    assert_eq!(Duration::from_micros(pause_us(60)), MAIL_RETRY_LONGEST);
}
