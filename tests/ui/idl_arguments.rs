//! The arguments of `include_thrift!` and `thrift!`.

mod nothing {
    thrill::include_thrift!();
}

mod no_literal {
    thrill::include_thrift!(PATH);
}

mod misspelt {
    thrill::include_thrift!("/nowhere/at/all.thrift", include_dir = ["idl"]);
}

mod values {
    thrill::thrift! {
        #![thrift(string = "str", missing_ids = "kitex", include_dirs = "idl", derive = Clone)]
        struct Healthy {}
    }
}

mod attributes {
    thrill::thrift! {
        #[derive(Clone)]
        struct Healthy {}
    }
}

fn main() {
    let _ = values::Healthy {};
}
