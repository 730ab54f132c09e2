//! A message whose type is known only at run time.

use std::any::{Any, type_name};
use std::fmt;

use crate::codec::{Encode, Success};

/// A message as layers see it: of a type that they can ask for, and printable.
///
/// ```
/// # use thrill::middleware::AnyMessage;
/// # #[derive(thrill::Thrift, Debug, PartialEq)] struct Note { #[thrift(id = 1)] text: String }
/// let mut message: Box<dyn AnyMessage> = Box::new(Note { text: "hi".into() });
/// if let Some(note) = message.downcast_mut::<Note>() {
///     note.text.push('!');
/// }
/// assert_eq!(format!("{message:?}"), r#"Note { text: "hi!" }"#);
/// ```
pub trait AnyMessage: Send + fmt::Debug + 'static {
    #[doc(hidden)]
    fn as_any(&self) -> &dyn Any;

    #[doc(hidden)]
    fn as_any_mut(&mut self) -> &mut dyn Any;

    #[doc(hidden)]
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;

    #[doc(hidden)]
    fn as_encode(&self) -> &dyn Encode;

    #[doc(hidden)]
    fn any_argument(&mut self, name: &str) -> Option<&mut dyn Any>;

    /// The name of the message's type, for people.
    fn type_name(&self) -> &'static str;
}

/// Messages, and `()`, the response of a `void` method.
impl<T: Success> AnyMessage for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    fn as_encode(&self) -> &dyn Encode {
        self
    }

    fn any_argument(&mut self, name: &str) -> Option<&mut dyn Any> {
        self.argument(name)
    }

    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }
}

impl dyn AnyMessage {
    /// Whether the message is of this type.
    #[must_use]
    pub fn is<T: Any>(&self) -> bool {
        self.as_any().is::<T>()
    }

    /// The message, where it is of this type.
    #[must_use]
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        self.as_any().downcast_ref()
    }

    /// The message, where it is of this type, to be changed.
    #[must_use]
    pub fn downcast_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.as_any_mut().downcast_mut()
    }

    /// An argument of a ping-pong or unary call, by its name in the IDL: where this carries a method's arguments, and one of them
    /// has this name and type. An optional argument is an `Option`.
    #[must_use]
    pub fn argument<T: Any>(&mut self, name: &str) -> Option<&mut T> {
        self.any_argument(name)?.downcast_mut()
    }

    /// The message by value, where it is of this type.
    ///
    /// # Errors
    /// The message as it was, where it is of another type.
    pub fn downcast<T: Any>(self: Box<Self>) -> Result<Box<T>, Box<Self>> {
        if !self.is::<T>() {
            return Err(self);
        }
        // Looked at just above: the other branch is never taken.
        self.into_any().downcast().map_err(|_| Box::new(()) as Box<Self>)
    }
}
