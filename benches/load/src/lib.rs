//! The load generator: what a peer's benchmark binary needs besides the peer itself.
//!
//! A binary reads its [`Args`], serves or connects, and hands [`drive`] one async function: the work of one stream,
//! from its opening to its end. `drive` repeats it on every stream, counts, and prints one JSON line. The rules are in
//! the README of the parent folder; `kitex/load.go` is the same in Go.

mod args;
mod ask;
pub mod codec;
mod drive;
mod histogram;
mod process;
mod window;

pub use args::{Args, Mode, Scenario};
pub use ask::Ask;
pub use drive::{Worker, drive, stopped};
pub use window::{CloseOnDrop, Window};

/// Whatever a peer fails with.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
