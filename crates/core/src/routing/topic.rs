//! Bindings by pattern: a trie over the steps of patterns.
//!
//! Matching follows all branches at once, one token of the key at a time. A node behind a `Many`
//! step stays active for the rest of the key, so every node is active at most once per token
//! whatever the number of wildcards, and the work is bounded by tokens × nodes that match a
//! beginning of the key.

use bytes::Bytes;
use hashbrown::HashMap;

use super::marks::Marks;
use super::pattern::{Pattern, Step};
use super::subject::{is_system, tokens};
use super::target::{Destination, Destinations};

/// Patterns begin here.
const ROOT: NodeId = 0;
/// Patterns begin here whose leading wildcard spares system subjects.
const SPARING_ROOT: NodeId = 1;

type NodeId = u32;

/// The bindings of a topic exchange.
#[derive(Debug)]
pub(super) struct TopicIndex {
    nodes: Vec<Node>,
    vacant: Vec<NodeId>,
    edges: HashMap<(NodeId, u32), NodeId>,
    symbols: Symbols,
}

#[derive(Debug, Default)]
struct Node {
    /// How many edges with a literal lead on.
    literals: u32,
    one: Option<NodeId>,
    many: Option<NodeId>,
    destinations: Destinations,
}

impl Node {
    fn is_idle(&self) -> bool {
        let leads_nowhere = self.literals == 0 && self.one.is_none() && self.many.is_none();
        leads_nowhere && self.destinations.is_empty()
    }
}

/// The state of one walk through the trie, kept between walks for its memory.
#[derive(Debug, Default)]
pub(super) struct TopicWalk {
    /// Nodes that matched exactly the tokens so far.
    active: Vec<NodeId>,
    next: Vec<NodeId>,
    /// Nodes behind a `Many` step, which go on matching.
    lasting: Marks,
}

impl Default for TopicIndex {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default(), Node::default()],
            vacant: Vec::new(),
            edges: HashMap::new(),
            symbols: Symbols::default(),
        }
    }
}

impl TopicIndex {
    /// Adds one binding.
    pub(super) fn insert(&mut self, pattern: &Pattern, destination: Destination) {
        let mut node = root_of(pattern);
        for step in pattern.steps() {
            node = self.descend(node, step);
        }
        self.node_mut(node).destinations.insert(destination);
    }

    /// Removes one binding, and the nodes that only it needed.
    pub(super) fn remove(&mut self, pattern: &Pattern, destination: Destination) {
        let mut node = root_of(pattern);
        let mut path = Vec::new();
        for step in pattern.steps() {
            let Some(child) = self.child(node, step) else {
                return;
            };
            path.push((node, step, child));
            node = child;
        }
        self.node_mut(node).destinations.remove(destination);
        while let Some((parent, step, child)) = path.pop() {
            if !self.node(child).is_idle() {
                break;
            }
            self.detach(parent, step);
            self.vacant.push(child);
        }
    }

    /// Calls `found` with every destination whose pattern matches the key, at least once.
    pub(super) fn collect(
        &self,
        key: &[u8],
        walk: &mut TopicWalk,
        found: &mut impl FnMut(Destination),
    ) {
        self.begin(is_system(key), walk);
        for token in tokens(key) {
            if walk.active.is_empty() && walk.lasting.members().is_empty() {
                return;
            }
            self.take(token, walk);
        }
        for &node in walk.active.iter().chain(walk.lasting.members()) {
            self.node(node).destinations.each(found);
        }
    }

    fn begin(&self, system: bool, walk: &mut TopicWalk) {
        walk.active.clear();
        walk.lasting.clear();
        for (root, fits) in [(ROOT, true), (SPARING_ROOT, !system)] {
            if fits {
                walk.active.push(root);
                self.reach_many(root, &mut walk.lasting);
            }
        }
    }

    /// Follows every edge that the token fits. Nodes that become lasting by this token do not
    /// take it a second time.
    fn take(&self, token: &[u8], walk: &mut TopicWalk) {
        let symbol = self.symbols.find(token);
        walk.next.clear();
        for &node in walk.active.iter().chain(walk.lasting.members()) {
            let one = self.node(node).one;
            let literal = symbol.and_then(|symbol| self.edges.get(&(node, symbol)).copied());
            walk.next.extend(one);
            walk.next.extend(literal);
        }
        for &node in &walk.next {
            self.reach_many(node, &mut walk.lasting);
        }
        std::mem::swap(&mut walk.active, &mut walk.next);
    }

    fn reach_many(&self, node: NodeId, lasting: &mut Marks) {
        if let Some(many) = self.node(node).many {
            lasting.insert(many);
        }
    }

    fn child(&self, node: NodeId, step: Step<'_>) -> Option<NodeId> {
        match step {
            Step::One => self.node(node).one,
            Step::Many => self.node(node).many,
            Step::Literal(literal) => {
                let symbol = self.symbols.find(literal)?;
                self.edges.get(&(node, symbol)).copied()
            }
        }
    }

    fn descend(&mut self, node: NodeId, step: Step<'_>) -> NodeId {
        if let Some(child) = self.child(node, step) {
            return child;
        }
        let child = self.allocate();
        match step {
            Step::One => self.node_mut(node).one = Some(child),
            Step::Many => self.node_mut(node).many = Some(child),
            Step::Literal(literal) => {
                let symbol = self.symbols.acquire(literal);
                self.edges.insert((node, symbol), child);
                self.node_mut(node).literals += 1;
            }
        }
        child
    }

