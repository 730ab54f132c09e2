//! Annotations of a definition, and looking into them.

use std::ops::Deref;

use crate::span::Span;

/// `key = "value"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The key, with dots.
    pub key: String,
    /// The value; `"1"` where none is written.
    pub value: String,
    /// Key and value.
    pub span: Span,
    /// The value's place, or the key's where there is no value.
    pub value_span: Span,
}

/// The annotations of something, in the order written. A key may be there more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations(pub Vec<Annotation>);

impl Annotations {
    /// The first value of a key.
    ///
    /// ```
    /// use thrill_idl::{Options, load_str};
    ///
    /// let text = r#"struct User { 1: string name (api.query = "name", api.query = "n") }"#;
    /// let program = load_str("user.thrift", text, &Options::default()).program;
    /// let annotations = &program.structs[0].fields[0].annotations;
    /// assert_eq!(annotations.get("api.query"), Some("name"));
    /// assert_eq!(annotations.all("api.query").count(), 2);
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|annotation| annotation.key == key).map(|annotation| annotation.value.as_str())
    }

    /// All annotations with a key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Annotation> {
        self.0.iter().filter(move |annotation| annotation.key == key)
    }
}

impl Deref for Annotations {
    type Target = [Annotation];

    fn deref(&self) -> &[Annotation] {
        &self.0
    }
}
