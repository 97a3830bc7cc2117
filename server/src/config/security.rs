//! Who may connect, and the users that a new broker starts with.

use std::collections::BTreeMap;

use super::secret::Secret;
use super::section::{Fault, Place, Reference, Setting, section};

const USERS_MAX: usize = 1000;
const USER_NAME_BYTES_MAX: usize = 255;

section! {
    /// Who may connect.
    Security {
        /// Whether the default user `guest` may connect from this machine only.
        guest_loopback_only: bool = true;
        /// Whether a broker without data starts with the user `guest`, password `guest`, an
        /// administrator.
        guest: bool = true;
        /// Users that are created at start where they do not exist yet; a user that exists keeps
        /// its password and permissions.
        users: BTreeMap<String, User> = BTreeMap::new();
    }
}

section! {
    /// A user to create, named by the section.
    User {
        /// The password.
        password: Secret = Secret::default();
        /// What the user may do besides messaging: `administrator`, `monitoring`, `management` or
        /// `policymaker`.
        tags: Vec<String> = Vec::new();
        /// Namespaces in which the user may do everything.
        namespaces: Vec<String> = vec!["/".to_owned()];
    }
}

impl Setting for BTreeMap<String, User> {
    fn describe(&self, place: &Place<'_>, reference: &mut Reference) {
        if self.is_empty() {
            let template = Place {
                path: place.join("<name>"),
                documentation: place.documentation,
                bounds: None,
            };
            User::default().describe(&template, reference);
        }
        for (name, user) in self {
            let place = Place {
                path: place.join(name),
                documentation: place.documentation,
                bounds: None,
            };
            user.describe(&place, reference);
        }
    }

    fn check(&self, place: &Place<'_>, faults: &mut Vec<Fault>) {
        if self.len() > USERS_MAX {
            let reason = format!("more than {USERS_MAX} users");
            faults.push(Fault {
                path: place.path.clone(),
                reason,
            });
        }
        for (name, user) in self {
            let path = place.join(name);
            if name.is_empty() || name.len() > USER_NAME_BYTES_MAX {
                let reason = format!("a user name has 1 to {USER_NAME_BYTES_MAX} bytes");
                faults.push(Fault {
                    path: path.clone(),
                    reason,
                });
            }
            if user.password.is_empty() {
                faults.push(Fault {
                    path: format!("{path}.password"),
                    reason: "a user needs a password".to_owned(),
                });
            }
            user.check(
                &Place {
                    path,
                    documentation: "",
                    bounds: None,
                },
                faults,
            );
        }
    }
}
