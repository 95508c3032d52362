//! Memories in one append-only file.
//!
//! Every change is one record at the end of the file, and an index in memory points at the newest record of each
//! key. A record that a crash cut short is dropped when the file is opened again. `compact` rewrites the file with
//! nothing but what is still wanted.
//!
//! A record is: key length (u16), value length (u32, `u32::MAX` for a deletion), checksum of key and value (u32),
//! key, value; numbers little-endian.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memory_core::{validate_key, Result, Storage};

const HEADER_LEN: usize = 10;
const DELETED: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    len: usize,
}

/// A file of memories.
#[derive(Debug)]
pub struct RedbStorage {
    path: PathBuf,
    file: File,
    end: u64,
    index: BTreeMap<String, Place>,
}

/// FNV-1a over `parts`, one after the other.
fn checksum(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().copied().flatten();
    bytes.fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

fn record(key: &str, value: Option<&[u8]>) -> Vec<u8> {
    let payload = value.unwrap_or_default();
    let value_len = value.map_or(DELETED, |value| value.len() as u32);
    let mut bytes = Vec::with_capacity(HEADER_LEN + key.len() + payload.len());
    bytes.extend((key.len() as u16).to_le_bytes());
    bytes.extend(value_len.to_le_bytes());
    bytes.extend(checksum(&[key.as_bytes(), payload]).to_le_bytes());
    bytes.extend(key.as_bytes());
    bytes.extend(payload);
    bytes
}

/// The record at the start of `bytes`: its key, its value's length unless it is a deletion, and its own length.
fn parse(bytes: &[u8]) -> Option<(&str, Option<usize>, usize)> {
    let key_len = usize::from(u16::from_le_bytes(bytes.get(0..2)?.try_into().ok()?));
    let value_len = u32::from_le_bytes(bytes.get(2..6)?.try_into().ok()?);
    let expected = u32::from_le_bytes(bytes.get(6..10)?.try_into().ok()?);
    let value_len = (value_len != DELETED).then_some(value_len as usize);
    let len = HEADER_LEN + key_len + value_len.unwrap_or(0);
    let (key, value) = bytes.get(HEADER_LEN..len)?.split_at(key_len);
    let key = std::str::from_utf8(key).ok()?;
    (checksum(&[key.as_bytes(), value]) == expected).then_some((key, value_len, len))
}

impl RedbStorage {
    /// Opens the file at `path`, creating it if need be, and drops a damaged end.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut index = BTreeMap::new();
        let mut at = 0;
        while let Some((key, value_len, len)) = parse(&bytes[at..]) {
            match value_len {
                Some(value_len) => {
                    let offset = (at + len - value_len) as u64;
                    let place = Place {
                        offset,
                        len: value_len,
                    };
                    index.insert(key.to_owned(), place);
                }
                None => drop(index.remove(key)),
            }
            at += len;
        }
        let end = at as u64;
        file.set_len(end)?;
        Ok(Self {
            path,
            file,
            end,
            index,
        })
    }

    /// The file's length in bytes.
    pub fn file_len(&self) -> u64 {
        self.end
    }

    /// Rewrites the file without overwritten and deleted memories.
    pub fn compact(&mut self) -> Result<()> {
        let beside = self.path.with_extension("compact");
        File::create(&beside)?;
        let mut smaller = Self::open(&beside)?;
        for key in self.list("")? {
            if let Some(value) = self.get(&key)? {
                smaller.put(&key, &value)?;
            }
        }
        fs::rename(&beside, &self.path)?;
        smaller.path.clone_from(&self.path);
        *self = smaller;
        Ok(())
    }

    fn append(&mut self, record: &[u8]) -> Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(record)?;
        self.end += record.len() as u64;
        Ok(())
    }
}

