//! What a memory is, and what every storage of memories promises.
//!
//! A memory is a value of bytes under a key such as `episode/42`. Keys are listed in byte order.

pub mod workload;

use std::fmt;
use std::io;

/// The longest key in bytes that a storage accepts.
pub const MAX_KEY_LEN: usize = 255;

/// Why a storage could not do what it was asked.
#[derive(Debug)]
pub enum StorageError {
    /// The key is empty, too long, or holds a control character.
    InvalidKey(String),
    /// What lies behind the storage failed.
    Io(io::Error),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidKey(key) => write!(f, "invalid key {key:?}"),
            Self::Io(error) => write!(f, "storage failed: {error}"),
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InvalidKey(_) => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub type Result<T> = std::result::Result<T, StorageError>;

/// A place where memories are kept.
pub trait Storage {
    /// Keeps `value` under `key`, in place of whatever was there.
    fn put(&mut self, key: &str, value: &[u8]) -> Result<()>;

    /// The value under `key`, if there is one.
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Forgets `key`; whether there was anything to forget.
    fn delete(&mut self, key: &str) -> Result<bool>;

    /// Every key that starts with `prefix`, in byte order.
    fn list(&self, prefix: &str) -> Result<Vec<String>>;
}

/// Refuses keys that a storage could not write down or list.
pub fn validate_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > MAX_KEY_LEN || key.chars().any(char::is_control) {
        return Err(StorageError::InvalidKey(key.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_keys_are_accepted() {
        for key in ["a", "episode/42", "größe", "with space"] {
            assert!(validate_key(key).is_ok(), "{key:?}");
        }
    }

    #[test]
    fn an_empty_key_is_refused() {
        assert!(matches!(validate_key(""), Err(StorageError::InvalidKey(_))));
    }

    #[test]
    fn the_longest_key_is_accepted_and_one_more_byte_is_not() {
        assert!(validate_key(&"k".repeat(MAX_KEY_LEN)).is_ok());
        assert!(validate_key(&"k".repeat(MAX_KEY_LEN + 1)).is_err());
    }

    #[test]
    fn control_characters_are_refused() {
        assert!(validate_key("line\nbreak").is_err());
        assert!(validate_key("bell\u{7}").is_err());
    }

    #[test]
    fn errors_name_the_key_and_the_cause() {
        let invalid = StorageError::InvalidKey("a\nb".to_owned());
        assert_eq!(invalid.to_string(), "invalid key \"a\\nb\"");

        let failed = StorageError::from(io::Error::new(io::ErrorKind::Other, "disk full"));
        assert_eq!(failed.to_string(), "storage failed: disk full");
        assert!(std::error::Error::source(&failed).is_some());
    }
}
