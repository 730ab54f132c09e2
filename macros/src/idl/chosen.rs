//! What annotations choose: `thrill.name`, `thrill.type` and the others, and what pilota calls them.

use thrill_idl::model::Annotations;

/// How values are held, where a type leaves the choice. Said of a container, it is for what is in it, too.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chosen {
    /// `string`: `ByteString` or `String`.
    pub(super) bytestring: Option<bool>,
    /// `binary`: `Vec<u8>` or `Bytes`.
    pub(super) vec: bool,
    /// Sets and maps: BTree or hash.
    pub(super) btree: bool,
    /// `double`: `OrderedF64` or `f64`.
    pub(super) ordered: bool,
    /// Structs, strings and binaries: inside an `Arc`.
    pub(super) arc: bool,
}

impl Chosen {
    /// What is chosen here, or else around it.
    pub(super) fn and(mut self, annotations: &Annotations) -> Self {
        for annotation in annotations.iter() {
            let value = annotation.value.as_str();
            match (annotation.key.as_str(), value) {
                ("thrill.type" | "pilota.rust_type", "string") => self.bytestring = Some(false),
                ("thrill.type" | "pilota.rust_type", "bytestring") => self.bytestring = Some(true),
                ("thrill.type" | "pilota.rust_type", "vec") => self.vec = true,
                ("thrill.type" | "pilota.rust_type", "bytes") => self.vec = false,
                ("thrill.type" | "pilota.rust_type", "btree") => self.btree = true,
                ("thrill.type" | "pilota.rust_type", "hash") => self.btree = false,
                ("thrill.type" | "pilota.rust_type", "ordered_f64") => self.ordered = true,
                ("thrill.arc" | "pilota.rust_wrapper_arc", _) => self.arc = value != "false",
                _ => {}
            }
        }
        self
    }
}

/// The name in Rust that an annotation gives.
pub(super) fn name(annotations: &Annotations) -> Option<&str> {
    let name = annotations.get("thrill.name").or_else(|| annotations.get("pilota.name"))?;
    Some(name.strip_prefix("r#").unwrap_or(name))
}

/// Whether a typedef is to be a type of its own.
pub(super) fn newtype(annotations: &Annotations) -> bool {
    annotations.get("thrill.newtype").is_some_and(|value| value != "false")
}

/// Attributes to be written as they are.
pub(super) fn attributes(annotations: &Annotations, serde: bool) -> Vec<&str> {
    let all =
        annotations.iter().filter(|it| it.key == "thrill.attribute" || (serde && it.key == "pilota.serde_attribute"));
    all.map(|it| it.value.as_str()).collect()
}

/// Derives for this type alone.
pub(super) fn derives(annotations: &Annotations) -> impl Iterator<Item = &str> {
    annotations.all("thrill.derive").flat_map(|it| it.value.split(',')).map(str::trim)
}
