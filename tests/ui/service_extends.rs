//! A service extends one other, which is a service, by a path without generics.

#![allow(unused_imports)]

use thrill::{BidiStream, Context, Receiver, Result, Sender, Thrift};

mod base {
    #[thrill::service]
    pub trait Base {
        async fn get(&self) -> thrill::Result<i32>;
    }

    #[thrill::service]
    pub trait Second {}
}

trait Plain {}

trait Generic<T> {}

#[thrill::service]
trait Two: base::Base + std::fmt::Debug + base::Second + Plain {
    async fn fetch(&self) -> Result<i32>;
}

#[thrill::service(extends = base::Base)]
trait Unsaid: Send {
    async fn fetch(&self) -> Result<i32>;
}

#[thrill::service]
trait OfGeneric: Generic<i32> {
    async fn fetch(&self) -> Result<i32>;
}

fn main() {}
