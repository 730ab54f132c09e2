//! Generates volo's code.

fn main() {
    println!("cargo:rerun-if-changed=../idl/echo.proto");
    volo_build::Builder::protobuf()
        .add_service("../idl/echo.proto")
        .include_dirs(vec!["../idl".into()])
        .filename("generated.rs".into())
        .write()
        .expect("idl/echo.proto");
}
