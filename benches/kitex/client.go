package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloudwego/kitex/client"
	"github.com/cloudwego/kitex/pkg/connpool"
	"github.com/cloudwego/kitex/pkg/remote/trans/ttstream"
	"github.com/cloudwego/kitex/transport"

	"kitex-perf/gen/echo"
	"kitex-perf/gen/echo/testservice"
)

// load runs the scenario over one client, which all goroutines share.
func load(args *Args) {
	options, err := clientOptions(args)
	check(err)
	testClient, err := testservice.NewClient("perf", options...)
	check(err)
	message := strings.Repeat("x", args.Size)
	s := &scenarios{args, testClient, &echo.Request{Message: &message}}
	work := map[string]func(context.Context, *Worker) error{
		"pingpong":       s.pingpong,
		"bidi-pingpong":  s.bidiPingpong,
		"bidi-pipelined": s.bidiPipelined,
		"server-stream":  s.serverStream,
		"client-stream":  s.clientStream,
		"open-close":     s.openClose,
	}[args.Scenario]
	if work == nil {
		check(fmt.Errorf("unknown scenario %s", args.Scenario))
	}
	drive("kitex-"+args.Proto, args, func(w *Worker) {
		ctx := context.Background()
		for !w.stopped() {
			if err := work(ctx, w); err != nil {
				w.fail(err)
			}
		}
	})
}

func clientOptions(args *Args) ([]client.Option, error) {
	options := []client.Option{client.WithHostPorts(args.Addr)}
	ownConnections := func(protocol transport.Protocol) []client.Option {
		args.Conns = args.Streams
		pool := connpool.IdleConfig{MaxIdlePerAddress: 1000, MaxIdleGlobal: 1000, MaxIdleTimeout: time.Minute}
		return append(options, client.WithTransportProtocol(protocol), client.WithLongConnection(pool))
	}
	ttstreamOption := func(option ttstream.ClientProviderOption) []client.Option {
		return append(options, client.WithTTHeaderStreamingOptions(client.WithTTHeaderStreamingTransportOptions(option)))
	}
	switch args.Proto {
	case "grpc":
		pool := client.WithGRPCConnPoolSize(uint32(args.Conns))
		return append(options, client.WithTransportProtocol(transport.GRPC), pool), nil
	case "ttstream-mux":
		return ttstreamOption(ttstream.WithClientMuxConnPool(ttstream.MuxConnConfig{PoolSize: args.Conns})), nil
	case "ttstream-long":
		args.Conns = args.Streams
		return ttstreamOption(ttstream.WithClientLongConnPool(ttstream.DefaultLongConnConfig)), nil
	case "ttheader":
		return ownConnections(transport.TTHeader), nil
	case "framed":
		return ownConnections(transport.Framed), nil
	case "ttheader-mux":
		return append(options, client.WithMuxConnection(args.Conns)), nil
	}
	return nil, fmt.Errorf("unknown protocol %s", args.Proto)
}

// scenarios has a method for each scenario: what one stream does, from its opening to its end.
type scenarios struct {
	args    *Args
	client  testservice.Client
	request *echo.Request
}

func (s *scenarios) pingpong(ctx context.Context, w *Worker) error {
	start := time.Now()
	if err := s.checkReply(s.client.EchoPingPong(ctx, s.request)); err != nil {
		return err
	}
	w.roundTrip(start)
	return nil
}

func (s *scenarios) bidiPingpong(ctx context.Context, w *Worker) error {
	stream, err := s.client.Echo(ctx)
	if err != nil {
		return err
	}
	for !w.stopped() {
		start := time.Now()
		if err := stream.Send(ctx, s.request); err != nil {
			return err
		}
		if err := s.checkReply(stream.Recv(ctx)); err != nil {
			return err
		}
		w.roundTrip(start)
	}
	return drain(ctx, stream)
}

func (s *scenarios) bidiPipelined(ctx context.Context, w *Worker) error {
	stream, err := s.client.Echo(ctx)
	if err != nil {
		return err
	}
	window := int64(s.args.Window)
	var received atomic.Int64
	moved, closed := make(chan struct{}, 1), make(chan struct{})
	go func() {
		for sent := int64(0); !w.stopped(); sent++ {
			for sent-received.Load() >= window {
				select {
				case <-moved:
				case <-closed:
					return
				}
			}
			if stream.Send(ctx, s.request) != nil {
				return
			}
		}
		stream.CloseSend(ctx)
	}()
	defer close(closed)
	for messages := int64(1); ; messages++ {
		reply, err := stream.Recv(ctx)
		if err == io.EOF {
			return nil
		}
		if err := s.checkReply(reply, err); err != nil {
			return err
		}
		received.Store(messages)
		w.count(1)
		// The sender is woken four times a window, not for each message.
		if messages%(window/4) == 0 {
			select {
			case moved <- struct{}{}:
			default:
			}
		}
	}
}

func (s *scenarios) serverStream(ctx context.Context, w *Worker) error {
	ask := fmt.Sprintf("%d:%d", s.args.Batch, s.args.Size)
	stream, err := s.client.EchoServer(ctx, &echo.Request{Message: &ask})
	if err != nil {
		return err
	}
	for messages := 0; ; messages++ {
		reply, err := stream.Recv(ctx)
		if err == io.EOF {
			if messages != s.args.Batch {
				return errors.New("wrong count")
			}
			return nil
		}
		if err := s.checkReply(reply, err); err != nil {
			return err
		}
		w.count(1)
	}
}

func (s *scenarios) clientStream(ctx context.Context, w *Worker) error {
	stream, err := s.client.EchoClient(ctx)
	if err != nil {
		return err
	}
	for range s.args.Batch {
		if err := stream.Send(ctx, s.request); err != nil {
			return err
		}
		w.count(1)
	}
	reply, err := stream.CloseAndRecv(ctx)
	if err == nil && reply.GetMessage() != strconv.Itoa(s.args.Batch) {
		err = errors.New("wrong count")
	}
	return err
}

func (s *scenarios) openClose(ctx context.Context, w *Worker) error {
	start := time.Now()
	stream, err := s.client.Echo(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(ctx, s.request); err != nil {
		return err
	}
	if err := s.checkReply(stream.Recv(ctx)); err != nil {
		return err
	}
	if err := drain(ctx, stream); err != nil {
		return err
	}
	w.roundTrip(start)
	return nil
}

func (s *scenarios) checkReply(reply *echo.Response, err error) error {
	if err == nil && len(reply.GetMessage()) != s.args.Size {
		err = errors.New("wrong message")
	}
	return err
}

// drain closes the sending side and reads to the stream's end.
func drain(ctx context.Context, stream testservice.TestService_EchoClient) error {
	if err := stream.CloseSend(ctx); err != nil {
		return err
	}
	for {
		if _, err := stream.Recv(ctx); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
