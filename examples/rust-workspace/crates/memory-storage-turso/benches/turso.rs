//! Prints how long each operation of the table takes, the fastest of five rounds.

use memory_core::workload::{churn, table};
use memory_storage_turso::TursoStorage;

fn main() {
    let rounds = (0..5).map(|_| churn(&mut TursoStorage::new(), 20_000).expect("churn"));
    let fastest = rounds.min_by(|a, b| a.get_ns.total_cmp(&b.get_ns));
    print!("{}", table("turso", &fastest.expect("five rounds")));
}
