//! How files are loaded.

use std::path::PathBuf;

/// How files are loaded, and how large they may be. The default suits one's own files; for files of strangers, lower the
/// limits.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where files are looked for that an `include` does not find beside its own file, in this order. Default: none.
    pub include_dirs: Vec<PathBuf>,
    /// What becomes of fields without an id. Default: an error.
    pub missing_ids: MissingIds,
    /// The bytes that a file may have. Default: 16 MiB.
    pub max_file_size: usize,
    /// How many files may be read in all. Default: 1000.
    pub max_files: usize,
    /// How many values the constants and defaults may have in them, taken together: what is referred to counts each time,
    /// and 16 bytes of its text as one more.
    /// Default: 1,000,000.
    pub max_values: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            include_dirs: Vec::new(),
            missing_ids: MissingIds::default(),
            max_file_size: 16 << 20,
            max_files: 1000,
            max_values: 1_000_000,
        }
    }
}

/// What becomes of fields, arguments and exceptions without an id: the compilers do not agree, so peers do not either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingIds {
    /// An error that says both ids.
    #[default]
    Error,
    /// As Apache Thrift does: -1, -2 and so on.
    Apache,
    /// As thriftgo does, and so Kitex: one more than the field before, from 1.
    Thriftgo,
}
