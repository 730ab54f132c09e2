package main

import (
	"context"
	"io"
	"strconv"
	"strings"

	"kitex-perf/gen/echo"
)

type handler struct{}

func (*handler) EchoPingPong(ctx context.Context, request *echo.Request) (*echo.Response, error) {
	return &echo.Response{Message: request.Message}, nil
}

func (*handler) Echo(ctx context.Context, stream echo.TestService_EchoServer) error {
	for {
		request, err := stream.Recv(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(ctx, &echo.Response{Message: request.Message}); err != nil {
			return err
		}
	}
}

func (*handler) EchoClient(ctx context.Context, stream echo.TestService_EchoClientServer) error {
	for count := 0; ; count++ {
		_, err := stream.Recv(ctx)
		if err == io.EOF {
			message := strconv.Itoa(count)
			return stream.SendAndClose(ctx, &echo.Response{Message: &message})
		}
		if err != nil {
			return err
		}
	}
}

// EchoServer is asked for "MESSAGES:SIZE".
func (*handler) EchoServer(ctx context.Context, request *echo.Request, stream echo.TestService_EchoServerServer) error {
	first, second, _ := strings.Cut(request.GetMessage(), ":")
	messages, _ := strconv.Atoi(first)
	size, _ := strconv.Atoi(second)
	message := strings.Repeat("x", size)
	for range messages {
		if err := stream.Send(ctx, &echo.Response{Message: &message}); err != nil {
			return err
		}
	}
	return nil
}
