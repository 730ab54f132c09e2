//! One mistake gives one error, not one at every use of the type.

use thrill::Thrift;

#[derive(Thrift, Debug, Default)]
#[thrift(exception)]
struct Broken {
    what: String,
}

#[derive(Thrift, Debug, Default)]
struct Outer {
    #[thrift(id = 1)]
    broken: Broken,
}

fn error() -> Box<dyn std::error::Error> {
    let bytes = thrill::encode(&Broken::default()).unwrap();
    Box::new(thrill::decode::<Outer>(&bytes).unwrap().broken)
}

fn main() {}
