//! All mistakes of one macro run, each on its token.

use std::fmt::Display;

use quote::ToTokens;

/// Collects mistakes until the end, so that one compile shows them all.
#[derive(Debug, Default)]
pub(crate) struct Diag {
    errors: Option<syn::Error>,
}

impl Diag {
    /// Adds a mistake. The message says what is wrong and what to do, without a period.
    pub(crate) fn error(&mut self, at: &dyn ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(at.to_token_stream(), message));
    }

    /// Adds what syn found.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            None => self.errors = Some(error),
        }
    }

    /// The value, or `None` after noting why there is none.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Every mistake as one error, or `Ok` where there was none.
    pub(crate) fn finish(self) -> syn::Result<()> {
        self.errors.map_or(Ok(()), Err)
    }
}
