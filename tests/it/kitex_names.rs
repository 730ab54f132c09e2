//! What Kitex's own tests say that its users rely on: each of their names, and what holds it here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use thrill::middleware::{AnyMessage, Args, Layer, Next, RecvLayer, RecvNext, Reply, SendLayer, SendNext, layer};
use thrill::observe::{Event, Observe};
use thrill::{BizStatusError, Context, Result, Server};
use thrill_tests::contract::{AddError, TestServiceClient, TestServiceServer};
use thrill_tests::handler::Handler;

use crate::public_api::{EdgeStreamClient, Note, Script, at_once, within};

/// The tests of Kitex's `kitex-tests` that use Thrift or HTTP/2, and what holds the same here: names of tests, and of the contract's
/// cases (`grpc.bidi`), which run against Kitex itself.
const NAMES: &[(&str, &[&str])] = &[
    // thrift_streaming/thrift_test.go
    ("TestKitexThriftBidirectional", &["grpc.bidi", "grpc.duplex", "grpc.meta"]),
    ("TestKitexThriftClient", &["grpc.client"]),
    ("TestKitexThriftServer", &["grpc.server"]),
    // A lower-case key does not leave this client: no peer would see it as it was written.
    ("TestKitexThriftEchoUnary", &["grpc.unary", "metainfo_keys_of_a_kitex_client_arrive_in_upper_case"]),
    ("TestKitexThriftEchoPingPong", &["ttheaderframed.echo", "framed.echo"]),
    ("TestKitexThriftEchoOneway", &["ttheaderframed.oneway", "framed.oneway"]),
    ("TestKitexThriftPing", &["ttheaderframed.void", "framed.void"]),
    ("TestKitexClientMiddleware", &["layers_see_a_ping_pong_call_with_its_messages_over_every_transport"]),
    (
        "TestKitexStreamClientMiddleware{Unary,Bidirectional,Client,Server}",
        &["layers_see_the_opening_of_a_stream_and_message_layers_its_messages"],
    ),
    (
        "TestKitexServerMiddleware",
        &[
            "layers_see_a_ping_pong_call_with_its_messages_over_every_transport",
            "layers_see_the_opening_of_a_stream_and_message_layers_its_messages",
        ],
    ),
    (
        "TestTimeoutRecvSend",
        &[
            "any_future_can_be_given_a_time",
            "a_recv_that_takes_too_long_cancels_the_stream_with_kitex_s_error",
            "a_deadline_ends_recv_and_the_handler_says_how_the_stream_ends",
        ],
    ),
    (
        "TestThriftStreamingMetaData",
        &["lists_of_metadata_are_echoed_in_their_order", "upper_snake_keys_survive_and_others_are_dropped"],
    ),
    // A name that is not lower case cannot be set; one that comes ends the connection, as HTTP/2 has it.
    (
        "TestThriftStreamingMetaData/header-failure",
        &[
            "a_wrong_metadata_name_fails_the_call_that_sets_it",
            "an_answer_that_breaks_the_protocol_is_an_error_after_the_messages_before_it",
        ],
    ),
    (
        "TestThriftStreamingMetaData/trailer-failure",
        &["an_answer_that_breaks_the_protocol_is_an_error_after_the_messages_before_it"],
    ),
    ("TestCombineService", &["two_services_share_a_port", "a_service_and_its_base_are_served_side_by_side"]),
    ("TestThriftStreamLogID", &["a_log_id_is_seen_by_every_layer_of_a_stream_and_by_its_handler"]),
    (
        "TestABCService",
        &[
            "the_kitex_client_passes_its_cases_against_a_server_made_from_idl",
            "a_file_that_extends_another_has_its_methods_and_the_package_of_its_own",
        ],
    ),
    ("TestCustomMetaHandler", &["all_layers_of_a_stream_and_its_handler_share_the_extensions_of_its_context"]),
    // thrift_streaming/thrift_tracing_test.go
    (
        "TestTracerNormalEndOfStream",
        &[
            "every_message_of_a_stream_is_told_with_its_size_and_its_end_is_none",
            "client_and_server_streams_finish_as_documented",
            "unary_and_ping_pong_calls_have_sizes_and_no_events",
        ],
    ),
    ("TestTracingSendError", &["a_send_after_close_says_so_on_both_sides"]),
    (
        "TestTracingServerReturnError",
        &["every_kind_ends_with_its_handlers_error", "messages_come_before_the_error_that_follows_them"],
    ),
    ("TestTracingServerReturnBizError", &["a_business_error_arrives_whole_in_every_kind"]),
    ("TestTracingClientTimeout", &["a_call_of_any_kind_ends_at_its_deadline_with_code_4"]),
    (
        "TestTracingServerStop",
        &[
            "a_connection_that_is_lost_ends_its_streams_and_the_next_call_dials",
            "a_shutdown_resets_what_outlasts_exit_wait_time",
        ],
    ),
    ("TestTracerStreamEventEOF", &["every_message_of_a_stream_is_told_with_its_size_and_its_end_is_none"]),
    ("TestTracerFinishStream", &["a_stream_finishes_once_however_it_ends", "nothing_stays_behind"]),
    ("TestStream_DoFinishOnError", &["a_stream_finishes_once_however_it_ends", "a_call_that_is_not_made_finishes_too"]),
    // thrift_streaming/thrift_cross_test.go, thrift_old_client_test.go
    ("TestOldClient", &["streams_and_calls_may_have_one_name"]),
    // streamx: normal.go, cancel.go, timeout.go
    (
        "TestThriftNormal",
        &[
            "what_comes_beside_an_error_is_seen_by_observers",
            "a_header_that_is_set_twice_goes_ahead_whole",
            "headers_and_trailers_come_with_every_kind",
            "a_call_of_one_response_needs_one_and_its_end",
            "every_message_of_a_stream_is_told_with_its_size_and_its_end_is_none",
        ],
    ),
    ("TestThriftCancel", &["a_cancelled_stream_is_code_1_on_both_sides_and_no_header_is_told"]),
    (
        "TestThriftTimeout",
        &[
            "a_recv_that_takes_too_long_cancels_the_stream_with_kitex_s_error",
            "a_deadline_reaches_a_handler_by_itself_whatever_it_waits_for",
            "the_earliest_of_what_was_said_is_the_deadline",
        ],
    ),
    // kitexgrpc
    (
        "multi_service",
        &[
            "a_miss_is_answered_at_once_and_the_rest_of_the_stream_is_not_wanted",
            "an_unknown_method_is_answered_at_once",
        ],
    ),
    ("normalcall", &["a_short_connection_carries_one_stream"]),
    ("unknown_handler", &["a_miss_is_answered_at_once_and_the_rest_of_the_stream_is_not_wanted"]),
    ("abc", &["the_kitex_client_passes_its_cases_through_a_chain"]),
    // nphttp2/grpc
    (
        "transport_test.go",
        &[
            "data_over_the_window_is_a_flow_control_error_and_costs_no_more_than_the_window",
            "a_stream_id_that_no_client_may_use_ends_the_connection",
            "a_header_list_over_the_limit_is_answered_with_431",
            "goaway_refuses_the_streams_above_and_lets_the_others_end",
            "a_window_that_settings_change_is_honoured_at_once",
        ],
    ),
    (
        "keepalive_test.go",
        &[
            "pings_that_come_too_often_end_a_connection_where_that_is_enforced",
            "a_clients_keepalive_finds_a_silent_server",
            "a_servers_keepalive_finds_a_silent_client",
        ],
    ),
    (
        "graceful_shutdown_test.go",
        &[
            "a_shutdown_resets_what_outlives_the_wait_with_kitexs_code",
            "a_forced_shutdown_goes_down_the_chain_as_what_it_is",
        ],
    ),
    (
        "http_util_test.go",
        &[
            "a_timeout_travels_in_the_finest_unit_that_fits",
            "only_the_subtype_thrift_is_read",
            "trailers_tell_how_a_stream_ends",
        ],
    ),
    (
        "context_test.go",
        &[
            "a_cancellation_goes_down_the_chain_at_once",
            "a_deadline_goes_down_the_chain",
            "after_its_return_a_handlers_context_is_cancelled",
        ],
    ),
];

