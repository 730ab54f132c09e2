//! Runs the cases of the echo contract against a server: `contract-client --addr HOST:PORT [--run grpc,grpc.bidi,…]` prints
//! `ok` and `FAIL` lines and `N passed, M failed`, and exits with 1 on a failure.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg.trim_start_matches('-') == name)?;
        args.get(at + 1).map(String::as_str)
    };
    let Some(addr) = value("addr") else {
        eprintln!("usage: contract-client --addr HOST:PORT [--run CASE,CASE]");
        return ExitCode::from(2);
    };
    match thrill_tests::cases::run(addr, value("run").unwrap_or_default()).await {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
