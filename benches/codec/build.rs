//! Generates pilota's types.

fn main() {
    println!("cargo:rerun-if-changed=../idl/codec.thrift");
    volo_build::Builder::thrift()
        .add_service("../idl/codec.thrift")
        .ignore_unused(false)
        .filename("pilota.rs".into())
        .write()
        .expect("idl/codec.thrift");
}