    fn detach(&mut self, node: NodeId, step: Step<'_>) {
        match step {
            Step::One => self.node_mut(node).one = None,
            Step::Many => self.node_mut(node).many = None,
            Step::Literal(literal) => {
                if let Some(symbol) = self.symbols.release(literal) {
                    self.edges.remove(&(node, symbol));
                    self.node_mut(node).literals -= 1;
                }
            }
        }
    }

    fn allocate(&mut self) -> NodeId {
        if let Some(vacant) = self.vacant.pop() {
            return vacant;
        }
        let node = NodeId::try_from(self.nodes.len())
            .expect("bindings × tokens of a pattern are limited to far less than 2^32 nodes");
        self.nodes.push(Node::default());
        node
    }

    fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node as usize]
    }

    fn node_mut(&mut self, node: NodeId) -> &mut Node {
        &mut self.nodes[node as usize]
    }
}

fn root_of(pattern: &Pattern) -> NodeId {
    if pattern.spares_system_subjects() {
        SPARING_ROOT
    } else {
        ROOT
    }
}

/// Numbers for the literals of all patterns, so that an edge is found by two numbers.
#[derive(Debug, Default)]
struct Symbols {
    numbers: HashMap<Bytes, Symbol>,
    vacant: Vec<u32>,
}

#[derive(Debug)]
struct Symbol {
    number: u32,
    edges: u32,
}

impl Symbols {
    fn find(&self, literal: &[u8]) -> Option<u32> {
        self.numbers.get(literal).map(|symbol| symbol.number)
    }

    /// The number of the literal, for one edge more.
    fn acquire(&mut self, literal: &Bytes) -> u32 {
        if let Some(symbol) = self.numbers.get_mut(literal) {
            symbol.edges += 1;
            return symbol.number;
        }
        let number = self.vacant.pop().unwrap_or_else(|| {
            u32::try_from(self.numbers.len()).expect("there are no more literals than nodes")
        });
        let symbol = Symbol { number, edges: 1 };
        self.numbers.insert(Bytes::copy_from_slice(literal), symbol);
        number
    }

    /// The number of the literal, which one edge less uses from now on.
    fn release(&mut self, literal: &Bytes) -> Option<u32> {
        let symbol = self.numbers.get_mut(literal)?;
        let number = symbol.number;
        symbol.edges -= 1;
        if symbol.edges == 0 {
            self.numbers.remove(literal);
            self.vacant.push(number);
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::target::QueueId;

    fn words(text: &str) -> Pattern {
        Pattern::from_dotted_words(text.as_bytes()).unwrap()
    }

    fn queue(id: u64) -> Destination {
        Destination::Queue(QueueId(id))
    }

    fn collect(index: &TopicIndex, key: &str) -> Vec<Destination> {
        let mut found = Vec::new();
        index.collect(key.as_bytes(), &mut TopicWalk::default(), &mut |one| {
            found.push(one);
        });
        found.sort_unstable();
        found
    }

    #[test]
    fn several_many_steps_activate_each_node_once() {
        let mut index = TopicIndex::default();
        index.insert(&words("#.a.#.a.#.a.#"), queue(1));
        assert_eq!(collect(&index, &"a.".repeat(100)), [queue(1)]);
        assert_eq!(collect(&index, "a.b.a"), []);
    }

    #[test]
    fn sparing_and_other_bindings_of_one_pattern_are_kept_apart() {
        let mut index = TopicIndex::default();
        index.insert(&words("#"), queue(1));
        index.insert(&words("#").sparing_system_subjects(), queue(2));
        assert_eq!(collect(&index, "$SYS.a"), [queue(1)]);
        assert_eq!(collect(&index, "a"), [queue(1), queue(2)]);
        index.remove(&words("#"), queue(1));
        assert_eq!(collect(&index, "$SYS.a"), []);
        assert_eq!(collect(&index, "a"), [queue(2)]);
    }

    #[test]
    fn removal_leaves_nothing_behind() {
        let mut index = TopicIndex::default();
        let patterns = ["a.b.c", "a.b", "a.*.#", "#.c", "*.*", ""];
        for (id, pattern) in (0..).zip(patterns) {
            index.insert(&words(pattern), queue(id));
        }
        let grown = index.nodes.len();
        for (id, pattern) in (0..).zip(patterns) {
            index.remove(&words(pattern), queue(id));
        }
        assert_eq!(index.vacant.len(), grown - 2);
        assert!(index.edges.is_empty() && index.symbols.numbers.is_empty());
        index.insert(&words("x.y"), queue(9));
        assert_eq!(index.nodes.len(), grown);
        assert_eq!(collect(&index, "x.y"), [queue(9)]);
        assert_eq!(collect(&index, "a.b.c"), []);
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let mut index = TopicIndex::default();
        index.insert(&words("a.b"), queue(1));
        index.remove(&words("a.c"), queue(1));
        index.remove(&words("a"), queue(1));
        index.remove(&words("a.b"), queue(2));
        assert_eq!(collect(&index, "a.b"), [queue(1)]);
    }
}
