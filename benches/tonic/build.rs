//! Generates tonic's code; protox stands in for protoc, which need not be installed.

fn main() {
    println!("cargo:rerun-if-changed=../idl/echo.proto");
    let files = protox::compile(["../idl/echo.proto"], ["../idl"]).expect("idl/echo.proto");
    tonic_prost_build::configure().compile_fds(files).expect("code for idl/echo.proto");
}
