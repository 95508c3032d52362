//! A long life of the file, for a leak detector to watch.

use memory_core::workload::churn;
use memory_storage_redb::RedbStorage;

fn main() {
    let path = std::env::temp_dir().join(format!("soak-redb-{}", std::process::id()));
    let mut storage = RedbStorage::open(&path).expect("open");
    for _ in 0..10 {
        churn(&mut storage, 100).expect("churn");
        storage.compact().expect("compact");
    }
    std::fs::remove_file(&path).expect("remove");
    println!("redb: 10 rounds of 100 memories");
}
