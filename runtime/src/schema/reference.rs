//! References by which types reach each other in circles.

#![allow(
    unsafe_code,
    reason = "safe Rust has no reference that a constant can hold and that its evaluation does not follow"
)]

use std::fmt;
use std::ops::Deref;

/// A reference to the description of a named type.
///
/// When a constant is evaluated, the compiler follows every reference in it, also into statics; types that contain each
/// other would make that a circle. It does not follow this one until [`Ref::get`] asks for it.
pub struct Ref<T: 'static>(*const T);

impl<T> Ref<T> {
    /// Refers to a static.
    #[must_use]
    pub const fn new(to: &'static T) -> Self {
        Self(to)
    }

    /// What it refers to, also in constant evaluation.
    #[must_use]
    pub const fn get(self) -> &'static T {
        // SAFETY: `new` made the pointer of a shared reference that lives as long as the program.
        unsafe { &*self.0 }
    }
}

// SAFETY: it gives out a `&'static T` and nothing else, and so is what that is.
unsafe impl<T: Sync> Send for Ref<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Ref<T> {}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<T> {}

impl<T> Deref for Ref<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.get()
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Node {
        name: &'static str,
        next: Ref<Self>,
    }

    static LEFT: Node = Node { name: "left", next: Ref::new(&RIGHT) };
    static RIGHT: Node = Node { name: "right", next: Ref::new(&LEFT) };

    #[test]
    fn statics_reach_each_other_in_a_circle() {
        let round: Vec<_> = std::iter::successors(Some(&LEFT), |node| Some(node.next.get())).take(3).collect();
        assert_eq!(round.iter().map(|node| node.name).collect::<Vec<_>>(), ["left", "right", "left"]);
        assert!(std::ptr::eq(round[0], round[2]));
    }

    #[test]
    fn a_reference_is_copied_and_read_on_other_threads() {
        let next = LEFT.next;
        let name = std::thread::spawn(move || next.name).join().expect("the thread ends");
        assert_eq!(name, "right");
    }
}
