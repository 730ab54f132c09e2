//! Pages to read. There is no code here.

pub mod options;
