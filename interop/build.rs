//! Generates Volo's code.

fn main() {
    println!("cargo:rerun-if-changed=idl/echo.thrift");
    let builder = volo_build::Builder::thrift().add_service("idl/echo.thrift").filename("volo.rs".into());
    builder.write().expect("idl/echo.thrift");
}