#[test]
fn what_is_named_is_there() {
    fn sources(folder: &Path, all: &mut String) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => sources(&entry.path(), all),
                false
                    if entry.file_name() != "kitex_names.rs"
                        && entry.path().extension().is_some_and(|it| it == "rs") =>
                {
                    all.push_str(&fs::read_to_string(entry.path()).unwrap());
                }
                false => {}
            }
        }
    }
    let mut text = include_str!("kitex_names.rs").to_owned();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in [tests.join("it"), tests.join("soak"), tests.join("../runtime/src")] {
        sources(&folder, &mut text);
    }
    let cases: Vec<_> = thrill_tests::cases::all().into_iter().map(|case| case.name).collect();
    let is_there = |name: &str| cases.contains(&name) || text.contains(&format!("fn {name}("));
    let names = NAMES.iter().flat_map(|(theirs, ours)| ours.iter().map(move |name| (theirs, name)));
    let gone: Vec<_> = names.filter(|(_, name)| !is_there(name)).collect();
    assert!(gone.is_empty(), "no test and no case: {gone:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metainfo_keys_of_a_kitex_client_arrive_in_upper_case() {
    let mut served = Script::new()
        .talk(|desk, cx, _| async move {
            desk.say(format!("{:?} {:?}", cx.transient("ERROR"), cx.persistent("FOO_BAR")));
            Ok(())
        })
        .serve()
        .await;
    // What Kitex makes of the keys `error` and `Foo-Bar`.
    let call = served.client().talk().metadata("rpc-transit-error", "e").metadata("rpc-persist-foo-bar", "f");
    assert_eq!(within(call.await.unwrap().recv()).await.unwrap(), None);
    assert_eq!(served.heard().await, r#"Some("e") Some("f")"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_metadata_are_echoed_in_their_order() {
    let echo = |cx: &Context| {
        for value in cx.metadata().get_all("hello") {
            cx.set_header("hello", &value)?;
            cx.set_trailer("hello", &value)?;
        }
        Ok(())
    };
    let served = Script::new()
        .talk(move |_, cx, mut stream| async move {
            echo(&cx)?;
            while let Some(note) = stream.recv().await? {
                stream.send(note).await?;
            }
            Ok(())
        })
        .ask(move |_, cx, note| async move { echo(&cx).map(|()| note) })
        .serve()
        .await;
    let client = served.client();
    let values = ["1", "2", "1", "2"];
    let mut call = client.talk();
    for value in values {
        call = call.metadata("hello", value);
    }
    let mut stream = call.await.unwrap();
    stream.send(Note::of("hi")).await.unwrap();
    within(stream.recv()).await.unwrap();
    assert_eq!(within(stream.header()).await.unwrap().get_all("hello").collect::<Vec<_>>(), values);
    assert_eq!(stream.trailer(), None, "the end comes before the trailer");
    stream.close().await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    assert_eq!(stream.trailer().unwrap().get_all("hello").collect::<Vec<_>>(), values);

    let call = values.iter().fold(client.ask(Note::of("hi")), |call, value| call.metadata("hello", value));
    let reply = within(call.with_metadata()).await.unwrap();
    for metadata in [&reply.header, &reply.trailer] {
        assert_eq!(metadata.get_all("hello").collect::<Vec<_>>(), values);
    }
}

/// Who saw which log id.
#[derive(Clone, Default)]
struct Ids(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Ids {
    fn saw(&self, who: &'static str, cx: &Context) {
        self.0.lock().unwrap().insert(who, cx.log_id().unwrap_or_default().into_owned());
    }
}

#[thrill::async_trait]
impl Layer for Ids {
    async fn call(&self, cx: &Context, args: Args, next: Next<'_>) -> Result<Reply> {
        self.saw("layer", cx);
        next.run(cx, args).await
    }
}

#[thrill::async_trait]
impl SendLayer for Ids {
    async fn send(&self, cx: &Context, message: &mut dyn AnyMessage, next: SendNext<'_>) -> Result<()> {
        self.saw("send layer", cx);
        next.run(cx, message).await
    }
}

#[thrill::async_trait]
impl RecvLayer for Ids {
    async fn recv(&self, cx: &Context, next: RecvNext<'_>) -> Result<Option<Box<dyn AnyMessage>>> {
        self.saw("recv layer", cx);
        next.run(cx).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_id_is_seen_by_every_layer_of_a_stream_and_by_its_handler() {
    let ids = Ids::default();
    let of_handler = ids.clone();
    let script = Script::new().talk(move |_, cx, mut stream| {
        of_handler.saw("handler", &cx);
        async move {
            let note = stream.recv().await?.unwrap_or_default();
            stream.send(note).await
        }
    });
    let server = Server::new().layer(ids.clone()).send_layer(ids.clone()).recv_layer(ids.clone());
    let served = script.serve_with(server, "127.0.0.1:0").await;
    let mut stream = served.client().talk().log_id("log-7").await.unwrap();
    stream.send(Note::of("hi")).await.unwrap();
    within(stream.recv()).await.unwrap();
    assert_eq!(within(stream.recv()).await.unwrap(), None);
    let want = ["handler", "layer", "recv layer", "send layer"].map(|who| (who, "log-7".to_owned()));
    assert_eq!(*ids.0.lock().unwrap(), BTreeMap::from(want));
}

/// What observers told last, and whether a header came.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observe for Told {
    fn event(&self, _: &Context, event: &Event<'_>) {
        if let Event::Header(_) = event {
            self.0.lock().unwrap().push("header".to_owned());
        }
    }

    fn finish(&self, cx: &Context, end: &Result<()>) {
        let code = end.as_ref().map_or_else(|err| err.code().0, |()| 0);
        let (header, trailer) = (cx.header(), cx.trailer());
        let beside: Vec<_> = [header.get("x-head"), trailer.get("x-trail"), cx.backward("BACK").map(Into::into)]
            .into_iter()
            .flatten()
            .map(|value| value.into_owned())
            .collect();
        self.0.lock().unwrap().push(format!("finished {code} {}", beside.join(" ")).trim_end().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_beside_an_error_is_seen_by_observers() {
    let script = Script::new().ask(|_, cx, _| async move {
        cx.set_header("x-head", "h")?;
        cx.send_header()?;
        cx.set_trailer("x-trail", "t")?;
        Err(BizStatusError::new(10_000, "no").into())
    });
    let (served, told) = (script.serve().await, Told::default());
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).observe(told.clone()).build().unwrap();
    let err = within(client.ask(Note::default()).with_metadata()).await.unwrap_err();
    assert_eq!(err.to_string(), "biz error: code=10000, msg=no");
    assert_eq!(told.take(), ["finished 13 h t"]);

    // Over a TTHeader, what goes back beside a reply does so beside an error, too.
    let back = layer(|cx, args, next| {
        Box::pin(async move {
            cx.send_backward("BACK", "b");
            next.run(&cx, args).await
        })
    });
    let server = Server::new().layer(back).add(TestServiceServer::new(Handler::default()));
    let server = server.bind("127.0.0.1:0").await.unwrap().spawn();
    let addr = server.local_address().to_string();
    let client = TestServiceClient::builder("echo").transport(thrill::Transport::TtHeader).host_ports([addr]);
    let client = client.observe(told.clone()).build().unwrap();
    assert!(matches!(client.add(600, 1).await, Err(AddError::Error(thrill::Error::Biz(_)))));
    assert_eq!(told.take(), ["finished 13 b"]);
    assert!(client.add(500, 1).await.is_err());
    assert_eq!(told.take(), ["finished 6 b"]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_set_twice_goes_ahead_whole() {
    let script = Script::new().download(|desk, cx, (note, mut notes)| async move {
        cx.set_header("x-one", "1")?;
        cx.set_header("x-two", "2")?;
        cx.send_header()?;
        desk.wait().await;
        notes.send(note).await
    });
    let served = script.serve().await;
    let mut notes = served.client().download(Note::of("hi")).await.unwrap();
    let header = within(notes.header()).await.unwrap();
    assert_eq!((header.get("x-one").as_deref(), header.get("x-two").as_deref()), (Some("1"), Some("2")));
    served.let_go(1);
    assert_eq!(within(notes.recv()).await.unwrap(), Some(Note::of("hi")));
    assert_eq!(within(notes.recv()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_stream_is_code_1_on_both_sides_and_no_header_is_told() {
    /// Waits for the end of its call, whatever it says.
    async fn end(desk: crate::public_api::Desk, cx: Context) -> thrill::Error {
        let cause = cx.cancelled().await;
        desk.say(format!("{} {}", cause.code(), cx.is_cancelled()));
        cause
    }
    let mut served = Script::new()
        .talk(|desk, cx, mut stream| async move {
            desk.say("runs");
            // What comes is read; nothing is answered.
            while let Ok(Some(_)) = stream.recv().await {}
            Err(end(desk, cx).await)
        })
        .upload(|desk, cx, _| async move {
            desk.say("runs");
            Err(end(desk, cx).await)
        })
        .download(|desk, cx, _| async move {
            desk.say("runs");
            Err(end(desk, cx).await)
        })
        .ask(|desk, cx, _| async move {
            desk.say("runs");
            Err(end(desk, cx).await)
        })
        .serve()
        .await;
    let told = Told::default();
    let client = EdgeStreamClient::builder("edge").host_ports([&served.addr]).observe(told.clone()).build().unwrap();
    for way in ["opened", "sent", "closed", "receiving", "client", "server", "unary"] {
        let running = async |served: &mut crate::public_api::Served| assert_eq!(served.heard().await, "runs", "{way}");
        match way {
            "client" => {
                let mut upload = client.upload().await.unwrap();
                upload.send(Note::of("hi")).await.unwrap();
                running(&mut served).await;
            }
            "server" => {
                let mut notes = client.download(Note::of("hi")).await.unwrap();
                running(&mut served).await;
                assert!(tokio::time::timeout(SOON, notes.recv()).await.is_err(), "{way}");
            }
            "unary" => {
                let asking = tokio::spawn(client.ask(Note::of("hi")).into_future());
                running(&mut served).await;
                asking.abort();
            }
            _ => {
                let mut stream = client.talk().await.unwrap();
                if way != "opened" {
                    stream.send(Note::of("hi")).await.unwrap();
                }
                if way == "closed" {
                    stream.close().await.unwrap();
                }
                running(&mut served).await;
                if way == "receiving" {
                    assert!(tokio::time::timeout(SOON, stream.recv()).await.is_err(), "{way}");
                }
            }
        }
        // No ticker is waited for: the handler hears of it at once.
        assert_eq!(at_once(served.heard()).await, "1 true", "{way}");
        // A call whose task is aborted is dropped piece by piece: its reset may be ahead of its finish.
        let finish = async {
            loop {
                match told.take() {
                    none if none.is_empty() => tokio::task::yield_now().await,
                    told => break told,
                }
            }
        };
        assert_eq!(at_once(finish).await, ["finished 1"], "{way}");
    }
}

/// Long enough for an answer, if there were one.
const SOON: std::time::Duration = std::time::Duration::from_millis(20);
