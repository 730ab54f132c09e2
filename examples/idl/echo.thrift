namespace go echo

struct Request {
    1: optional string message,
}

struct Response {
    1: optional string message,
}

service TestService {
    /** Both directions, independent of each other. */
    Response Echo(1: Request req) (streaming.mode = "bidirectional"),

    /** Many requests, one response. */
    Response EchoClient(1: Request req) (streaming.mode = "client"),

    /** One request, many responses. */
    Response EchoServer(1: Request req) (streaming.mode = "server"),

    /** One request, one response. */
    Response EchoUnary(1: Request req) (streaming.mode = "unary"),
}
