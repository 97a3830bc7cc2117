//! Properties of everything that takes text or bytes from outside.

#![allow(clippy::unwrap_used, reason = "a test fails where it is wrong")]

use proptest::prelude::*;
use sabir_core::authorize::{Authorizer as _, Operation, Resource};
use sabir_security::sasl::{Mechanisms, MechanismsConfig, Step};
use sabir_security::users::{Credential, UserSpec};
use sabir_security::{
    PasswordHash, Peer, Permission, StoreConfig, SystemEntropy, TopicPermission, UserStore,
};
use std::sync::Arc;

/// A quick hash of `test12`.
const TEST12: &str = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";

const LOCAL: Peer = Peer {
    loopback: true,
    certificate: None,
};

fn store_with(name: &str) -> UserStore {
    let store = UserStore::new(StoreConfig::default(), Arc::new(SystemEntropy)).unwrap();
    let hash = PasswordHash::parse("rabbit_password_hashing_sha256", TEST12).unwrap();
    let change = store.put_user(&UserSpec {
        name,
        credential: Credential::Hash(hash),
        tags: &[],
    });
    store.apply(&change.unwrap()).unwrap();
    store
}

fn topic_permission(name: &str, pattern: &str) -> TopicPermission {
    TopicPermission {
        namespace: "/".to_owned(),
        user: name.to_owned(),
        exchange: "amq.topic".to_owned(),
        write: pattern.to_owned(),
        read: String::new(),
    }
}

fn permission(name: &str) -> Permission {
    Permission {
        namespace: "/".to_owned(),
        user: name.to_owned(),
        configure: ".*".to_owned(),
        write: ".*".to_owned(),
        read: ".*".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever a name contains, the pattern that mentions it matches the name and nothing that
    /// differs from it.
    #[test]
    fn names_in_topic_patterns_match_only_themselves(
        name in "[^\\p{Cc}]{1,20}",
        client in "[^\\p{Cc}]{0,20}",
        other in "[^\\p{Cc}]{0,20}",
    ) {
        let store = store_with(&name);
        for change in [
            store.set_permission(&permission(&name)),
            store.set_topic_permission(&topic_permission(&name, "^{username}/{client_id}$")),
        ] {
            store.apply(&change.unwrap()).unwrap();
        }
        let publishes = |key: &str| {
            let resource = Resource::exchange("amq.topic")
                .with_routing_key(key.as_bytes())
                .with_client_id(&client);
            store.permits(&name, "/", Operation::Publish, resource)
        };
        let own = format!("{name}/{client}");
        prop_assert!(publishes(&own));
        let foreign = format!("{name}/{other}");
        prop_assert_eq!(publishes(&foreign), foreign == own);
        let foreign = format!("{other}/{client}");
        prop_assert_eq!(publishes(&foreign), foreign == own);
    }

    /// Every user that can be made is found again under its own name, and logs in.
    #[test]
    fn any_usable_name_survives_storage(name in "[^\\p{Cc}]{1,40}") {
        let store = store_with(&name);
        store.apply(&store.set_permission(&permission(&name)).unwrap()).unwrap();
        let again = UserStore::new(StoreConfig::default(), Arc::new(SystemEntropy)).unwrap();
        let hash = store.user(&name).unwrap().password.unwrap();
        let user = again.put_user(&UserSpec {
            name: &name,
            credential: Credential::Hash(hash),
            tags: &[],
        });
        let documents = user.unwrap().writes.into_iter();
        again.load(documents.map(|write| (write.key, write.value.unwrap()))).unwrap();
        prop_assert_eq!(again.users(), store.users());
        prop_assert!(again.authenticate(&name, b"test12", &LOCAL).is_ok());
    }

    /// No response makes a mechanism panic, and none but the right one logs in.
    #[test]
    fn arbitrary_responses_are_only_refused(response in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mechanisms = Mechanisms::new(Arc::new(store_with("ann")), MechanismsConfig::default());
        for name in ["PLAIN", "AMQPLAIN"] {
            // A parsed password costs a real hash, so only responses that cannot be parsed as the
            // name of a user are tried in numbers.
            if response.iter().filter(|byte| **byte == 0).count() == 2 {
                continue;
            }
            let mut exchange = mechanisms.begin(name, &LOCAL).unwrap();
            prop_assert!(matches!(exchange.step(&response), Step::Failure(_)));
        }
    }

    /// No text makes a password hash that panics.
    #[test]
    fn arbitrary_hashes_are_read_or_refused(
        algorithm in "argon2id|rabbit_password_hashing_(sha256|sha512|md5)|.{0,20}",
        text in "(\\$argon2id\\$v=19\\$m=8,t=1,p=1\\$)?[A-Za-z0-9+/=$,]{0,80}",
    ) {
        if let Ok(hash) = PasswordHash::parse(&algorithm, &text) {
            let again = PasswordHash::parse(hash.algorithm(), &hash.text());
            prop_assert_eq!(again.as_ref(), Ok(&hash));
            prop_assert!(!hash.verify(b""));
        }
    }

    /// Documents that were damaged are refused, not misread, and change nothing.
    #[test]
    fn arbitrary_documents_change_nothing(key in "(user|permission|topic-permission)/.{0,20}", value in ".{0,60}") {
        let store = store_with("ann");
        let before = (store.users(), store.permissions(), store.generation());
        if store.load([(key, value.into_bytes())]).is_err() {
            let after = (store.users(), store.permissions(), store.generation());
            prop_assert_eq!(before, after);
        }
    }
}
