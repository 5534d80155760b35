//! What a disk holds after a power cut: the files as they were at the start, and of what the shim has noted since then,
//! what was synced; of the rest nothing, or some sectors. Knows no database.
//!
//! It is as strict as POSIX: a file's content is safe after its own sync, its name only after that of its folder.
//! What memory is shared by processes (`-shm`) is never there afterwards.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rand::RngExt;
use rand::rngs::StdRng;

/// The files of a folder, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A folder before the shim notes anything.
pub struct Base {
    files: Files,
    inodes: HashMap<u64, String>,
}

/// What a cut leaves of what was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Each sector of this size with this chance, whatever its neighbours do; the first so many changes of names.
    Sectors(usize, f64),
}

/// What a sync is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Syncs {
    /// What is promised.
    Honest,
    /// Those of SQLite's log do nothing: as if it were written with `synchronous=NORMAL`.
    NotOfTheLog,
    /// None does anything.
    None,
}

/// One note of the shim's; `end` is the length of the notes with it.
#[derive(Debug)]
struct Note {
    end: u64,
    kind: u8,
    file: u64,
    offset: u64,
    bytes: std::ops::Range<usize>,
}

/// All notes of one run.
pub struct Notes {
    raw: Vec<u8>,
    list: Vec<Note>,
}

enum Change {
    Write(u64, std::ops::Range<usize>),
    Size(u64),
}

/// A file, whatever its name is.
#[derive(Default)]
struct Object {
    name: String,
    safe: Vec<u8>,
    /// Not synced, with the length of the notes at that moment.
    loose: Vec<(u64, Change)>,
}

enum Naming {
    Link(String, usize),
    Second(String, String),
    Rename(String, String),
    Unlink(String),
}

impl Base {
    /// Reads a folder.
    pub fn read(folder: &Path) -> Base {
        let (mut files, mut inodes) = (Files::new(), HashMap::new());
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("plain names").to_owned();
            if path.is_file() && !name.ends_with("-shm") {
                inodes.insert(fs::metadata(&path).expect("there").ino(), name.clone());
                files.insert(name, fs::read(&path).expect("reads"));
            }
        }
        Base { files, inodes }
    }

    /// Only the files.
    pub fn into_files(self) -> Files {
        self.files
    }
}

/// Puts these files, and no others, into a folder.
pub fn write(files: &Files, folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let _ = fs::remove_file(entry.path());
    }
    fs::create_dir_all(folder).expect("a folder");
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("writes");
    }
}

impl Notes {
    /// Reads what the shim has noted. The last note may be half: whoever wrote it was killed.
    pub fn read(path: &Path) -> Notes {
        let raw = fs::read(path).unwrap_or_default();
        let mut list = Vec::new();
        let mut at = 0;
        while let Some(head) = raw.get(at..at + 24) {
            let number = |range: std::ops::Range<usize>| {
                head[range].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
            };
            let bytes = at + 24..at + 24 + number(4..8) as usize;
            if bytes.end > raw.len() {
                break;
            }
            at = bytes.end;
            list.push(Note { end: at as u64, kind: head[0], file: number(8..16), offset: number(16..24), bytes });
        }
        Notes { raw, list }
    }

    /// How long they are.
    pub fn length(&self) -> u64 {
        self.list.last().map_or(0, |note| note.end)
    }

    /// Moments worth a cut: after each note of one of these kinds.
    pub fn after(&self, kinds: &[u8]) -> Vec<u64> {
        self.list.iter().filter(|note| kinds.contains(&note.kind)).map(|note| note.end).collect()
    }

    /// After each write to the file of this name.
    pub fn after_in(&self, name: &str) -> Vec<u64> {
        let opened = |note: &&Note| matches!(note.kind, b'C' | b'O') && self.text(note) == name;
        let inodes: Vec<u64> = self.list.iter().filter(opened).map(|note| note.file).collect();
        let written = |note: &&Note| note.kind == b'W' && inodes.contains(&note.file);
        self.list.iter().filter(written).map(|note| note.end).collect()
    }

    fn text(&self, note: &Note) -> String {
        String::from_utf8_lossy(&self.raw[note.bytes.clone()]).into_owned()
    }

