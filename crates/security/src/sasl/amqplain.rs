//! AMQPLAIN: a field table without its length, with `LOGIN` and `PASSWORD` as long strings.
//!
//! A field is one length byte and the name, a type byte, and for a long string (type `S`) four
//! length bytes and the text. Clients send nothing else, so other types are refused.

use super::Credentials;
use crate::users::Failure;

const LONG_STRING: u8 = b'S';

/// Reads a response.
pub(super) fn parse(response: &[u8]) -> Result<Credentials<'_>, Failure> {
    let mut rest = response;
    let mut login = None;
    let mut password = None;
    while !rest.is_empty() {
        let (name, value) = field(&mut rest).ok_or(Failure::Malformed {
            reason: "not a table of long strings",
        })?;
        let slot = match name {
            b"LOGIN" => &mut login,
            b"PASSWORD" => &mut password,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(Failure::Malformed {
                reason: "LOGIN or PASSWORD is given twice",
            });
        }
    }
    match (login, password) {
        (Some(login), Some(password)) => Credentials::new(login, password),
        _ => Err(Failure::Malformed {
            reason: "LOGIN or PASSWORD is missing",
        }),
    }
}

/// Takes one field off the front.
fn field<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let name_bytes = take(rest, 1)?.first().copied()?;
    let name = take(rest, usize::from(name_bytes))?;
    if take(rest, 1)? != [LONG_STRING] {
        return None;
    }
    let value_bytes = take(rest, 4)?.first_chunk().copied()?;
    let value_bytes = usize::try_from(u32::from_be_bytes(value_bytes)).ok()?;
    Some((name, take(rest, value_bytes)?))
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::sasl) fn table(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut table = Vec::new();
        for (name, value) in fields {
            table.push(name.len() as u8);
            table.extend_from_slice(name.as_bytes());
            table.push(LONG_STRING);
            table.extend_from_slice(&(value.len() as u32).to_be_bytes());
            table.extend_from_slice(value.as_bytes());
        }
        table
    }

    #[test]
    fn login_and_password_are_found_in_any_order() {
        let expected = Ok(Credentials {
            name: "ann",
            password: b"secret",
        });
        let plain = table(&[("LOGIN", "ann"), ("PASSWORD", "secret")]);
        assert_eq!(parse(&plain), expected);
        let other = table(&[("PASSWORD", "secret"), ("LANG", "en"), ("LOGIN", "ann")]);
        assert_eq!(parse(&other), expected);
    }

    #[test]
    fn every_truncation_is_malformed() {
        let whole = table(&[("LOGIN", "ann"), ("PASSWORD", "secret")]);
        for end in 0..whole.len() {
            let malformed = matches!(parse(&whole[..end]), Err(Failure::Malformed { .. }));
            assert!(malformed, "{end}");
        }
    }

    #[test]
    fn other_types_and_repeated_fields_are_malformed() {
        let twice = table(&[("LOGIN", "ann"), ("LOGIN", "bob"), ("PASSWORD", "x")]);
        for response in [
            &twice[..],
            b"\x05LOGINt\x01",
            b"\x05LOGINS\xff\xff\xff\xffx",
        ] {
            assert!(matches!(parse(response), Err(Failure::Malformed { .. })));
        }
    }
}
