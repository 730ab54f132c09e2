//! Metadata both ways.

use super::*;

// 7: metadata

/// What a handler sees of these headers: text values by name, binary values by name.
async fn seen(list: &[(&str, &str)]) -> Vec<String> {
    let (report, mut reports) = mpsc::unbounded_channel();
    let server = serve(move |cx: Context, _| {
        let report = report.clone();
        async move {
            let metadata = cx.metadata();
            let mut seen: Vec<_> = metadata
                .names()
                .map(|name| {
                    let text = metadata.get_all(name).map(|value| value.into_owned()).collect::<Vec<_>>();
                    let binary = metadata.get_bin(name).map(|value| format!("{value:?}")).collect::<Vec<_>>();
                    format!("{name}: {}", [text, binary].concat().join(" | "))
                })
                .collect();
            seen.sort();
            report.send(seen).unwrap();
            Ok(())
        }
    })
    .await;
    let mut peer = dial(&server).await;
    peer.open(&[request(TALK), fields(list)].concat()).await;
    h2peer::soon("the handler's metadata", reports.recv()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_sees_the_callers_metadata_and_not_the_protocols() {
    let sent = [
        ("grpc-timeout", "5S"),
        ("grpc-encoding", "identity"),
        ("grpc-accept-encoding", "identity"),
        ("grpc-status", "0"),
        ("grpc-message", "m"),
        ("grpc-message-type", "t"),
        ("grpc-status-details-bin", "CAU"),
        ("biz-status", "1"),
        ("biz-extra", "{}"),
        ("grpc-previous-rpc-attempts", "1"),
        ("source-service", "a caller"),
        ("rpc-transit-key", "v"),
        ("x-list", "b"),
        ("x-list", "a, c"),
        ("x-other", ""),
        ("x-list", "b"),
        ("x-utf8", "h\u{e9}llo \u{2713}"),
    ];
    let want = [
        "content-type: application/grpc+thrift",
        "grpc-previous-rpc-attempts: 1",
        "rpc-transit-key: v",
        "source-service: a caller",
        "user-agent: kitex/v0.16.3",
        "x-list: b | a, c | b",
        "x-other: ",
        "x-utf8: h\u{e9}llo \u{2713}",
    ];
    assert_eq!(seen(&sent).await, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_metadata_is_read_with_and_without_padding_and_dropped_where_it_is_broken() {
    let sent = [
        ("x-bin", "AP8"),
        ("x-bin", "AP8="),
        ("x-bin", "A?"),
        ("x-bin", "aGk"),
        ("x-long-bin", "+/+/"),
        ("grpc-tags-bin", "AQ"),
        ("grpc-trace-bin", "Ag=="),
    ];
    let mut got = seen(&sent).await;
    got.retain(|line| line.contains("-bin"));
    let want = [
        "grpc-tags-bin: b\"\\x01\"",
        "grpc-trace-bin: b\"\\x02\"",
        "x-bin: b\"\\0\\xff\" | b\"\\0\\xff\" | b\"hi\"",
        "x-long-bin: b\"\\xfb\\xff\\xbf\"",
    ];
    assert_eq!(got, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_the_answer_travels_raw_and_binary_values_without_padding() {
    let server = serve(|cx: Context, _| async move {
        for name in ["content-type", "grpc-status", "grpc-message", "te", "grpc-status-details-bin", ":path", "X-Up"] {
            assert!(cx.set_header(name, "v").is_err(), "{name}");
            assert!(cx.set_trailer(name, "v").is_err(), "{name}");
        }
        let mut metadata = Metadata::new();
        metadata.append("x-utf8", "h\u{e9}llo")?;
        metadata.append("x-utf8", "")?;
        metadata.append_bin("x-bin", [0, 255])?;
        cx.set_headers(&metadata)?;
        cx.set_trailers(&metadata)
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    let answer = peer.answer(stream).await;
    let own = [("x-utf8", "h\u{e9}llo"), ("x-utf8", ""), ("x-bin", "AP8")];
    let head = [(":status", "200"), ("content-type", "application/grpc+thrift")];
    let trail = [("grpc-status", "0"), ("grpc-message", "")];
    assert_eq!(answer.header, Some(fields(&[&head[..], &own].concat())));
    assert_eq!(answer.trailer, Some(fields(&[&trail[..], &own].concat())));
}
