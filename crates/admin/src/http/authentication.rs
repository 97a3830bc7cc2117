//! Nobody gets further without a name, a password and a role that suffices.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::backend::{AdminBackend, Caller, Credentials, Role};
use crate::failure::Failure;

/// Where a request comes from. The server puts it beside each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAddress(pub(super) IpAddr);

/// Lets a request pass whose sender is known and may do what it asks for.
pub(super) async fn authenticate<B: AdminBackend>(
    State(backend): State<Arc<B>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, body) = request.into_parts();
    let caller = match caller_of(&*backend, &head).await {
        Ok(caller) => caller,
        Err(failure) => return failure.into_response(),
    };
    if head.method != Method::GET {
        tracing::info!(
            principal = caller.principal,
            method = %head.method,
            path = head.uri.path(),
            "administration request"
        );
    }
    head.extensions.insert(caller);
    next.run(Request::from_parts(head, body)).await
}

async fn caller_of<B: AdminBackend>(backend: &B, head: &Parts) -> Result<Caller, Failure> {
    let PeerAddress(address) = *head
        .extensions
        .get()
        .ok_or_else(|| Failure::Unavailable("the client's address is not known".to_owned()))?;
    if address.to_canonical().is_loopback() && !host_is_local(&head.headers) {
        return Err(Failure::Denied(
            "requests over loopback have to name a loopback address or localhost as their host"
                .to_owned(),
        ));
    }
    let (name, password) = basic_credentials(&head.headers).ok_or(Failure::Unauthenticated)?;
    let credentials = Credentials {
        name: &name,
        password: &password,
        address,
    };
    let caller = backend.authenticate(credentials).await?;
    let needed = if head.method == Method::GET {
        Role::Monitor
    } else {
        Role::Administrator
    };
    if caller.role < needed {
        return Err(Failure::Denied(format!(
            "user {:?} may look at the broker but not change it",
            caller.principal
        )));
    }
    Ok(caller)
}

/// A web page can give its own name a loopback address and so talk, from the user's browser, to
/// what listens there. Such a request carries the page's name.
fn host_is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The value of an `Authorization` header with this name and password (RFC 7617).
#[must_use]
pub fn basic_authorization(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// The name and password of an `Authorization: Basic` header (RFC 7617).
fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn only_names_of_this_machine_are_local_hosts() {
        for local in [
            "localhost",
            "LOCALHOST:15672",
            "127.0.0.1:1",
            "[::1]:15672",
            "[::1]",
        ] {
            assert!(host_is_local(&with(HOST, local)), "{local}");
        }
        for foreign in [
            "evil.example",
            "evil.example:15672",
            "127.0.0.1.evil.example",
            "10.0.0.1",
        ] {
            assert!(!host_is_local(&with(HOST, foreign)), "{foreign}");
        }
        assert!(!host_is_local(&HeaderMap::new()));
    }

    #[test]
    fn a_password_may_contain_a_colon() {
        let header = format!("Basic {}", STANDARD.encode("anna:pass:word"));
        let credentials = basic_credentials(&with(AUTHORIZATION, &header));
        assert_eq!(
            credentials,
            Some(("anna".to_owned(), "pass:word".to_owned()))
        );
    }

    #[test]
    fn other_schemes_and_broken_headers_give_no_credentials() {
        for header in ["Bearer abc", "Basic", "Basic !!!", "Basic YW5uYQ=="] {
            assert_eq!(
                basic_credentials(&with(AUTHORIZATION, header)),
                None,
                "{header}"
            );
        }
    }
}
