//! Routers with many bindings, and a message for each.

use sabir_core::message::value::Table;
use sabir_core::name::Name;
use sabir_core::routing::{
    BindingSpec, ExchangeSpec, Kind, QueueId, RouteInput, Router, RouterLimits, Target, Targets,
};

/// Bindings, each to a queue of its own.
const BINDINGS: u64 = 1000;
const EXCHANGE: &str = "exchange";

/// A message and the router that knows where it goes.
pub(crate) struct Lookup {
    router: Router,
    exchange: Name,
    routing_key: &'static str,
    headers: Table,
    targets: Targets,
}

impl Lookup {
    /// By the name of a queue among many.
    pub(crate) fn default_exchange() -> Self {
        let mut router = Router::new(RouterLimits::default());
        for number in 0..BINDINGS {
            let name = Name::from(format!("queue-{number}").as_str());
            router.register_queue(&name, QueueId(number));
        }
        Self::new(router, Name::default(), "queue-500")
    }

    /// By an equal key among many.
    pub(crate) fn direct() -> Self {
        let router = bound(Kind::Direct, |number| {
            (format!("key-{number}"), Table::new())
        });
        Self::new(router, Name::from_static(EXCHANGE), "key-500")
    }

    /// By patterns, of which three in a thousand match.
    pub(crate) fn topic() -> Self {
        let router = bound(Kind::Topic, |number| {
            let pattern = match number {
                0 => "#".to_owned(),
                1 => "*.orders.*".to_owned(),
                _ => format!("region-{number}.orders.#"),
            };
            (pattern, Table::new())
        });
        Self::new(
            router,
            Name::from_static(EXCHANGE),
            "region-500.orders.created",
        )
    }

    /// By a header among many.
    pub(crate) fn headers() -> Self {
        let router = bound(Kind::Headers, |number| {
            let arguments = table(&[("customer", &number.to_string())]);
            (String::new(), arguments)
        });
        let mut lookup = Self::new(router, Name::from_static(EXCHANGE), "");
        lookup.headers = table(&[("kind", "order"), ("customer", "500")]);
        lookup
    }

    fn new(router: Router, exchange: Name, routing_key: &'static str) -> Self {
        let mut lookup = Self {
            router,
            exchange,
            routing_key,
            headers: Table::new(),
            targets: Targets::new(),
        };
        lookup.route();
        lookup
    }

    /// Finds the targets.
    pub(crate) fn route(&mut self) {
        let mut input = RouteInput {
            routing_key: self.routing_key.as_bytes(),
            extra_keys: &[],
            attributes: &mut self.headers,
            random: 7,
            hold_delayed: false,
        };
        self.router
            .route(&self.exchange, &mut input, &mut self.targets)
            .expect("the exchange exists");
    }
}

/// A router with an exchange whose bindings have these keys and arguments.
fn bound(kind: Kind, binding: impl Fn(u64) -> (String, Table)) -> Router {
    let mut router = Router::new(RouterLimits::default());
    let exchange = Name::from_static(EXCHANGE);
    router
        .declare_exchange(&exchange, ExchangeSpec::durable(kind))
        .expect("a new exchange");
    for number in 0..BINDINGS {
        let (key, arguments) = binding(number);
        let spec = BindingSpec {
            source: exchange.clone(),
            target: Target::Queue(QueueId(number)),
            routing_key: key.as_str().into(),
            arguments,
        };
        router.bind(&spec).expect("a binding");
    }
    router
}

fn table(entries: &[(&str, &str)]) -> Table {
    let mut table = Table::new();
    for (name, value) in entries {
        table.push(*name, *value);
    }
    table
}