    /// The folder after a cut at this length of the notes.
    pub fn cut(&self, base: &Base, at: u64, left: Left, syncs: Syncs, rng: &mut StdRng) -> Files {
        let mut objects: Vec<Object> = Vec::new();
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for (name, bytes) in &base.files {
            names.insert(name.clone(), objects.len());
            objects.push(Object { name: name.clone(), safe: bytes.clone(), loose: Vec::new() });
        }
        let mut by_inode: HashMap<u64, usize> = base.inodes.iter().map(|(i, name)| (*i, names[name])).collect();
        let mut namings: Vec<(u64, Naming)> = Vec::new();
        for note in self.list.iter().take_while(|note| note.end <= at) {
            let object = by_inode.get(&note.file).copied();
            match (note.kind, object) {
                (b'C', _) => {
                    by_inode.insert(note.file, objects.len());
                    namings.push((note.end, Naming::Link(self.text(note), objects.len())));
                    objects.push(Object { name: self.text(note), ..Object::default() });
                }
                (b'W', Some(o)) => {
                    objects[o].loose.push((note.end, Change::Write(note.offset, note.bytes.clone())));
                }
                (b'T', Some(o)) => objects[o].loose.push((note.end, Change::Size(note.offset))),
                (b'S', Some(o)) => {
                    let worthless = syncs == Syncs::NotOfTheLog && objects[o].name.ends_with("-wal");
                    if syncs != Syncs::None && !worthless {
                        self.settle(&mut objects[o], note.offset);
                    }
                }
                // A failed sync: the system believes that it has written, and never tries again.
                (b'F', Some(o)) => self.lose(&mut objects[o], left, rng),
                (b'D', _) if syncs != Syncs::None => {
                    let safe = namings.iter().take_while(|(end, _)| *end <= note.offset).count();
                    namings.drain(..safe).for_each(|(_, naming)| apply(&mut names, naming));
                }
                (b'R' | b'L', _) => {
                    let text = self.text(note);
                    let (from, to) = text.split_once('/').expect("two names");
                    let naming = if note.kind == b'R' { Naming::Rename } else { Naming::Second };
                    namings.push((note.end, naming(from.to_owned(), to.to_owned())));
                }
                (b'U', _) => namings.push((note.end, Naming::Unlink(self.text(note)))),
                _ => {}
            }
        }
        for object in &mut objects {
            self.lose(object, left, rng);
        }
        if let Left::Sectors(..) = left {
            let kept = rng.random_range(0..=namings.len());
            namings.drain(..kept).for_each(|(_, naming)| apply(&mut names, naming));
        }
        names.into_iter().map(|(name, o)| (name, objects[o].safe.clone())).collect()
    }

    /// What came before this is on the disk.
    fn settle(&self, object: &mut Object, before: u64) {
        let safe = object.loose.iter().take_while(|(end, _)| *end <= before).count();
        for (_, change) in object.loose.drain(..safe) {
            self.change(&mut object.safe, &change, usize::MAX, &mut || true);
        }
    }

    /// What is not on the disk never gets there, but for what is left of it.
    fn lose(&self, object: &mut Object, left: Left, rng: &mut StdRng) {
        for (_, change) in object.loose.drain(..) {
            if let Left::Sectors(size, chance) = left {
                self.change(&mut object.safe, &change, size, &mut || rng.random_bool(chance));
            }
        }
    }

    /// Makes those parts of a change that reach the disk. What lies between them and the old end reads as zeros.
    fn change(&self, file: &mut Vec<u8>, change: &Change, sector: usize, reaches: &mut dyn FnMut() -> bool) {
        match change {
            Change::Size(size) => {
                if reaches() {
                    file.resize(*size as usize, 0);
                }
            }
            Change::Write(offset, bytes) => {
                let (mut at, end) = (*offset as usize, *offset as usize + bytes.len());
                while at < end {
                    let next = if sector == usize::MAX { end } else { end.min((at / sector + 1) * sector) };
                    if reaches() {
                        if file.len() < next {
                            file.resize(next, 0);
                        }
                        let from = bytes.start + at - *offset as usize;
                        file[at..next].copy_from_slice(&self.raw[from..from + next - at]);
                    }
                    at = next;
                }
            }
        }
    }
}

fn apply(names: &mut BTreeMap<String, usize>, naming: Naming) {
    match naming {
        Naming::Link(name, object) => drop(names.insert(name, object)),
        Naming::Second(from, to) => {
            if let Some(object) = names.get(&from).copied() {
                names.insert(to, object);
            }
        }
        Naming::Rename(from, to) => {
            if let Some(object) = names.remove(&from) {
                names.insert(to, object);
            }
        }
        Naming::Unlink(name) => drop(names.remove(&name)),
    }
}