impl Storage for RedbStorage {
    fn put(&mut self, key: &str, value: &[u8]) -> Result<()> {
        validate_key(key)?;
        self.append(&record(key, Some(value)))?;
        let place = Place {
            offset: self.end - value.len() as u64,
            len: value.len(),
        };
        self.index.insert(key.to_owned(), place);
        Ok(())
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        validate_key(key)?;
        let Some(&Place { offset, len }) = self.index.get(key) else {
            return Ok(None);
        };
        let mut value = vec![0; len];
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(&mut value)?;
        Ok(Some(value))
    }

    fn delete(&mut self, key: &str) -> Result<bool> {
        validate_key(key)?;
        if !self.index.contains_key(key) {
            return Ok(false);
        }
        self.append(&record(key, None))?;
        self.index.remove(key);
        Ok(true)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let keys = self.index.keys();
        Ok(keys
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A path in the system's temporary folder whose file is gone when the test is.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("memory-storage-redb-{}-{number}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }

        fn open(&self) -> RedbStorage {
            RedbStorage::open(&self.0).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_value_comes_back() {
        let scratch = Scratch::new();
        let mut storage = scratch.open();
        storage.put("a", b"one").unwrap();
        assert_eq!(storage.get("a").unwrap(), Some(b"one".to_vec()));
        assert_eq!(storage.get("b").unwrap(), None);
    }

    #[test]
    fn an_empty_value_is_a_value() {
        let scratch = Scratch::new();
        scratch.open().put("a", b"").unwrap();
        assert_eq!(scratch.open().get("a").unwrap(), Some(Vec::new()));
    }

    #[test]
    fn memories_survive_the_storage() {
        let scratch = Scratch::new();
        {
            let mut storage = scratch.open();
            storage.put("a", b"old").unwrap();
            storage.put("a", b"new").unwrap();
            storage.put("b", b"gone").unwrap();
            storage.delete("b").unwrap();
        }
        let mut storage = scratch.open();
        assert_eq!(storage.get("a").unwrap(), Some(b"new".to_vec()));
        assert_eq!(storage.list("").unwrap(), ["a"]);
    }

    #[test]
    fn a_record_cut_short_is_dropped() {
        let scratch = Scratch::new();
        let mut storage = scratch.open();
        storage.put("a", b"whole").unwrap();
        let whole = storage.file_len();
        storage.put("b", b"torn").unwrap();
        storage.file.set_len(storage.file_len() - 1).unwrap();

        let reopened = scratch.open();
        assert_eq!(reopened.list("").unwrap(), ["a"]);
        assert_eq!(reopened.file_len(), whole);
    }

    #[test]
    fn a_record_with_a_wrong_checksum_is_dropped() {
        let scratch = Scratch::new();
        scratch.open().put("a", b"value").unwrap();
        let mut bytes = fs::read(&scratch.0).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&scratch.0, bytes).unwrap();
        assert_eq!(scratch.open().list("").unwrap(), [""; 0]);
    }

    #[test]
    fn delete_says_whether_there_was_something() {
        let scratch = Scratch::new();
        let mut storage = scratch.open();
        storage.put("a", b"x").unwrap();
        assert!(storage.delete("a").unwrap());
        assert!(!storage.delete("a").unwrap());
    }

    #[test]
    fn list_keeps_to_the_prefix_and_byte_order() {
        let scratch = Scratch::new();
        let mut storage = scratch.open();
        for key in ["b/2", "a/1", "b/1"] {
            storage.put(key, b"").unwrap();
        }
        assert_eq!(storage.list("b/").unwrap(), ["b/1", "b/2"]);
    }

    #[test]
    fn compact_keeps_every_memory_in_a_smaller_file() {
        let scratch = Scratch::new();
        let mut storage = scratch.open();
        for round in 0..10u8 {
            storage.put("a", &[round; 100]).unwrap();
        }
        let before = storage.file_len();
        storage.compact().unwrap();
        assert!(storage.file_len() < before / 5);
        storage.put("b", b"after").unwrap();

        let mut reopened = scratch.open();
        assert_eq!(reopened.get("a").unwrap(), Some(vec![9; 100]));
        assert_eq!(reopened.get("b").unwrap(), Some(b"after".to_vec()));
    }
}
