//! A trait, and the `.thrift` file that other teams generate from: `cargo run --example idl`, `cargo test --example idl`.
//!
//! The file is committed, and stays in step with the trait by the test below; `UPDATE_IDL=1 cargo test --example idl` writes
//! it anew. What would break those who have the file does not compile, because the trait is locked to it.

use thrill::{Result, Sender, Thrift};

/// What somebody noted.
#[derive(Thrift, Clone, Debug, Default)]
pub struct Note {
    #[thrift(id = 1, required)]
    pub text: String,
    /// How much it matters, from 0.
    #[thrift(id = 2, default = 3)]
    pub weight: i32,
    #[thrift(id = 3)]
    pub replies: Vec<Note>,
}

/// Whose notes.
#[derive(Thrift, Clone, Debug, Default)]
pub struct Author {
    // Make it an `i64`, and the compiler says whom that breaks.
    #[thrift(id = 1)]
    pub id: i32,
}

/// There is nobody like that.
#[derive(Thrift, Clone, Debug)]
#[thrift(exception)]
pub struct UnknownAuthor {
    #[thrift(id = 1)]
    pub id: i32,
}

/// Keeps notes.
#[thrill::service(namespace = "notes", rename_all = "PascalCase", locked = "idl/notes.thrift")]
pub trait Notes {
    /// All notes of an author, as they come.
    #[streaming(mode = "server")]
    async fn watch(&self, author: Author, notes: Sender<Note>) -> Result<()>;

    #[throws(1 => UnknownAuthor)]
    async fn add(&self, author: Author, note: Note) -> Result<i64, AddError>;
}

fn main() -> Result<()> {
    print!("{}", NotesServer::SCHEMA.idl()?);
    Ok(())
}

#[test]
fn the_idl_is_in_step() {
    thrill::testing::assert_idl("idl/notes.thrift", &[NotesServer::SCHEMA]);
}
