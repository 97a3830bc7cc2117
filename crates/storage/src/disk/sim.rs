//! A disk in memory that loses power, fails and rots on demand, the same way for the same seed.
//!
//! Model: a file has a durable image and, per 512-byte sector, the versions written since its last
//! sync. A power cut keeps any one version of each sector. Names change in memory; a directory's
//! pending name changes survive a power cut up to an arbitrary point, as on a file system that
//! journals its metadata. A failed sync forgets which sectors were dirty but keeps showing them,
//! as a page cache does.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

const SECTOR: usize = 512;

type Sector = [u8; SECTOR];

/// What goes wrong at one operation. Operations are counted from zero; reads are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operation takes effect in memory only, answers an error, and so does all that follows.
    PowerOff,
    /// The operation answers an input/output error; a write may have happened in part.
    InputOutput,
    /// The operation answers that no space is left; a write may have happened in part.
    Full,
}

/// A simulated disk. Clones share it; [`SimDisk::fork`] makes an independent copy.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk without limits or faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An independent copy of everything, including pending writes and faults.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(self.state().clone())
    }

    /// The disk as the next start finds it when the power fails now. This disk stays as it is.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> Self {
        Self::of(
            self.state()
                .after_power_cut(&mut fastrand::Rng::with_seed(seed)),
        )
    }

    /// The disk as the next start finds it when only the process dies: nothing is lost, nothing
    /// becomes durable. Faults are cleared.
    #[must_use]
    pub fn after_process_crash(&self) -> Self {
        let mut state = self.state().clone();
        state.faults.clear();
        state.power_off = false;
        Self::of(state)
    }

    /// Lets a later operation fail.
    pub fn inject(&self, operation: u64, fault: Fault) {
        self.state().faults.insert(operation, fault);
    }

    /// How many operations have been counted.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// How many calls to sync a file have succeeded.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Limits the sum of file lengths; `None` lifts the limit.
    pub fn limit(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Inverts the bits of `mask` in one durable byte; answers whether the byte exists.
    #[must_use]
    pub fn flip(&self, path: &str, offset: u64, mask: u8) -> bool {
        let mut state = self.state();
        let Ok(node) = state.node(path) else {
            return false;
        };
        let node = state.node_mut(node);
        let Ok(offset) = usize::try_from(offset) else {
            return false;
        };
        for image in [&mut node.durable, &mut node.current] {
            match image.get_mut(offset) {
                Some(byte) => *byte ^= mask,
                None => return false,
            }
        }
        true
    }

    /// Counts an operation of something that lives beside the files, such as a simulated index.
    /// Answers the fault that it has to suffer; an error if it cannot even begin.
    pub(crate) fn begin_operation(&self) -> io::Result<Option<Fault>> {
        self.state().begin()
    }

    fn of(state: State) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn create(&self, path: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let fault = state.begin()?;
        if let Some(fault @ (Fault::InputOutput | Fault::Full)) = fault {
            return Err(fault.error());
        }
        let node = state.next_node;
        state.next_node += 1;
        state.nodes.insert(node, Arc::default());
        state.change_names(vec![(path.to_owned(), Some(node))]);
        done(fault)?;
        Ok(SimFile {
            disk: self.clone(),
            node,
        })
    }

    fn open(&self, path: &str) -> io::Result<SimFile> {
        let state = self.state();
        state.powered()?;
        let node = state.node(path)?;
        Ok(SimFile {
            disk: self.clone(),
            node,
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let node = state.node(from)?;
        let fault = state.begin()?;
        if fault.is_none() || fault == Some(Fault::PowerOff) {
            state.change_names(vec![(from.to_owned(), None), (to.to_owned(), Some(node))]);
        }
        done(fault)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.node(path)?;
        let fault = state.begin()?;
        if fault.is_none() || fault == Some(Fault::PowerOff) {
            state.change_names(vec![(path.to_owned(), None)]);
        }
        done(fault)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        state.powered()?;
        let names = state.names.keys().filter(|name| parent(name) == directory);
        Ok(names.map(|name| file_name(name).to_owned()).collect())
    }

    /// Directories exist as soon as a file is in them.
    fn create_directory(&self, _directory: &str) -> io::Result<()> {
        self.state().powered()
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        let mut state = self.state();
        let fault = state.begin()?;
        if fault.is_none() {
            state.sync_names(directory);
        }
        done(fault)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state
            .capacity
            .map_or(u64::MAX, |limit| limit.saturating_sub(state.used())))
    }
}

/// An open file of a [`SimDisk`].
#[derive(Clone, Debug)]
pub struct SimFile {
    disk: SimDisk,
    node: u64,
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.powered()?;
        Ok(state.image(self.node)?.len() as u64)
    }

    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let mut fault = state.begin()?;
        let mut bytes = parts.concat();
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let grows = (start + bytes.len()).saturating_sub(state.image(self.node)?.len()) as u64;
        if let Some(limit) = state.capacity
            && grows > 0
            && state.used().saturating_add(grows) > limit
        {
            fault = fault.or(Some(Fault::Full));
        }
        if matches!(fault, Some(Fault::InputOutput | Fault::Full)) {
            bytes.truncate(bytes.len() / 2);
            if grows > 0 {
                bytes.clear();
            }
        }
        state.node_mut(self.node).write(&bytes, start);
        done(fault)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        state.powered()?;
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start
            .checked_add(buffer.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let bytes = state
            .image(self.node)?
            .get(start..end)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let fault = state.begin()?;
        match fault {
            None => {
                state.syncs += 1;
                state.node_mut(self.node).sync();
            }
            Some(Fault::InputOutput | Fault::Full) => state.node_mut(self.node).pending.clear(),
            Some(Fault::PowerOff) => {}
        }
        done(fault)
    }

    fn forget_cached(&self) -> io::Result<()> {
        self.disk.state().powered()
    }
}

