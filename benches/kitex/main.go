// Kitex echo server and load generator; the rules are those of ../README.md.
package main

//go:generate go tool kitex -module kitex-perf -gen-path gen -streamx ../idl/echo.thrift
//go:generate go tool kitex -module kitex-perf -gen-path gen ../idl/codec.thrift

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/cloudwego/kitex/pkg/klog"
	"github.com/cloudwego/kitex/server"

	"kitex-perf/gen/echo/testservice"
)

func main() {
	klog.SetOutput(io.Discard)
	if len(os.Args) < 2 || (os.Args[1] != "server" && os.Args[1] != "client") {
		fmt.Fprintln(os.Stderr, "usage: kitex-perf server|client FLAGS")
		os.Exit(2)
	}
	if os.Args[1] == "server" {
		serve(os.Args[2:])
	} else {
		load(parseArgs(os.Args[2:]))
	}
}

func serve(words []string) {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:9000", "where to listen")
	mux := flags.Bool("mux", false, "for clients with --proto ttheader-mux")
	flags.Parse(words)
	resolved, err := net.ResolveTCPAddr("tcp", *addr)
	check(err)
	options := []server.Option{server.WithServiceAddr(resolved)}
	if *mux {
		options = append(options, server.WithMuxTransport())
	}
	check(testservice.NewServer(&handler{}, options...).Run())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
