//! Prints how long each operation of the file takes, the fastest of five rounds.

use memory_core::workload::{churn, table};
use memory_storage_redb::RedbStorage;

fn main() {
    let path = std::env::temp_dir().join(format!("bench-redb-{}", std::process::id()));
    let rounds = (0..5).map(|_| {
        let timings = churn(&mut RedbStorage::open(&path).expect("open"), 5_000).expect("churn");
        std::fs::remove_file(&path).expect("remove");
        timings
    });
    let fastest = rounds.min_by(|a, b| a.get_ns.total_cmp(&b.get_ns));
    print!("{}", table("redb", &fastest.expect("five rounds")));
}
