//! The same work for every storage: what benchmarks time and what leak detection watches.

use std::time::Instant;

use crate::{Result, Storage};

/// How long each operation took, in nanoseconds on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timings {
    pub put_ns: f64,
    pub overwrite_ns: f64,
    pub get_ns: f64,
    pub list_ns: f64,
    pub delete_ns: f64,
}

fn key(index: u32) -> String {
    format!("episode/{index:06}")
}

fn value(index: u32, round: u8) -> Vec<u8> {
    vec![index.to_le_bytes()[0] ^ round; 64]
}

fn time_each(count: u32, mut operation: impl FnMut(u32) -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    for index in 0..count {
        operation(index)?;
    }
    Ok(started.elapsed().as_nanos() as f64 / f64::from(count.max(1)))
}

/// Puts, overwrites, reads, lists and deletes `count` memories, so that `storage` ends empty.
///
/// # Panics
///
/// When the storage gives back anything else than what was put into it.
pub fn churn(storage: &mut impl Storage, count: u32) -> Result<Timings> {
    let put_ns = time_each(count, |i| storage.put(&key(i), &value(i, 0)))?;
    let overwrite_ns = time_each(count, |i| storage.put(&key(i), &value(i, 1)))?;
    let get_ns = time_each(count, |i| {
        assert_eq!(storage.get(&key(i))?, Some(value(i, 1)), "{}", key(i));
        Ok(())
    })?;
    let started = Instant::now();
    let listed = storage.list("episode/")?.len();
    let list_ns = started.elapsed().as_nanos() as f64 / f64::from(count.max(1));
    assert_eq!(listed, count as usize, "listed keys");
    let delete_ns = time_each(count, |i| {
        assert!(storage.delete(&key(i))?, "{}", key(i));
        Ok(())
    })?;
    assert!(storage.list("")?.is_empty(), "keys are left");
    Ok(Timings {
        put_ns,
        overwrite_ns,
        get_ns,
        list_ns,
        delete_ns,
    })
}

/// One line per operation, as benchmarks print it.
pub fn table(name: &str, timings: &Timings) -> String {
    let rows = [
        ("put", timings.put_ns),
        ("overwrite", timings.overwrite_ns),
        ("get", timings.get_ns),
        ("list", timings.list_ns),
        ("delete", timings.delete_ns),
    ];
    rows.iter()
        .map(|(operation, ns)| format!("{name:<8} {operation:<10} {ns:>10.0} ns/op\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Plain {
        rows: BTreeMap<String, Vec<u8>>,
        is_forgetful: bool,
    }

    impl Storage for Plain {
        fn put(&mut self, key: &str, value: &[u8]) -> Result<()> {
            if !self.is_forgetful {
                self.rows.insert(key.to_owned(), value.to_vec());
            }
            Ok(())
        }

        fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
            Ok(self.rows.get(key).cloned())
        }

        fn delete(&mut self, key: &str) -> Result<bool> {
            Ok(self.rows.remove(key).is_some())
        }

        fn list(&self, prefix: &str) -> Result<Vec<String>> {
            let keys = self.rows.keys();
            Ok(keys
                .filter(|key| key.starts_with(prefix))
                .cloned()
                .collect())
        }
    }

    #[test]
    fn churn_leaves_a_storage_empty() {
        let mut storage = Plain::default();
        churn(&mut storage, 50).unwrap();
        assert!(storage.rows.is_empty());
    }

    #[test]
    fn churn_of_nothing_takes_no_time() {
        let timings = churn(&mut Plain::default(), 0).unwrap();
        assert!(timings.put_ns < 1e9);
    }

    #[test]
    #[should_panic(expected = "episode/000000")]
    fn churn_notices_a_forgetful_storage() {
        let mut storage = Plain {
            is_forgetful: true,
            ..Plain::default()
        };
        let _ = churn(&mut storage, 1);
    }

    #[test]
    fn a_table_has_one_line_per_operation() {
        let timings = churn(&mut Plain::default(), 3).unwrap();
        let text = table("plain", &timings);
        assert_eq!(text.lines().count(), 5);
        assert!(text.lines().all(|line| line.ends_with(" ns/op")));
    }
}
