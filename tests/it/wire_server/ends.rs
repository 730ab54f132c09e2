//! What the end of a call says, and deadlines.

use super::*;

// 4.2 to 4.5: what the end says

/// An error with another one behind it.
#[derive(Debug)]
struct Wrapped<E>(E);

impl<E: fmt::Display> fmt::Display for Wrapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrapped: {}", self.0)
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Wrapped<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// The trailers with which a handler's result ends a stream, without `:status` and `content-type`.
async fn ending(result: impl Fn() -> Result<()> + Send + Sync + 'static) -> Vec<Field> {
    let server = serve(move |_, _| {
        let result = result();
        async move { result }
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&request(TALK)).await;
    let mut trailer = peer.answer(stream).await.trailer.expect("a handler's result ends its stream by trailers");
    trailer.retain(|(name, _)| name != ":status" && name != "content-type");
    trailer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handlers_result_becomes_trailers() {
    type Outcome = Box<dyn Fn() -> Result<()> + Send + Sync>;
    type Row = (&'static str, Outcome, Vec<(&'static str, &'static str)>);
    let details = b"\x08\x05\x12\x02nf";
    let rows: Vec<Row> = vec![
        ("success", Box::new(|| Ok(())), vec![("grpc-status", "0"), ("grpc-message", "")]),
        (
            "plain error",
            Box::new(|| Err(Error::new("e"))),
            vec![("grpc-status", "13"), ("grpc-message", "e [biz error]")],
        ),
        (
            "status",
            Box::new(|| Err(Status::new(5, "nf").into())),
            vec![("grpc-status", "5"), ("grpc-message", "nf [biz error]")],
        ),
        (
            "status beyond gRPC's",
            Box::new(|| Err(Status::new(-1, "").into())),
            vec![("grpc-status", "-1"), ("grpc-message", " [biz error]")],
        ),
        (
            "status within another error",
            Box::new(|| Err(Error::new(Wrapped(Status::new(5, "nf"))))),
            vec![("grpc-status", "13"), ("grpc-message", "wrapped: rpc error: code = 5 desc = nf [biz error]")],
        ),
        (
            "status with details",
            Box::new(|| Err(Status::new(5, "nf").with_details(&details[..]).into())),
            vec![("grpc-status", "5"), ("grpc-message", "nf [biz error]"), ("grpc-status-details-bin", "CAUSAm5m")],
        ),
        (
            "text beyond ASCII",
            Box::new(|| Err(Error::new("100% \u{e9}\n\u{7f}\u{65e5}"))),
            vec![("grpc-status", "13"), ("grpc-message", "100%25 %C3%A9%0A%7F%E6%97%A5 [biz error]")],
        ),
        (
            "business error",
            Box::new(|| Err(BizStatusError::new(404, "bm \u{e9}").into())),
            vec![("grpc-status", "13"), ("grpc-message", "bm %C3%A9"), ("biz-status", "404")],
        ),
        (
            "negative business code",
            Box::new(|| Err(BizStatusError::new(-7, "").into())),
            vec![("grpc-status", "13"), ("grpc-message", ""), ("biz-status", "-7")],
        ),
        (
            "business code zero",
            Box::new(|| Err(BizStatusError::new(0, "bm").into())),
            vec![("grpc-status", "13"), ("grpc-message", "bm"), ("biz-status", "0")],
        ),
        (
            "business error with a status",
            Box::new(|| Err(BizStatusError::new(404, "bm").with_status(Status::new(5, "sm")).into())),
            vec![("grpc-status", "5"), ("grpc-message", "sm"), ("biz-status", "404")],
        ),
        (
            "business error with details",
            Box::new(|| {
                let status = Status::new(5, "nf").with_details(&details[..]);
                Err(BizStatusError::new(404, "bm").with_status(status).into())
            }),
            vec![
                ("grpc-status", "5"),
                ("grpc-message", "nf"),
                ("biz-status", "404"),
                ("grpc-status-details-bin", "CAUSAm5m"),
            ],
        ),
        (
            "business error with a status of success",
            Box::new(|| Err(BizStatusError::new(404, "bm").with_status(Status::new(0, "")).into())),
            vec![("grpc-status", "0"), ("grpc-message", ""), ("biz-status", "404")],
        ),
        (
            "business error with extra",
            Box::new(|| {
                let biz = BizStatusError::new(1, "bm").with_extra("b", "<&>\"\\\n").with_extra("a", "\u{e9}\u{65e5}");
                Err(biz.into())
            }),
            vec![
                ("grpc-status", "13"),
                ("grpc-message", "bm"),
                ("biz-status", "1"),
                ("biz-extra", r#"{"a":"é日","b":"\u003c\u0026\u003e\"\\\n"}"#),
            ],
        ),
        (
            "panic",
            Box::new(|| panic!("boom \u{e9}")),
            vec![
                ("grpc-status", "13"),
                (
                    "grpc-message",
                    "panic: [happened in biz handler, method=Probe.Talk, please check the panic at the server side] boom %C3%A9",
                ),
            ],
        ),
    ];
    for (what, result, want) in rows {
        assert_eq!(ending(result).await, fields(&want), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_error_is_found_behind_other_errors() {
    let want = fields(&[("grpc-status", "13"), ("grpc-message", "bm"), ("biz-status", "404")]);
    assert_eq!(ending(|| Err(Error::new(BizStatusError::new(404, "bm")))).await, want, "boxed");
    assert_eq!(ending(|| Err(Error::new(Wrapped(BizStatusError::new(404, "bm"))))).await, want, "wrapped");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_before_an_error_stay_and_a_reply_beside_one_does_not_go_out() {
    let mut peer = echo_peer().await;
    let answer = call(&mut peer, ECHO, &[say("a"), say("b"), say("!biz 7 no")].concat()).await;
    assert_eq!((answer.data.clone(), answer.trailer("biz-status")), ([say("a"), say("b")].concat(), Some("7")));
    let answer = call(&mut peer, UNARY, &ask("!biz 7 no")).await;
    assert_eq!((answer.header.clone(), answer.data.len()), (None, 0));
    assert_eq!((answer.status().as_str(), answer.trailer("biz-extra")), ("13 no", Some(r#"{"k":"v"}"#)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_its_own_stream_alone() {
    let mut peer = echo_peer().await;
    let bystander = peer.open(&request(ECHO)).await;
    peer.send(&Frame::data(bystander, say("one"))).await;
    for (path, data) in [(ECHO, say("!panic boom")), (UNARY, ask("!panic boom"))] {
        let got = call(&mut peer, path, &data).await.status();
        assert!(got.starts_with("13 panic: [happened in biz handler, method=TestService.Echo"), "{got}");
        assert!(got.ends_with("please check the panic at the server side] boom"), "{got}");
    }
    peer.send(&Frame::last(bystander, say("two"))).await;
    let answer = peer.answer(bystander).await;
    assert_eq!((answer.status().as_str(), answer.data), ("0 ", [say("one"), say("two")].concat()));
}

// 5.1: deadlines

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_recv_and_the_handler_says_how_the_stream_ends() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let server = serve(move |cx: Context, mut stream: Talk| {
        let report = report.clone();
        async move {
            let first = stream.recv().await.unwrap_err();
            let again = stream.recv().await.unwrap_err();
            report.send([&first, &again, &cx.cancelled().await].map(|err| (err.code().0, err.to_string()))).unwrap();
            Err(first)
        }
    })
    .await;
    let mut peer = dial(&server).await;
    for timeout in ["0n", "1n", "-1S", "-9999999H", "20m"] {
        let stream = peer.open(&with(request(TALK), "grpc-timeout", timeout)).await;
        for (code, text) in h2peer::soon("the handler's errors", reports.recv()).await.unwrap() {
            assert_eq!(code, 4, "{timeout}");
            assert!(text.starts_with("rpc error: code = 4 desc = context deadline exceeded"), "{timeout}: {text}");
        }
        let got = peer.answer(stream).await.status();
        assert_eq!(got, "4 context deadline exceeded [biz error]", "{timeout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_the_server_says_nothing_by_itself() {
    let (report, mut reports) = mpsc::unbounded_channel();
    let (go, _) = tokio::sync::broadcast::channel::<()>(1);
    let waits = go.clone();
    let server = serve(move |cx: Context, _| {
        let (report, mut go) = (report.clone(), waits.subscribe());
        async move {
            cx.cancelled().await;
            report.send(()).unwrap();
            go.recv().await.unwrap();
            Err(Error::status(9, "late"))
        }
    })
    .await;
    let mut peer = dial(&server).await;
    let stream = peer.open(&with(request(TALK), "grpc-timeout", "1m")).await;
    h2peer::soon("the deadline", reports.recv()).await.unwrap();
    assert_eq!(peer.fence().await, []);
    go.send(()).unwrap();
    assert_eq!(peer.answer(stream).await.status(), "9 late [biz error]");
}
