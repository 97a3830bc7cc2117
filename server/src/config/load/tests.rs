//! What is read from where, and what is refused in which words.

use std::ffi::OsString;
use std::io::Write;

use super::*;
use crate::config::listen::Listen;
use crate::config::units::{ByteSize, TimeSpan};

fn environment(variables: &[(&str, &str)]) -> Vec<Override> {
    from_environment(
        variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value))),
    )
}

fn flag(text: &str, path: &str, value: &str) -> Override {
    Override {
        source: format!("flag {text}"),
        path: path.to_owned(),
        text: value.to_owned(),
    }
}

fn with_file(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let sources = Sources {
        file: Some(file.path().to_owned()),
        flags: Vec::new(),
    };
    load_with(&sources, environment(variables)).map_err(|error| error.to_string())
}

fn with_variables(variables: &[(&str, &str)]) -> Result<Loaded, String> {
    load_with(&Sources::default(), environment(variables)).map_err(|error| error.to_string())
}

#[test]
fn nothing_at_all_gives_the_defaults() {
    let loaded = with_variables(&[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.source("amqp091.listen"), None);
}

#[test]
fn flags_stand_above_the_environment_above_the_file() {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(b"[limits]\nhandshake_timeout = \"20s\"\nmessage_bytes_max = \"1MiB\"\n")
        .unwrap();
    let sources = Sources {
        file: Some(file.path().to_owned()),
        flags: vec![flag("--listen", "amqp091.listen", "127.0.0.1:3")],
    };
    let variables = environment(&[
        ("SABIR_AMQP091__LISTEN", "127.0.0.1:2"),
        ("SABIR_LIMITS__HANDSHAKE_TIMEOUT", "30s"),
    ]);
    let loaded = load_with(&sources, variables).unwrap();
    assert_eq!(loaded.config.amqp091.listen, Listen::loopback(3));
    assert_eq!(
        loaded.config.limits.handshake_timeout,
        TimeSpan::seconds(30)
    );
    assert_eq!(loaded.config.limits.message_bytes_max, ByteSize::mib(1));
    assert_eq!(loaded.source("amqp091.listen"), Some("flag --listen"));
    assert_eq!(
        loaded.source("limits.handshake_timeout"),
        Some("environment variable SABIR_LIMITS__HANDSHAKE_TIMEOUT")
    );
    let from_file = loaded.source("limits.message_bytes_max").unwrap();
    assert!(
        from_file.starts_with("file ") && from_file.ends_with(".toml"),
        "{from_file}"
    );
}

#[test]
fn an_unknown_key_of_a_file_is_refused_with_path_source_and_the_nearest_key() {
    let refused = with_file("[amqp091]\nlisen = \"127.0.0.1:1\"\n", &[]).unwrap_err();
    assert!(
        refused.contains("unknown key \"amqp091.lisen\" (from file "),
        "{refused}"
    );
    assert!(
        refused.contains("did you mean \"amqp091.listen\"?"),
        "{refused}"
    );
}

#[test]
fn an_unknown_key_of_the_environment_is_refused_with_the_variable() {
    let refused = with_variables(&[("SABIR_LIMITS__NO_SUCH_THING", "1")]).unwrap_err();
    assert!(
        refused.contains(
            "\"limits.no_such_thing\" (from environment variable SABIR_LIMITS__NO_SUCH_THING)"
        ),
        "{refused}"
    );
}

#[test]
fn an_unknown_section_is_refused() {
    let refused = with_file("[ampq]\nlisten = \"off\"\n", &[]).unwrap_err();
    assert!(refused.contains("unknown key \"ampq.listen\""), "{refused}");
    let refused = with_file("listen = \"off\"\n", &[]).unwrap_err();
    assert!(refused.contains("unknown key \"listen\""), "{refused}");
}

#[test]
fn a_variable_without_a_section_is_no_setting() {
    assert!(with_variables(&[("SABIR_CONFIG", "x"), ("SABIR_ADMIN_URL", "y")]).is_ok());
}

#[test]
fn a_variable_with_a_single_underscore_is_stray() {
    assert!(is_stray("SABIR_AMQP091_LISTEN"));
    assert!(!is_stray("SABIR_AMQP091__LISTEN"));
    assert!(!is_stray("SABIR_ADMIN_URL"));
    assert!(!is_stray("HOME"));
}

#[test]
fn a_value_outside_its_bounds_is_refused_with_both_bounds() {
    let refused = with_variables(&[("SABIR_LIMITS__MESSAGE_BYTES_MAX", "1KiB")]).unwrap_err();
    assert!(
        refused.contains("limits.message_bytes_max: \"1KiB\" is outside \"4KiB\" to \"1GiB\""),
        "{refused}"
    );
    let refused = with_file("[limits]\nmemory_fraction_max = nan\n", &[]).unwrap_err();
    assert!(
        refused.contains("limits.memory_fraction_max: NaN is outside"),
        "{refused}"
    );
}

#[test]
fn a_value_of_the_wrong_form_is_refused_with_path_and_source() {
    let refused = with_variables(&[("SABIR_AMQP091__LISTEN", "5672")]).unwrap_err();
    assert!(
        refused.contains("amqp091.listen: \"5672\" is neither \"off\""),
        "{refused}"
    );
    assert!(
        refused.contains("(from environment variable SABIR_AMQP091__LISTEN)"),
        "{refused}"
    );
}

#[test]
fn a_listener_that_is_not_built_is_refused_unless_off() {
    for section in [
        "kafka", "mqtt", "stomp", "redis", "nats", "amqp10", "openwire", "zeromq",
    ] {
        let variable = format!("SABIR_{}__LISTEN", section.to_uppercase());
        assert!(with_variables(&[(&variable, "off")]).is_ok());
        let refused = with_variables(&[(&variable, "127.0.0.1:0")]).unwrap_err();
        assert!(
            refused.contains(&format!("{section}.listen: ")),
            "{refused}"
        );
        assert!(
            refused.contains("not available yet in this version"),
            "{refused}"
        );
    }
}

#[test]
fn texts_from_the_environment_are_taken_literally() {
    let loaded = with_variables(&[("SABIR_SECURITY__USERS__ANNA__PASSWORD", "007")]).unwrap();
    let password = &loaded.config.security.users["anna"].password;
    assert_eq!(password.reveal().unwrap(), "007");
}

#[test]
fn a_user_without_a_password_is_refused() {
    let refused = with_file("[security.users.anna]\ntags = [\"monitoring\"]\n", &[]).unwrap_err();
    assert!(
        refused.contains("security.users.anna.password: a user needs a password"),
        "{refused}"
    );
}

#[test]
fn a_tls_listener_without_its_files_is_refused() {
    let refused = with_variables(&[
        ("SABIR_AMQP091__TLS__LISTEN", "127.0.0.1:0"),
        ("SABIR_AMQP091__TLS__CERTIFICATE", "/cert.pem"),
        ("SABIR_AMQP091__TLS__CLIENT_AUTH", "require"),
    ])
    .unwrap_err();
    assert!(refused.contains("amqp091.tls.key: "), "{refused}");
    assert!(refused.contains("amqp091.tls.client_ca: "), "{refused}");
    assert!(!refused.contains("amqp091.tls.certificate: "), "{refused}");
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_refused() {
    let sources = Sources {
        file: Some("/does/not/exist.toml".into()),
        flags: Vec::new(),
    };
    let missing = load_with(&sources, Vec::new()).unwrap_err().to_string();
    assert!(
        missing.contains("/does/not/exist.toml does not exist"),
        "{missing}"
    );
    assert!(with_file("[amqp091\n", &[]).is_err());
}

#[test]
fn distances_are_counted_in_single_changes() {
    assert_eq!(distance("listen", "listen"), 0);
    assert_eq!(distance("listen", "lisen"), 1);
    assert_eq!(distance("", "abc"), 3);
    assert_eq!(distance("kitten", "sitting"), 3);
}
