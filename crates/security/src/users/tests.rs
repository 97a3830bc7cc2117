//! Life of users and permissions: plan, persist, apply, ask.

use super::*;
use crate::entropy::fixed::CountingEntropy;
use crate::principal::{Authentication, Peer, Role};
use sabir_core::authorize::{Authorizer as _, Operation, Resource};

const LOCAL: Peer = Peer {
    loopback: true,
    certificate: None,
};
const REMOTE: Peer = Peer {
    loopback: false,
    certificate: None,
};

/// RabbitMQ's documented hash of `test12`: quick to verify.
const TEST12: &str = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";

fn store() -> UserStore {
    UserStore::new(StoreConfig::default(), Arc::new(CountingEntropy::default())).unwrap()
}

fn test12() -> Credential<'static> {
    Credential::Hash(PasswordHash::parse("rabbit_password_hashing_sha256", TEST12).unwrap())
}

fn put(store: &UserStore, name: &str, tags: &[&str]) {
    let change = store.put_user(&UserSpec {
        name,
        credential: test12(),
        tags,
    });
    store.apply(&change.unwrap()).unwrap();
}

fn permit(store: &UserStore, user: &str, [configure, write, read]: [&str; 3]) {
    let change = store.set_permission(&Permission {
        namespace: "/".to_owned(),
        user: user.to_owned(),
        configure: configure.to_owned(),
        write: write.to_owned(),
        read: read.to_owned(),
    });
    store.apply(&change.unwrap()).unwrap();
}

fn limit(store: &UserStore, exchange: &str, write: &str, read: &str) {
    let change = store.set_topic_permission(&TopicPermission {
        namespace: "/".to_owned(),
        user: "ann".to_owned(),
        exchange: exchange.to_owned(),
        write: write.to_owned(),
        read: read.to_owned(),
    });
    store.apply(&change.unwrap()).unwrap();
}

#[test]
fn a_new_broker_has_a_guest_who_stays_on_this_machine() {
    let store = store();
    assert!(store.is_empty());
    store.apply(&store.bootstrap("/").unwrap()).unwrap();
    let guest = store.authenticate("guest", b"guest", &LOCAL).unwrap();
    assert!(guest.roles.contains(Role::Administrator));
    assert_eq!(guest.authentication, Authentication::Password);
    assert!(store.permits("guest", "/", Operation::Create, Resource::queue("anything")));
    assert!(!store.permits("guest", "other", Operation::Connect, Resource::namespace()));
    assert_eq!(
        store.authenticate("guest", b"guest", &REMOTE),
        Err(Failure::LoopbackOnly {
            user: "guest".to_owned()
        })
    );
}

#[test]
fn only_the_right_password_of_a_known_user_is_accepted() {
    let store = store();
    put(&store, "ann", &[]);
    assert_eq!(
        *store.authenticate("ann", b"test12", &REMOTE).unwrap().name,
        *"ann"
    );
    for (name, password) in [("ann", &b"test13"[..]), ("ann", b""), ("bob", b"test12")] {
        let refused = Err(Failure::InvalidCredentials {
            user: name.to_owned(),
        });
        assert_eq!(store.authenticate(name, password, &REMOTE), refused);
    }
}

#[test]
fn a_user_without_a_password_has_no_empty_one() {
    let store = store();
    let change = store.put_user(&UserSpec {
        name: "cert-only",
        credential: Credential::Remove,
        tags: &[],
    });
    store.apply(&change.unwrap()).unwrap();
    assert!(store.authenticate("cert-only", b"", &LOCAL).is_err());
    let proven = store.identify("cert-only", Authentication::Certificate, &LOCAL);
    assert_eq!(*proven.unwrap().name, *"cert-only");
}

#[test]
fn a_verified_password_is_remembered_until_it_changes() {
    let store = store();
    put(&store, "ann", &[]);
    assert!(!store.remembers("ann", b"test12"));
    store.authenticate("ann", b"test12", &LOCAL).unwrap();
    assert!(store.remembers("ann", b"test12"));
    assert!(!store.remembers("ann", b"test13"));
    put(&store, "bob", &[]);
    assert!(store.remembers("ann", b"test12"));
    assert!(!store.remembers("bob", b"test12"));
    let change = store.put_user(&UserSpec {
        name: "ann",
        credential: Credential::Password(b"test13"),
        tags: &[],
    });
    store.apply(&change.unwrap()).unwrap();
    assert!(!store.remembers("ann", b"test12"));
    store.apply(&store.remove_user("ann").unwrap()).unwrap();
    assert!(!store.remembers("ann", b"test12"));
}

#[test]
fn a_failure_costs_as_much_as_the_default_hash() {
    assert!(authenticate::decoy().is_slow());
    let made = PasswordHash::create(b"secret", &CountingEntropy::default()).unwrap();
    assert!(made.is_slow());
    let cheap = PasswordHash::create_cheap(b"guest", &CountingEntropy::default()).unwrap();
    assert!(!cheap.is_slow());
}

