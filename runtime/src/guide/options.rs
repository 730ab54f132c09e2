//! Kitex's options, and where each of them is here.
//!
//! Which side and which kind of call an option is for shows in the type that has it:
//!
//! | type | is for | Kitex |
//! | --- | --- | --- |
//! | [`StreamClientBuilder`](crate::StreamClientBuilder) | all streams of a client | `streamclient.Option`, `client.WithStreamOptions` |
//! | [`StreamCall`](crate::StreamCall) | one stream; wins over its client | `streamcall.Option` |
//! | [`ClientBuilder`](crate::ClientBuilder) | all ping-pong calls of a client | `client.Option`, `client.WithUnaryOptions` |
//! | [`Call`](crate::Call) | one ping-pong or unary call; wins over its client | `callopt.Option` |
//! | [`Server`](crate::Server) | a server, all protocols | `server.Option`, `server.WithStreamOptions`, `server.WithUnaryOptions` |
//! | [`ServiceExt`](crate::ServiceExt) | one service of a server | `server.RegisterOption` |
//!
//! What a type does not have, it cannot do: a stream has no rpc timeout, no retry and no fallback, as in Kitex. A value that cannot
//! be (an empty service name, a pool or window of 0, no address) is an error of `build`, `bind` or `listen` that names the option.
//!
//! *Planned* marks what is to come under the name given; *not here* what will not, with the reason.
//!
//! # Clients
//!
//! *both* is for streams and ping-pong, by the same name on both builders.
//!
//! | Kitex | here | for |
//! | --- | --- | --- |
//! | `NewClient`, `NewStreamClient`, `WithDestService` | `XClient::builder(name)`, `XStreamClient::builder(name)` | both |
//! | `WithSuite` | `.suite(…)`: [`ClientSuite`](crate::ClientSuite) | both |
//! | `WithMiddleware`, `WithMiddlewareBuilder`, `WithStreamMiddleware`, `WithStreamMiddlewareBuilder`, `WithUnaryMiddleware`, `WithUnaryMiddlewareBuilder` | `.layer(…)`: [`Layer`](crate::middleware::Layer), which tells a stream by [`Args`](crate::middleware::Args). A builder needs no `Builder` form: a layer is a value | both |
//! | `WithSendMiddleware`, `WithStreamSendMiddleware`, `…Builder` | `.send_layer(…)`: [`SendLayer`](crate::middleware::SendLayer) | streams |
//! | `WithRecvMiddleware`, `WithStreamRecvMiddleware`, `…Builder` | `.recv_layer(…)`: [`RecvLayer`](crate::middleware::RecvLayer) | streams |
//! | `WithInstanceMW` | `.instance_layer(…)`: a [`Layer`](crate::middleware::Layer) around each attempt, which [`Context::instance`](crate::Context::instance) tells the instance | both |
//! | `WithMetaHandler`, `OnConnectStream` | `.meta_handler(…)`: [`MetaHandler`](crate::middleware::MetaHandler), with a table of when it runs | both |
//! | `WithFirstMetaHandler` | not here: the order is that of adding | |
//! | `WithHostPorts` | `.host_ports(…)` | both |
//! | `WithResolver` | `.discover(…)`: [`Discover`](crate::discovery::Discover) | both |
//! | `WithHTTPResolver`, `callopt.WithURL`, `streamcall.WithURL`, `WithHTTPHost` | not here: resolve a URL to `host_port` | |
//! | `WithLoadBalancer` | `.balance(…)`: [`Balance`](crate::balance::Balance); weighted round robin | both |
//! | `WithTag` | `.tag(…)` | both |
//! | `WithCircuitBreaker` | `.circuit_breaker(…)`: [`CircuitBreaker`](crate::breaker::CircuitBreaker) | both |
//! | `WithConnectTimeout` | `.connect_timeout(…)`; 1 s, Kitex's 50 ms | both |
//! | `WithRPCTimeout`, `WithUnaryRPCTimeout` | `.rpc_timeout(…)` | ping-pong |
//! | `WithStreamRecvTimeoutConfig`, `WithStreamRecvTimeout` | `.recv_timeout(…)`: [`StreamTimeout`](crate::StreamTimeout); over every transport | streams |
//! | none | `.send_timeout(…)`; `.timeout(…)` for whole streams | streams |
//! | none | `.read_write_timeout(…)` | ping-pong |
//! | `WithTimeoutProvider` | not here: a client's own default, or the call's | |
//! | `WithTransportProtocol` | `.transport(…)`: [`Transport`](crate::Transport). Streams go over HTTP/2; TTHeader streaming is planned | ping-pong |
//! | `WithShortConnection` | `.short_connection()` | both |
//! | `WithLongConnection`, `WithMuxConnection` | `.long_connection(…)`: [`LongConnection`](crate::LongConnection), `.multiplexed(…)`. Streams, and calls over HTTP/2, share connections | ping-pong |
//! | `WithGRPCConnPoolSize` | `.connection_pool_size(…)` | both |
//! | `WithGRPCInitialWindowSize`, `WithGRPCInitialConnWindowSize` | `.initial_window_size(…)`, `.initial_connection_window_size(…)`. They are fixed, and larger than Kitex's, whose windows grow | both |
//! | `WithGRPCMaxHeaderListSize` | `.max_header_list_size(…)`; 64 KiB, Kitex's 16 MiB | both |
//! | `WithGRPCKeepaliveParams` | `.keepalive(…)`: [`Keepalive`](crate::Keepalive) | both |
//! | `WithGRPCWriteBufferSize` | `.send_buffer_size(…)`, per stream: writes of all streams share system calls by themselves | both |
//! | `WithGRPCReadBufferSize`, `WithGRPCReuseWriteBuffer` | not here: buffers are sized and shared by themselves | |
//! | `WithGRPCTLSConfig` | `.tls(…)`: planned. [`Connect`](crate::net::Connect) can do it now | both |
//! | `WithDialer` | `.connector(…)`: [`Connect`](crate::net::Connect) | both |
//! | `WithClientBasicInfo` | `.caller(…)` | both |
//! | `WithTracer`, `WithStatsLevel`, `WithStreamEventHandler` | `.observe(…)`: [`Observe`](crate::observe::Observe); `.stats_level(…)` | both |
//! | `WithFailureRetry`, `WithBackupRequest`, `WithMixedRetry`, `WithRetryMethodPolicies`, `WithSpecifiedResultRetry`, `WithRetryContainer` | planned. A connection that refused a call unseen is replaced already | ping-pong |
//! | `WithFallback` | planned; a [`Layer`](crate::middleware::Layer) can do it now | ping-pong |
//! | `WithErrorHandler` | a [`Layer`](crate::middleware::Layer) that maps the error | both |
//! | `WithACLRules` | a [`Layer`](crate::middleware::Layer) that refuses, before anything is resolved | both |
//! | `WithCodec`, `WithPayloadCodec` | `.payload(…)`: [`Payload`](crate::Payload). A codec of one's own implements [`Reader`](crate::codec::Reader) and [`Writer`](crate::codec::Writer) | ping-pong |
//! | none | `.max_message_size(…)`; Kitex has no limit | both |
//! | `WithTTHeaderStreamingOptions`, and in it `WithTTHeaderStreamingTransportOptions`: `WithClientMuxConnPool`, `WithClientLongConnPool`, `WithClientShortConnPool`, `WithClientHeaderFrameHandler`, `WithClientMetaFrameHandler`, `WithClientTraceController` | planned, with TTHeader streaming | streams |
//! | `WithWarmingUp` | `.build_warm(…)`: [`WarmUp`](crate::WarmUp) | both |
//! | `WithXDSSuite`, `WithProxy` | not here: [`Connect`](crate::net::Connect) and discovery are the places for a mesh | |
//! | `WithContextBackup` | not here: Rust has no goroutine-local context; `.context(cx)` is explicit | |
//! | `WithConnReporterEnabled`, `WithDiagnosisService` | not here: pools are Kitex's own | |
//! | `WithCloseCallbacks` | `.on_close(…)`. A client is closed when its last clone is dropped | both |
//! | `WithTransHandlerFactory`, `WithConnPool`, `WithBoundHandler`, `WithHTTPConnection`, `WithGeneric`, `WithLogger`, `TailOption`, `ConvertOptionFrom`, `GetClientOption`, `GetClientOptions` | not here: Kitex's own machinery; logs go to `tracing` | |
//!
//! # Calls
//!
//! | Kitex | here | for |
//! | --- | --- | --- |
//! | `callopt.WithHostPort`, `streamcall.WithHostPort` | `.host_port(…)` | both |
//! | `callopt.WithConnectTimeout`, `streamcall.WithConnectTimeout` | `.connect_timeout(…)` | both |
//! | `callopt.WithRPCTimeout` | `.timeout(…)` on [`Call`](crate::Call) | ping-pong |
//! | `context.WithTimeout`, `context.WithDeadline` | `.timeout(…)`, `.deadline(…)` | both |
//! | `streamcall.WithRecvTimeoutConfig`, `WithRecvTimeout` | `.recv_timeout(…)`; `.send_timeout(…)` | streams |
//! | a handler's `ctx` passed to a call | `.context(cx)` | both |
//! | `context.WithValue` | `.extension(value)`, by type | both |
//! | `metainfo.WithValue`, `WithPersistentValue` | `.transient(…)`, `.persistent(…)` | both |
//! | `metadata.NewOutgoingContext`, `AppendToOutgoingContext` | `.metadata(…)`, `.metadata_all(…)`; [`Context::append_metadata`](crate::Context::append_metadata) | both |
//! | `GRPCHeader`, `GRPCTrailer`, `metainfo.RecvBackwardValue` | `.with_metadata()`; [`Context::header`](crate::Context::header), [`Context::backward`](crate::Context::backward) in a layer | ping-pong, unary |
//! | `callopt.WithTag`, `streamcall.WithTag` | `.tag(…)` | both |
//! | `callopt.WithRetryPolicy`, `WithFallback` | planned | ping-pong |
//! | `WithGRPCCompressor` | planned | both |
//! | `WithBinaryGenericIDLService` | planned, with generic calls | both |
//! | `streaming.CallWithTimeout` | [`call_with_timeout`](crate::call_with_timeout), for any future | both |
//! | `streaming.FinishStream`, `FinishClientStream` | drop the stream | streams |
//!
//! # Servers
//!
//! A server takes all protocols on its port. An option is for all of them unless its row says otherwise.
//!
//! | Kitex | here | streams |
//! | --- | --- | --- |
//! | `WithSuite` | `.suite(…)`: [`ServerSuite`](crate::ServerSuite) | yes |
//! | `WithMiddleware`, `WithStreamMiddleware`, `WithUnaryMiddleware`, `…Builder` | `.layer(…)`; for one service [`ServiceExt::layer`](crate::ServiceExt::layer) | yes |
//! | `WithSendMiddleware`, `WithRecvMiddleware`, `WithStreamSendMiddleware`, `WithStreamRecvMiddleware`, `…Builder` | `.send_layer(…)`, `.recv_layer(…)`; on [`ServiceExt`](crate::ServiceExt) too | yes |
//! | `WithCompatibleMiddlewareForUnary` | always so: unary over a stream is a ping-pong call to layers | unary |
//! | `WithMetaHandler`, `remote.NewCustomMetaHandler` (`WithOnReadStream`, `WithOnConnectStream`, `WithReadMeta`, `WithWriteMeta`) | `.meta_handler(…)`: [`MetaHandler`](crate::middleware::MetaHandler), with a table of when it runs; each half may be left out | yes |
//! | `WithTTHeaderStreamingOptions`, and in it `WithServerHeaderFrameHandler` | planned, with TTHeader streaming | yes |
//! | `server.NewLocalCaller` | [`testing::memory`](crate::testing::memory): a server and its clients without a socket | yes |
//! | `WithServiceAddr`, `WithListener` | `.bind(…)`, `.serve(…)`; `.listen(…)` takes any [`Listen`](crate::net::Listen) | yes |
//! | `WithReusePort` | `.reuse_port(…)` | yes |
//! | `WithExitWaitTime` | `.exit_wait_time(…)` | yes |
//! | `WithExitSignal`, `RegisterShutdownHook`, `RegisterStartHook` | [`Bound::run_until`](crate::Bound::run_until), [`Handle::shutdown`](crate::Handle::shutdown); `.on_stop(…)`, `.on_start(…)` | yes |
//! | `WithReadWriteTimeout` | `.read_write_timeout(…)`; `.partial_timeout(…)` for what a peer leaves unfinished, streams too | no |
//! | `WithMaxConnIdleTime` | `.max_connection_idle_time(…)`, for all protocols | connections |
//! | `WithLimit`, `WithConnectionLimiter`, `WithQPSLimiter`, `WithConcurrencyLimiter`, `WithLimitReporter` | `.limits(…)`: [`Limits`](crate::Limits), changed by [`Handle::set_limits`](crate::Handle::set_limits); `.limiter(…)`: [`Limiter`](crate::Limiter); `.on_limit(…)` | yes |
//! | `WithRegistry`, `WithRegistryInfo` | `.register(…)`: [`Register`](crate::Register), [`Registration`](crate::Registration) | yes |
//! | `WithGRPCMaxConcurrentStreams` | `.max_concurrent_streams(…)`; enforced, 1,000 | yes |
//! | `WithGRPCInitialWindowSize`, `WithGRPCInitialConnWindowSize`, `WithGRPCMaxHeaderListSize` | `.initial_window_size(…)`, `.initial_connection_window_size(…)`, `.max_header_list_size(…)` | HTTP/2 |
//! | `WithGRPCKeepaliveParams` | `Time` and `Timeout`: `.keepalive(…)`; `MaxConnectionIdle`: `.max_connection_idle_time(…)`; `MaxConnectionAge`, `MaxConnectionAgeGrace`: `.max_connection_age(…)`, `.max_connection_age_grace(…)` | HTTP/2 |
//! | `WithGRPCKeepaliveEnforcementPolicy` | `.keepalive_enforcement(…)`: [`KeepaliveEnforcement`](crate::KeepaliveEnforcement); off, Kitex's default is its default | HTTP/2 |
//! | `WithGRPCWriteBufferSize` | `.send_buffer_size(…)`, per stream | HTTP/2 |
//! | `WithGRPCReadBufferSize`, `WithGRPCReuseWriteBuffer` | not here: buffers are sized and shared by themselves | |
//! | `WithGRPCUnknownServiceHandler` | planned | HTTP/2 |
//! | `WithRefuseTrafficWithoutServiceName`, `WithFallbackService` | `.refuse_traffic_without_service_name()`, `.add_fallback(…)`; a stream always names its service | ping-pong |
//! | `WithEnableContextTimeout` | always so: a caller's timeout is the handler's deadline | yes |
//! | `WithTracer`, `WithStatsLevel`, `WithStreamEventHandler` | `.observe(…)`: [`Observe`](crate::observe::Observe); `.stats_level(…)` | yes |
//! | `WithErrorHandler`, `WithACLRules` | a [`Layer`](crate::middleware::Layer) | yes |
//! | `WithCodec`, `WithPayloadCodec` | a ping-pong message tells its protocol itself: Binary or Compact | ping-pong |
//! | `WithServerBasicInfo` | not here: a service's name is in its IDL; who calls, says so itself | |
//! | `WithBoundHandler` | not here, as on Kitex's streams | no |
//! | `WithContextBackup`, `WithDiagnosisService`, `WithProxy`, `WithProfiler…`, `WithTransHandlerFactory`, `WithTransServerFactory`, `WithMuxTransport`, `WithMultiProtocol`, `WithGeneric`, `WithLogger` | not here: Kitex's own machinery, or done by itself | |
//!
//! # Streams and contexts
//!
//! | Kitex | here |
//! | --- | --- |
//! | `stream.Context()`, `rpcinfo` | `.context()` of every stream: [`Context`](crate::Context) |
//! | `contextmap.WithContextMap`, `GetContextMap` | [`Context::insert`](crate::Context::insert), [`Context::extension`](crate::Context::extension) |
//! | `metainfo.GetValue`, `GetPersistentValue` | [`Context::transient`](crate::Context::transient), [`Context::persistent`](crate::Context::persistent) |
//! | `metainfo.SendBackwardValue` | [`Context::send_backward`](crate::Context::send_backward) |
//! | `metadata.FromIncomingContext` | [`Context::metadata`](crate::Context::metadata) |
//! | `SendMsg`, `RecvMsg`, `CloseSend`, `Header`, `Trailer` | `send`, `recv`, `close`, `header`, `trailer` of the streams |
//! | `streaming.WithDoFinish`, `CloseCallbackRegister` | [`Observe::finish`](crate::observe::Observe::finish) |
//! | `SetHeader`, `SendHeader`, `SetTrailer` | [`Context::set_header`](crate::Context::set_header), [`Context::send_header`](crate::Context::send_header), [`Context::set_trailer`](crate::Context::set_trailer) |
//! | `ctx.Done()`, `ctx.Err()` | [`Context::cancelled`](crate::Context::cancelled), [`Context::cancel_cause`](crate::Context::cancel_cause) |
//! | `Status.IsCascadeCancel()` | [`Cancelled::Cascade`](crate::Cancelled::Cascade), which has the cause |
//! | `streaming.Result`, `streaming.Args` with another stream | [`Stream::pair`](crate::middleware::Stream::pair), [`Stream::send_layer`](crate::middleware::Stream::send_layer) |
