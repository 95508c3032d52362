//! Memories in an indexed table of rows, in memory.
//!
//! Rows lie in one vector and an ordered index points into it. A deleted row leaves a hole that the next new row
//! fills, so the table never grows beyond the most rows it ever held at once.

use std::collections::BTreeMap;
use std::ops::Bound;

use memory_core::{validate_key, Result, Storage};

/// A table of memories.
#[derive(Debug, Default)]
pub struct TursoStorage {
    index: BTreeMap<String, usize>,
    rows: Vec<Option<Vec<u8>>>,
    holes: Vec<usize>,
}

impl TursoStorage {
    pub fn new() -> Self {
        Self::default()
    }

    /// How many memories the table holds.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many rows the table has room for, holes included.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    fn insert_row(&mut self, value: Vec<u8>) -> usize {
        if let Some(row) = self.holes.pop() {
            self.rows[row] = Some(value);
            return row;
        }
        self.rows.push(Some(value));
        self.rows.len() - 1
    }
}

impl Storage for TursoStorage {
    fn put(&mut self, key: &str, value: &[u8]) -> Result<()> {
        validate_key(key)?;
        if let Some(&row) = self.index.get(key) {
            self.rows[row].replace(value.to_vec());
            return Ok(());
        }
        let row = self.insert_row(value.to_vec());
        self.index.insert(key.to_owned(), row);
        Ok(())
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        validate_key(key)?;
        Ok(self.index.get(key).and_then(|&row| self.rows[row].clone()))
    }

    fn delete(&mut self, key: &str) -> Result<bool> {
        validate_key(key)?;
        let Some(row) = self.index.remove(key) else {
            return Ok(false);
        };
        self.rows[row].take();
        self.holes.push(row);
        Ok(true)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.index.range::<str, _>(from).map(|(key, _)| key);
        Ok(keys
            .take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memory_core::workload::churn;

    fn table(keys: &[&str]) -> TursoStorage {
        let mut storage = TursoStorage::new();
        for key in keys {
            storage.put(key, key.as_bytes()).unwrap();
        }
        storage
    }

    #[test]
    fn a_value_comes_back() {
        assert_eq!(table(&["a"]).get("a").unwrap(), Some(b"a".to_vec()));
    }

    #[test]
    fn an_unknown_key_has_no_value() {
        assert_eq!(table(&["a"]).get("b").unwrap(), None);
    }

    #[test]
    fn the_last_value_wins_and_takes_no_second_row() {
        let mut storage = table(&["a"]);
        storage.put("a", b"new").unwrap();
        assert_eq!(storage.get("a").unwrap(), Some(b"new".to_vec()));
        assert_eq!(storage.row_count(), 1);
    }

    #[test]
    fn delete_says_whether_there_was_something() {
        let mut storage = table(&["a"]);
        assert!(storage.delete("a").unwrap());
        assert!(!storage.delete("a").unwrap());
        assert!(storage.is_empty());
    }

    #[test]
    fn a_new_row_fills_a_hole() {
        let mut storage = table(&["a", "b", "c"]);
        storage.delete("b").unwrap();
        storage.put("d", b"d").unwrap();
        assert_eq!((storage.len(), storage.row_count()), (3, 3));
        assert_eq!(storage.get("c").unwrap(), Some(b"c".to_vec()));
    }

    #[test]
    fn list_keeps_to_the_prefix_and_byte_order() {
        let storage = table(&["b/2", "a/1", "b/1", "c"]);
        assert_eq!(storage.list("b/").unwrap(), ["b/1", "b/2"]);
        assert_eq!(storage.list("").unwrap().len(), 4);
    }

    #[test]
    fn invalid_keys_are_refused_everywhere() {
        let mut storage = TursoStorage::new();
        assert!(storage.put("", b"x").is_err());
        assert!(storage.get("").is_err());
        assert!(storage.delete("").is_err());
    }

    #[test]
    fn a_long_life_leaves_nothing_behind() {
        let mut storage = TursoStorage::new();
        for _ in 0..5 {
            churn(&mut storage, 100).unwrap();
        }
        assert_eq!((storage.len(), storage.row_count()), (0, 100));
    }
}