impl Fault {
    pub(crate) fn error(self) -> io::Error {
        match self {
            Self::PowerOff => io::Error::other("the power is off"),
            Self::InputOutput => io::Error::from_raw_os_error(5),
            Self::Full => io::ErrorKind::StorageFull.into(),
        }
    }
}

fn done(fault: Option<Fault>) -> io::Result<()> {
    fault.map_or(Ok(()), |fault| Err(fault.error()))
}

#[derive(Clone, Debug, Default)]
struct State {
    /// What a process sees.
    names: BTreeMap<String, u64>,
    /// What survives a power cut for certain.
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since, in order, by directory.
    pending_names: BTreeMap<String, Vec<NameChange>>,
    nodes: BTreeMap<u64, Arc<Node>>,
    next_node: u64,
    faults: BTreeMap<u64, Fault>,
    operations: u64,
    syncs: u64,
    capacity: Option<u64>,
    power_off: bool,
}

/// Names of one directory that change together.
type NameChange = Vec<(String, Option<u64>)>;

impl State {
    /// Counts an operation; answers the fault it is to suffer.
    fn begin(&mut self) -> io::Result<Option<Fault>> {
        self.powered()?;
        let fault = self.faults.remove(&self.operations);
        self.operations += 1;
        self.power_off = fault == Some(Fault::PowerOff);
        Ok(fault)
    }

    fn powered(&self) -> io::Result<()> {
        done(self.power_off.then_some(Fault::PowerOff))
    }

    fn node(&self, path: &str) -> io::Result<u64> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn node_mut(&mut self, node: u64) -> &mut Node {
        Arc::make_mut(self.nodes.entry(node).or_default())
    }

    fn image(&self, node: u64) -> io::Result<&[u8]> {
        let node = self.nodes.get(&node).ok_or(io::ErrorKind::NotFound)?;
        Ok(&node.current)
    }

    fn used(&self) -> u64 {
        let nodes = self.names.values().filter_map(|node| self.nodes.get(node));
        nodes.map(|node| node.current.len() as u64).sum()
    }

    fn change_names(&mut self, change: NameChange) {
        apply_names(&mut self.names, &change);
        let directory = change
            .first()
            .map_or("", |(name, _)| parent(name))
            .to_owned();
        self.pending_names
            .entry(directory)
            .or_default()
            .push(change);
    }

    fn sync_names(&mut self, directory: &str) {
        for change in self.pending_names.remove(directory).unwrap_or_default() {
            apply_names(&mut self.durable_names, &change);
        }
    }

    fn after_power_cut(&self, random: &mut fastrand::Rng) -> Self {
        let mut names = self.durable_names.clone();
        for changes in self.pending_names.values() {
            for change in changes.iter().take(random.usize(0..=changes.len())) {
                apply_names(&mut names, change);
            }
        }
        let mut nodes = BTreeMap::new();
        for node in names.values() {
            if let Some(content) = self.nodes.get(node) {
                nodes.insert(*node, Arc::new(content.after_power_cut(random)));
            }
        }
        Self {
            durable_names: names.clone(),
            names,
            nodes,
            next_node: self.next_node,
            capacity: self.capacity,
            ..Self::default()
        }
    }
}

