//! PLAIN (RFC 4616): authorization identity NUL user name NUL password.

use super::Credentials;
use crate::users::Failure;

/// Reads a response. The authorization identity must be empty or the user itself.
pub(super) fn parse(response: &[u8]) -> Result<Credentials<'_>, Failure> {
    let mut parts = response.splitn(3, |&byte| byte == 0);
    let (Some(requested), Some(name), Some(password)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::Malformed {
            reason: "fewer than two NUL bytes",
        });
    };
    if password.contains(&0) {
        return Err(Failure::Malformed {
            reason: "more than two NUL bytes",
        });
    }
    if !requested.is_empty() && requested != name {
        return Err(Failure::OtherIdentity {
            authenticated: String::from_utf8_lossy(name).into_owned(),
            requested: String::from_utf8_lossy(requested).into_owned(),
        });
    }
    Credentials::new(name, password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_ask_to_be_itself_and_nobody_else() {
        let expected = Ok(Credentials {
            name: "ann",
            password: b"secret",
        });
        assert_eq!(parse(b"\0ann\0secret"), expected);
        assert_eq!(parse(b"ann\0ann\0secret"), expected);
        assert!(matches!(
            parse(b"bob\0ann\0secret"),
            Err(Failure::OtherIdentity { .. })
        ));
    }

    #[test]
    fn other_shapes_are_malformed() {
        for response in [
            &b""[..],
            b"ann",
            b"\0ann",
            b"\0ann\0secret\0",
            b"\0\xff\0secret",
        ] {
            assert!(matches!(parse(response), Err(Failure::Malformed { .. })));
        }
    }
}
