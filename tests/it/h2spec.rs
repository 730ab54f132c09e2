//! h2spec, the conformance test of HTTP/2, against this server, and against the bare h2 crate to compare with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use bytes::Bytes;
use thrill::Server;
use thrill_tests::contract::TestServiceServer;
use thrill_tests::handler::Handler;
use thrill_tests::skip::say_skipped;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// To fetch and build h2spec, the first time.
const BUILD: Duration = Duration::from_secs(300);
/// To run it: a good server takes a second; each case that gets no answer takes two.
const RUN: Duration = Duration::from_secs(120);

/// A frame as large as thrill takes, which cases that exceed it must know of: they send five headers of this length.
const MAX_FRAME: u32 = 128 << 10;
const HEADER_LENGTH: &str = "30000";

/// Builds h2spec where Go is, once.
async fn h2spec() -> Option<PathBuf> {
    let has_go = Command::new("go").arg("version").output().await.is_ok_and(|output| output.status.success());
    if !has_go {
        assert!(
            std::env::var_os("THRILL_REQUIRE_GO").is_none(),
            "Go is not installed, and THRILL_REQUIRE_GO asks for it"
        );
        say_skipped("h2spec", "install Go to test the conformance to HTTP/2");
        return None;
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("h2spec");
    let tool = Path::new(env!("CARGO_TARGET_TMPDIR")).join("h2spec");
    let mut build = Command::new("go");
    build.current_dir(module).args(["build", "-o"]).arg(&tool).arg("github.com/summerwind/h2spec/cmd/h2spec");
    let output = bounded(BUILD, build).await;
    assert!(output.status.success(), "go cannot build h2spec: {}", String::from_utf8_lossy(&output.stderr));
    Some(tool)
}

async fn bounded(time: Duration, mut command: Command) -> Output {
    let output = command.kill_on_drop(true).output();
    tokio::time::timeout(time, output).await.unwrap_or_else(|_| panic!("no end in {time:?}")).unwrap()
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Skipped,
    Failed(String),
}

/// Every case, strict ones too, by its section and title.
async fn run(tool: &Path, port: u16, path: &str) -> BTreeMap<String, Verdict> {
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("h2spec-{port}.xml"));
    let mut command = Command::new(tool);
    command.args(["--strict", "-t=false", "-h", "127.0.0.1", "-p", &port.to_string(), "--path", path]);
    command.args(["--timeout", "2", "--max-header-length", HEADER_LENGTH, "--junit-report"]).arg(&report);
    let output = bounded(RUN, command).await;
    let Ok(text) = std::fs::read_to_string(&report) else {
        panic!("h2spec gave no report: {}", String::from_utf8_lossy(&output.stdout));
    };
    std::fs::remove_file(&report).unwrap();
    let cases = text.split("<testcase ").skip(1);
    cases
        .map(|case| {
            let value = |name: &str| {
                let (_, rest) = case.split_once(&format!("{name}=\"")).unwrap_or_default();
                rest.split_once('"').unwrap_or_default().0.replace("&#34;", "\"")
            };
            let body = case.split_once("</testcase>").unwrap_or_default().0;
            let verdict = match body.split_once("<error>").or_else(|| body.split_once("<failure>")) {
                Some((_, failure)) => Verdict::Failed(failure.split_once("</").unwrap_or_default().0.to_owned()),
                None if body.contains("<skipped>") => Verdict::Skipped,
                None => Verdict::Passed,
            };
            (format!("{} {}", value("package"), value("classname")), verdict)
        })
        .collect()
}

/// A server of the h2 crate that reads each request to its end and answers, with thrill's settings.
async fn bare(listener: TcpListener) {
    while let Ok((io, _)) = listener.accept().await {
        tokio::spawn(serve_bare(io));
    }
}

async fn serve_bare(io: TcpStream) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    builder.max_frame_size(MAX_FRAME).max_header_list_size(64 << 10).max_concurrent_streams(1000);
    builder.initial_window_size(1 << 20).initial_connection_window_size(16 << 20);
    let mut connection = builder.handshake(io).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(data) = body.data().await {
                body.flow_control().release_capacity(data?.len())?;
            }
            body.trailers().await?;
            let mut send = respond.send_response(http::Response::new(()), false)?;
            send.send_data(Bytes::from_static(b"hello"), true)
        });
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_case_fails_that_the_bare_h2_crate_passes() {
    let Some(tool) = h2spec().await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(bare(listener));
    let expected = run(&tool, port, "/").await;
    serving.abort();
    let passed = expected.values().filter(|verdict| **verdict == Verdict::Passed).count();
    // Of 146; the last one fails or not by how the system closes a socket with unread bytes.
    assert!(passed >= 145, "the bare h2 crate passes {passed} cases: {expected:#?}");

    let server =
        Server::new().add(TestServiceServer::new(Handler::default())).bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = server.local_address().to_string();
    let port = addr.rsplit(':').next().unwrap().parse().unwrap();
    let mut failed = Vec::new();
    for path in ["/", "/echo.TestService/Echo"] {
        let got = run(&tool, port, path).await;
        assert_eq!(got.len(), expected.len());
        for (case, verdict) in got {
            if verdict != Verdict::Passed && expected[&case] == Verdict::Passed {
                failed.push(format!("{path} {case}: {verdict:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "cases fail that the bare h2 crate passes:\n  {}", failed.join("\n  "));
}
