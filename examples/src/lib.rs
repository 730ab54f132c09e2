//! One runnable file per feature, beside this folder: `cargo run --example echo`.
