//! Mistakes in files of IDL are shown with their own places and lines, all of them, and what is healthy is there.

mod idl {
    thrill::include_thrift!("ui/idl_file_mistakes.thrift");
}

mod nowhere {
    thrill::include_thrift!("ui/nowhere.thrift");
}

fn main() {
    let _ = idl::Healthy { name: None };
}