fn apply_names(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    for (name, node) in change {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The bytes of one file.
#[derive(Clone, Debug, Default)]
struct Node {
    durable: Vec<u8>,
    current: Vec<u8>,
    /// Versions of each sector since the last sync, oldest first.
    pending: BTreeMap<usize, Vec<Sector>>,
}

impl Node {
    fn write(&mut self, bytes: &[u8], start: usize) {
        let end = start + bytes.len();
        if bytes.is_empty() {
            return;
        }
        if self.current.len() < end {
            self.current.resize(end, 0);
        }
        if let Some(target) = self.current.get_mut(start..end) {
            target.copy_from_slice(bytes);
        }
        for sector in start / SECTOR..end.div_ceil(SECTOR) {
            let version = sector_of(&self.current, sector);
            self.pending.entry(sector).or_default().push(version);
        }
    }

    fn sync(&mut self) {
        self.durable.resize(self.current.len(), 0);
        for sector in std::mem::take(&mut self.pending).into_keys() {
            put_sector(&mut self.durable, sector, &sector_of(&self.current, sector));
        }
    }

    fn after_power_cut(&self, random: &mut fastrand::Rng) -> Self {
        let mut image = self.durable.clone();
        if random.bool() {
            image.resize(self.current.len(), 0);
        }
        for (sector, versions) in &self.pending {
            let kept = random.usize(0..=versions.len());
            if let Some(version) = kept.checked_sub(1).and_then(|index| versions.get(index)) {
                put_sector(&mut image, *sector, version);
            }
        }
        Self {
            durable: image.clone(),
            current: image,
            pending: BTreeMap::new(),
        }
    }
}

fn sector_of(image: &[u8], sector: usize) -> Sector {
    let mut copy = [0; SECTOR];
    let start = (sector * SECTOR).min(image.len());
    let end = (start + SECTOR).min(image.len());
    if let (Some(source), Some(target)) = (image.get(start..end), copy.get_mut(..end - start)) {
        target.copy_from_slice(source);
    }
    copy
}

/// Overwrites a sector as far as it lies within the image.
fn put_sector(image: &mut [u8], sector: usize, bytes: &Sector) {
    let start = (sector * SECTOR).min(image.len());
    let end = (start + SECTOR).min(image.len());
    if let (Some(target), Some(source)) = (image.get_mut(start..end), bytes.get(..end - start)) {
        target.copy_from_slice(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(disk: &SimDisk, path: &str) -> Vec<u8> {
        let file = disk.open(path).unwrap();
        let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
        file.read_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn synced_bytes_survive_and_others_survive_by_sector() {
        let disk = SimDisk::new();
        let file = disk.create_zero_filled("a", 2048).unwrap();
        disk.sync_directory("").unwrap();
        file.write_at(&[&[1; 1024]], 0).unwrap();
        file.sync_data().unwrap();
        file.write_at(&[&[2; 1024]], 512).unwrap();
        let images: std::collections::BTreeSet<Vec<u8>> = (0..64)
            .map(|seed| read(&disk.after_power_cut(seed), "a"))
            .collect();
        assert_eq!(
            images.len(),
            4,
            "two unsynced sectors survive independently"
        );
        assert!(images.iter().all(|image| image[..512] == [1; 512]));
        assert_eq!(read(&disk.after_process_crash(), "a")[512..1536], [2; 1024]);
    }

    #[test]
    fn names_need_a_synced_directory() {
        let disk = SimDisk::new();
        disk.create("d/a").unwrap();
        disk.sync_directory("d").unwrap();
        disk.rename("d/a", "d/b").unwrap();
        let listings: std::collections::BTreeSet<Vec<String>> = (0..32)
            .map(|seed| disk.after_power_cut(seed).list("d").unwrap())
            .collect();
        assert_eq!(
            listings.into_iter().flatten().collect::<Vec<_>>(),
            ["a", "b"]
        );
    }

    #[test]
    fn a_failed_sync_loses_what_it_keeps_showing() {
        let disk = SimDisk::new();
        let file = disk.create_zero_filled("a", 512).unwrap();
        disk.sync_directory("").unwrap();
        file.write_at(&[&[7; 512]], 0).unwrap();
        disk.inject(disk.operations(), Fault::InputOutput);
        assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(5));
        file.sync_data().unwrap();
        assert_eq!(read(&disk, "a"), [7; 512]);
        assert_eq!(read(&disk.after_power_cut(1), "a"), [0; 512]);
    }

    #[test]
    fn nothing_happens_without_power_or_space() {
        let disk = SimDisk::new();
        disk.limit(Some(1000));
        let file = disk.create("a").unwrap();
        assert_eq!(
            file.write_at(&[&[1; 1001]], 0).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        file.write_at(&[&[1; 1000]], 0).unwrap();
        assert_eq!(disk.free_bytes().unwrap(), 0);
        disk.inject(disk.operations(), Fault::PowerOff);
        assert!(file.sync_data().is_err() && disk.list("").is_err() && file.length().is_err());
    }
}
