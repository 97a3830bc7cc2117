//! From a verified client certificate to a user's name.
//!
//! The transport has verified the certificate; here only its subject is read.

use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::X509Name;

/// Which part of the certificate is the user's name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NameSource {
    /// The whole subject in RFC 4514 form, such as `CN=ann,O=Example`.
    #[default]
    DistinguishedName,
    /// The subject's common name.
    CommonName,
}

/// A certificate gives no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The peer showed no certificate.
    #[error("the peer showed no certificate")]
    Missing,
    /// It is not a certificate.
    #[error("the peer's certificate cannot be read")]
    Unreadable,
    /// There is no such attribute, or there are several, or it is not text.
    #[error("the certificate's subject has no unambiguous {what}")]
    Ambiguous {
        /// What was looked for.
        what: &'static str,
    },
}

/// The user's name that a certificate in DER stands for.
///
/// # Errors
/// [`NameError`] when there is not exactly one reading of it: two common names, a NUL or another
/// control character in the name are refused rather than interpreted.
pub fn user_name(certificate: &[u8], source: NameSource) -> Result<String, NameError> {
    let (rest, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| NameError::Unreadable)?;
    if !rest.is_empty() {
        return Err(NameError::Unreadable);
    }
    let (what, name) = match source {
        NameSource::CommonName => ("common name", common_name(certificate.subject())),
        NameSource::DistinguishedName => (
            "distinguished name",
            distinguished_name(certificate.subject()),
        ),
    };
    name.filter(|name| !name.is_empty() && !name.chars().any(char::is_control))
        .ok_or(NameError::Ambiguous { what })
}

fn common_name(subject: &X509Name<'_>) -> Option<String> {
    let mut names = subject.iter_common_name();
    let name = names.next()?.as_str().ok()?;
    names.next().is_none().then(|| name.to_owned())
}

/// The subject as RFC 4514 writes it: last component first, special characters escaped.
fn distinguished_name(subject: &X509Name<'_>) -> Option<String> {
    let mut components = Vec::new();
    for component in subject.iter() {
        let mut attributes = Vec::new();
        for attribute in component.iter() {
            let identifier = attribute.attr_type().to_id_string();
            let value = escape(attribute.as_str().ok()?);
            attributes.push(format!("{}={value}", short_name(&identifier)));
        }
        components.push(attributes.join("+"));
    }
    components.reverse();
    Some(components.join(","))
}

/// The short names of RFC 4514 §3 and the one of e-mail addresses; others stay as numbers.
fn short_name(identifier: &str) -> &str {
    match identifier {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        other => other,
    }
}

/// RFC 4514 §2.4.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        let special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (at == 0 && matches!(character, ' ' | '#'))
            || (at == last && character == ' ');
        if special {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    fn certificate(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_or_the_whole_subject_is_the_name() {
        let der = certificate(&[
            (DnType::OrganizationName, "Example, Inc."),
            (DnType::CommonName, "ann"),
        ]);
        assert_eq!(user_name(&der, NameSource::CommonName), Ok("ann".into()));
        assert_eq!(
            user_name(&der, NameSource::DistinguishedName),
            Ok("CN=ann,O=Example\\, Inc.".into())
        );
    }

    #[test]
    fn a_missing_or_forged_name_is_refused() {
        let nameless = certificate(&[(DnType::OrganizationName, "Example")]);
        let what = "common name";
        assert_eq!(
            user_name(&nameless, NameSource::CommonName),
            Err(NameError::Ambiguous { what })
        );
        let forged = certificate(&[(DnType::CommonName, "admin\0.example.org")]);
        assert_eq!(
            user_name(&forged, NameSource::CommonName),
            Err(NameError::Ambiguous { what })
        );
        assert!(user_name(&certificate(&[]), NameSource::DistinguishedName).is_err());
    }

    #[test]
    fn garbage_is_unreadable() {
        let mut trailing = certificate(&[(DnType::CommonName, "ann")]);
        trailing.push(0);
        for der in [&b""[..], b"\x30\x80", &trailing] {
            assert_eq!(
                user_name(der, NameSource::CommonName),
                Err(NameError::Unreadable)
            );
        }
    }

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(escape(" a#b "), "\\ a#b\\ ");
        assert_eq!(escape("#a+b=c\\"), "\\#a\\+b=c\\\\");
    }
}
