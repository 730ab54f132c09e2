//! A method is in a service or in the one that it extends, not in both.

mod base {
    #[thrill::service(rename_all = "camelCase")]
    pub trait Base {
        async fn get(&self) -> thrill::Result<i32>;
        async fn put_it(&self) -> thrill::Result<()>;
    }

    #[thrill::service]
    pub trait Between: Base {
        async fn between(&self) -> thrill::Result<i32>;
    }
}

#[thrill::service]
trait Again: base::Between + Send + 'static {
    async fn fetch(&self) -> thrill::Result<i32>;
    #[method(name = "putIt")]
    async fn put(&self) -> thrill::Result<()>;
    async fn between(&self) -> thrill::Result<i32>;
}

fn main() {}
