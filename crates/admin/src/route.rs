//! The addresses of the administration API: patterns for the server, paths for its clients.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The broker as a whole.
pub const OVERVIEW: &str = "/api/v1/overview";
/// All namespaces.
pub const NAMESPACES: &str = "/api/v1/namespaces";
/// One namespace.
pub const NAMESPACE: &str = "/api/v1/namespaces/{namespace}";
/// What one namespace may hold.
pub const NAMESPACE_LIMITS: &str = "/api/v1/namespaces/{namespace}/limits";
/// The queues of all namespaces.
pub const QUEUES: &str = "/api/v1/queues";
/// One queue.
pub const QUEUE: &str = "/api/v1/namespaces/{namespace}/queues/{name}";
/// The messages of one queue.
pub const QUEUE_MESSAGES: &str = "/api/v1/namespaces/{namespace}/queues/{name}/messages";
/// Fetching messages of one queue.
pub const QUEUE_FETCH: &str = "/api/v1/namespaces/{namespace}/queues/{name}/fetch";
/// The exchanges of all namespaces.
pub const EXCHANGES: &str = "/api/v1/exchanges";
/// One exchange.
pub const EXCHANGE: &str = "/api/v1/namespaces/{namespace}/exchanges/{name}";
/// The bindings of all namespaces.
pub const BINDINGS: &str = "/api/v1/bindings";
/// Making a binding in a namespace.
pub const BIND: &str = "/api/v1/namespaces/{namespace}/bindings";
/// Undoing a binding in a namespace.
pub const UNBIND: &str = "/api/v1/namespaces/{namespace}/bindings/remove";
/// All connections.
pub const CONNECTIONS: &str = "/api/v1/connections";
/// Closing a connection.
pub const CONNECTION_CLOSE: &str = "/api/v1/connections/{id}/close";
/// The consumers of all namespaces.
pub const CONSUMERS: &str = "/api/v1/consumers";
/// All users.
pub const USERS: &str = "/api/v1/users";
/// One user.
pub const USER: &str = "/api/v1/users/{name}";
/// All permissions.
pub const PERMISSIONS: &str = "/api/v1/permissions";
/// What one user may do in one namespace.
pub const PERMISSION: &str = "/api/v1/namespaces/{namespace}/permissions/{name}";
/// All topic permissions.
pub const TOPIC_PERMISSIONS: &str = "/api/v1/topic-permissions";
/// Which routing keys one user may use with one exchange.
pub const TOPIC_PERMISSION: &str =
    "/api/v1/namespaces/{namespace}/topic-permissions/{name}/{exchange}";
/// The policies of all namespaces.
pub const POLICIES: &str = "/api/v1/policies";
/// One policy.
pub const POLICY: &str = "/api/v1/namespaces/{namespace}/policies/{name}";
/// Publishing in a namespace.
pub const PUBLISH: &str = "/api/v1/namespaces/{namespace}/publish";

const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// The path of a pattern with its places, in their order, taken by `names`.
///
/// Every byte of a name that could mean something in a path is escaped, the dot included: a
/// queue may be called `..`.
#[must_use]
pub fn path(pattern: &str, names: &[&str]) -> String {
    let mut path = String::new();
    let mut rest = pattern;
    for name in names {
        let Some((before, after)) = rest.split_once('{') else {
            break;
        };
        path.push_str(before);
        path.push_str(&escape(name));
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    path.push_str(rest);
    path
}

/// A text with every byte escaped that could mean something in a path or after the question mark.
#[must_use]
pub fn escape(text: &str) -> String {
    utf8_percent_encode(text, &KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_so_that_they_stay_one_part_of_the_path() {
        assert_eq!(
            path(QUEUE, &["/", "a/b?.."]),
            "/api/v1/namespaces/%2F/queues/a%2Fb%3F%2E%2E"
        );
        assert_eq!(path(OVERVIEW, &[]), OVERVIEW);
    }
}