#[test]
fn everything_is_found_again_after_a_restart_in_any_order() {
    let before = store();
    put(&before, "ann", &["monitoring", "team"]);
    put(&before, "b/ob%", &[]);
    permit(&before, "ann", ["^a", "", ".*"]);
    limit(&before, "amq.topic", "^{username}\\.", ".*");
    let mut documents = Vec::new();
    for user in before.users() {
        documents.push(document::encode_user(&user));
    }
    documents.extend(before.permissions().iter().map(document::encode_permission));
    let topics = before.topic_permissions();
    documents.extend(topics.iter().map(document::encode_topic_permission));
    documents.reverse();

    let after = store();
    after
        .load(
            documents
                .into_iter()
                .map(|write| (write.key, write.value.unwrap())),
        )
        .unwrap();
    assert_eq!(after.users(), before.users());
    assert_eq!(after.permissions(), before.permissions());
    assert_eq!(after.topic_permissions(), before.topic_permissions());
    assert!(after.authenticate("b/ob%", b"test12", &LOCAL).is_ok());
}

#[test]
fn an_unreadable_document_changes_nothing() {
    let store = store();
    put(&store, "ann", &[]);
    let generation = store.generation();
    let broken = [
        ("user/bob", &br#"{"version":"1","tags":[]}"#[..]),
        (
            "permission/%2F/ann",
            br#"{"version":"1","configure":"(","write":"","read":""}"#,
        ),
    ];
    let broken = broken.map(|(key, value)| (key.to_owned(), value.to_vec()));
    let error = store.load(broken).unwrap_err();
    assert_eq!(error.key, "permission/%2F/ann");
    assert_eq!(store.user("bob"), None);
    assert_eq!(store.generation(), generation);
}

#[test]
fn operations_ask_their_pattern() {
    let store = store();
    put(&store, "ann", &[]);
    permit(&store, "ann", ["^configure", "^write", "^read"]);
    let of = [
        (
            "configure",
            vec![Operation::Create, Operation::Delete, Operation::Configure],
        ),
        ("write", vec![Operation::Publish, Operation::BindTarget]),
        (
            "read",
            vec![
                Operation::Consume,
                Operation::Browse,
                Operation::Purge,
                Operation::BindSource,
                Operation::JoinGroup,
            ],
        ),
    ];
    for (kind, operations) in &of {
        for operation in operations {
            for (name, _) in &of {
                let permitted = store.permits("ann", "/", *operation, Resource::queue(name));
                assert_eq!(permitted, name == kind, "{operation} on {name}");
            }
        }
    }
    assert!(store.permits("ann", "/", Operation::Connect, Resource::namespace()));
    assert!(!store.permits("bob", "/", Operation::Connect, Resource::namespace()));
}

#[test]
fn the_default_exchange_has_a_name_for_patterns() {
    let store = store();
    put(&store, "ann", &[]);
    let publishes =
        |store: &UserStore| store.permits("ann", "/", Operation::Publish, Resource::exchange(""));
    permit(&store, "ann", ["", "^amq\\.default$", ""]);
    assert!(publishes(&store));
    permit(&store, "ann", ["", "", ""]);
    assert!(!publishes(&store));
}

#[test]
fn a_topic_permission_limits_its_exchange_only() {
    let store = store();
    put(&store, "ann", &[]);
    permit(&store, "ann", ["", ".*", ".*"]);
    limit(
        &store,
        "amq.topic",
        "^{username}\\.out\\.",
        "^{username}\\.in\\.",
    );
    let asks = |operation, exchange, key: &[u8]| {
        let resource = Resource::exchange(exchange).with_routing_key(key);
        store.permits("ann", "/", operation, resource)
    };
    assert!(asks(Operation::Publish, "amq.topic", b"ann.out.1"));
    assert!(!asks(Operation::Publish, "amq.topic", b"ann.in.1"));
    assert!(!asks(Operation::Publish, "amq.topic", b"ann.out.\xff"));
    assert!(asks(Operation::BindSource, "amq.topic", b"ann.in.1"));
    assert!(!asks(Operation::BindSource, "amq.topic", b"ann.out.1"));
    assert!(asks(Operation::Publish, "other.topic", b"bob.out.1"));
    let publish = Resource::exchange("amq.topic");
    assert!(store.permits("ann", "/", Operation::Publish, publish));
}

#[test]
fn roles_govern_administration_and_nothing_else() {
    let store = store();
    put(&store, "admin", &["administrator"]);
    put(&store, "watch", &["monitoring"]);
    put(&store, "local", &["management"]);
    put(&store, "mask", &["impersonator"]);
    permit(&store, "local", ["", "", ""]);
    let asks = |user, operation, resource| store.permits(user, "/", operation, resource);
    let user = Resource::new(sabir_core::authorize::ResourceKind::User, "ann");
    assert!(asks("admin", Operation::AdminWrite, user));
    assert!(!asks("admin", Operation::Publish, Resource::exchange("x")));
    assert!(!asks("admin", Operation::Impersonate, user));
    assert!(asks("mask", Operation::Impersonate, user));
    assert!(asks("watch", Operation::AdminRead, user));
    assert!(!asks("watch", Operation::AdminWrite, user));
    assert!(asks("local", Operation::AdminRead, Resource::queue("q")));
    assert!(!asks("local", Operation::AdminRead, user));
    assert!(!asks("nobody", Operation::AdminRead, user));
}

#[test]
fn a_removed_user_leaves_nothing_to_its_successor() {
    let store = store();
    put(&store, "ann", &[]);
    permit(&store, "ann", [".*", ".*", ".*"]);
    limit(&store, "amq.topic", "", "");
    let generation = store.generation();
    let change = store.remove_user("ann").unwrap();
    assert_eq!(change.writes.len(), 3);
    store.apply(&change).unwrap();
    assert!(store.generation() > generation);
    assert!(!store.permits("ann", "/", Operation::Connect, Resource::namespace()));
    put(&store, "ann", &[]);
    assert!(!store.permits("ann", "/", Operation::Connect, Resource::namespace()));
    assert_eq!(store.topic_permissions(), []);
}

#[test]
fn stray_permissions_grant_nothing_to_a_new_user() {
    let store = store();
    let stray = document::encode_permission(&Permission {
        namespace: "/".to_owned(),
        user: "ann".to_owned(),
        configure: ".*".to_owned(),
        write: ".*".to_owned(),
        read: ".*".to_owned(),
    });
    store.load([(stray.key, stray.value.unwrap())]).unwrap();
    assert!(!store.permits("ann", "/", Operation::Connect, Resource::namespace()));
    put(&store, "ann", &[]);
    assert!(!store.permits("ann", "/", Operation::Connect, Resource::namespace()));
}

#[test]
fn a_namespace_takes_its_permissions_along() {
    let store = store();
    put(&store, "ann", &[]);
    permit(&store, "ann", [".*", ".*", ".*"]);
    limit(&store, "amq.topic", "", "");
    store.apply(&store.remove_namespace("/")).unwrap();
    assert_eq!(store.permissions(), []);
    assert_eq!(store.topic_permissions(), []);
    assert!(store.user("ann").is_some());
}

#[test]
fn permissions_are_cleared_one_by_one() {
    let store = store();
    put(&store, "ann", &[]);
    permit(&store, "ann", [".*", ".*", ".*"]);
    limit(&store, "amq.topic", "", "");
    limit(&store, "other", "", "");
    let change = store.clear_topic_permissions("/", "ann", Some("other"));
    store.apply(&change.unwrap()).unwrap();
    assert_eq!(store.topic_permissions().len(), 1);
    let change = store.clear_topic_permissions("/", "ann", None);
    store.apply(&change.unwrap()).unwrap();
    assert_eq!(store.topic_permissions(), []);
    store
        .apply(&store.clear_permission("/", "ann").unwrap())
        .unwrap();
    assert_eq!(store.permissions(), []);
}

#[test]
fn a_password_change_keeps_permissions_and_ends_the_old_password() {
    let store = store();
    put(&store, "ann", &["team"]);
    permit(&store, "ann", [".*", ".*", ".*"]);
    store.authenticate("ann", b"test12", &LOCAL).unwrap();
    let change = store.put_user(&UserSpec {
        name: "ann",
        credential: Credential::Password(b"new secret"),
        tags: &[],
    });
    store.apply(&change.unwrap()).unwrap();
    assert!(store.authenticate("ann", b"test12", &LOCAL).is_err());
    assert!(store.authenticate("ann", b"new secret", &LOCAL).is_ok());
    assert_eq!(store.permissions().len(), 1);
    let change = store.put_user(&UserSpec {
        name: "ann",
        credential: Credential::Keep,
        tags: &["policymaker"],
    });
    store.apply(&change.unwrap()).unwrap();
    assert!(
        store.remembers("ann", b"new secret") || {
            store.authenticate("ann", b"new secret", &LOCAL).is_ok()
        }
    );
}

#[test]
fn unusable_names_tags_and_patterns_are_refused() {
    let store = store();
    put(&store, "ann", &[]);
    let user = |name: &str, tags: &[&str]| {
        let credential = Credential::Keep;
        store.put_user(&UserSpec {
            name,
            credential,
            tags,
        })
    };
    let longest = "x".repeat(plan::NAME_BYTES_MAX);
    assert!(user(&longest, &[&longest]).is_ok());
    for name in ["", "a\0b", &"x".repeat(plan::NAME_BYTES_MAX + 1)] {
        assert!(user(name, &[]).is_err());
        assert!(user("ok", &[name]).is_err());
    }
    assert!(user("ok", &vec!["tag"; plan::TAGS_MAX]).is_ok());
    assert!(user("ok", &vec!["tag"; plan::TAGS_MAX + 1]).is_err());
    let permission = |user: &str, write: &str| {
        store.set_permission(&Permission {
            namespace: "/".to_owned(),
            user: user.to_owned(),
            configure: String::new(),
            write: write.to_owned(),
            read: String::new(),
        })
    };
    assert!(permission("ann", "^x").is_ok());
    assert!(matches!(permission("ann", "["), Err(Refused::Pattern(_))));
    assert!(matches!(
        permission("bob", "^x"),
        Err(Refused::NoSuchUser { .. })
    ));
}
