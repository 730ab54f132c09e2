//! Generates volo's code.

fn main() {
    println!("cargo:rerun-if-changed=../idl/echo.thrift");
    volo_build::Builder::thrift()
        .add_service("../idl/echo.thrift")
        .filename("generated.rs".into())
        .write()
        .expect("idl/echo.thrift");
}
