//! Whole exchanges against a store.

use super::amqplain::tests::table;
use super::*;
use crate::entropy::fixed::CountingEntropy;
use crate::users::{Credential, StoreConfig, UserSpec};
use rcgen::{CertificateParams, DnType, KeyPair};

const LOCAL: Peer = Peer {
    loopback: true,
    certificate: None,
};

fn mechanisms(config: MechanismsConfig) -> Mechanisms {
    let entropy = Arc::new(CountingEntropy::default());
    let store = UserStore::new(StoreConfig::default(), entropy).unwrap();
    store.apply(&store.bootstrap("/").unwrap()).unwrap();
    let ann = store.put_user(&UserSpec {
        name: "ann",
        credential: Credential::Remove,
        tags: &[],
    });
    store.apply(&ann.unwrap()).unwrap();
    Mechanisms::new(Arc::new(store), config)
}

fn with_certificate(common_name: &str) -> Peer {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    Peer {
        loopback: false,
        certificate: Some(Arc::from(certificate.der().as_ref())),
    }
}

fn names(mechanisms: &Mechanisms, peer: &Peer) -> Vec<&'static str> {
    mechanisms.offered(peer).map(Mechanism::name).collect()
}

fn logged_in(mechanisms: &Mechanisms, name: &str, peer: &Peer, response: &[u8]) -> Option<String> {
    let mut exchange = mechanisms.begin(name, peer)?;
    match exchange.step(response) {
        Step::Success(principal) => Some(principal.name.to_string()),
        Step::Challenge(_) | Step::Failure(_) => None,
    }
}

#[test]
fn plain_and_amqplain_log_in_with_a_password() {
    let mechanisms = mechanisms(MechanismsConfig::default());
    assert_eq!(names(&mechanisms, &LOCAL), ["AMQPLAIN", "PLAIN"]);
    let guest = Some("guest".to_owned());
    let plain = b"\0guest\0guest";
    assert_eq!(logged_in(&mechanisms, "PLAIN", &LOCAL, plain), guest);
    let fields = table(&[("LOGIN", "guest"), ("PASSWORD", "guest")]);
    assert_eq!(logged_in(&mechanisms, "AMQPLAIN", &LOCAL, &fields), guest);
    let wrong = b"\0guest\0Guest";
    assert_eq!(logged_in(&mechanisms, "PLAIN", &LOCAL, wrong), None);
}

#[test]
fn external_needs_a_certificate_of_a_known_user() {
    let mechanisms = mechanisms(MechanismsConfig {
        certificate_name: NameSource::CommonName,
        ..MechanismsConfig::default()
    });
    assert!(mechanisms.begin("EXTERNAL", &LOCAL).is_none());
    let ann = with_certificate("ann");
    assert_eq!(names(&mechanisms, &ann), ["AMQPLAIN", "EXTERNAL", "PLAIN"]);
    let name = Some("ann".to_owned());
    assert_eq!(logged_in(&mechanisms, "EXTERNAL", &ann, b""), name);
    assert_eq!(logged_in(&mechanisms, "EXTERNAL", &ann, b"ann"), name);
    assert_eq!(logged_in(&mechanisms, "EXTERNAL", &ann, b"guest"), None);
    let stranger = with_certificate("eve");
    assert_eq!(logged_in(&mechanisms, "EXTERNAL", &stranger, b""), None);
    let remote_guest = with_certificate("guest");
    assert_eq!(logged_in(&mechanisms, "EXTERNAL", &remote_guest, b""), None);
}

#[test]
fn anonymous_is_off_until_it_is_enabled_and_has_a_user() {
    let mut config = MechanismsConfig {
        anonymous_user: Some("ann".to_owned()),
        ..MechanismsConfig::default()
    };
    assert!(
        mechanisms(config.clone())
            .begin("ANONYMOUS", &LOCAL)
            .is_none()
    );
    config.enabled.push(Mechanism::Anonymous);
    let name = Some("ann".to_owned());
    assert_eq!(
        logged_in(&mechanisms(config.clone()), "ANONYMOUS", &LOCAL, b"x"),
        name
    );
    config.anonymous_user = None;
    assert!(mechanisms(config).begin("ANONYMOUS", &LOCAL).is_none());
}

#[test]
fn an_unknown_mechanism_is_not_begun() {
    let mechanisms = mechanisms(MechanismsConfig::default());
    for name in ["", "plain", "GSSAPI", "RABBIT-CR-DEMO"] {
        assert!(mechanisms.begin(name, &LOCAL).is_none());
    }
}
