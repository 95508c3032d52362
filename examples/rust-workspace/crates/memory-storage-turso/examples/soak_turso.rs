//! A long life of the table, for a leak detector to watch.

use memory_core::workload::churn;
use memory_storage_turso::TursoStorage;

fn main() {
    let mut storage = TursoStorage::new();
    for _ in 0..10 {
        churn(&mut storage, 100).expect("churn");
    }
    println!("turso: 10 rounds of 100 memories");
}
