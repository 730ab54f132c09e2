package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Args are those of ../load/src/args.rs.
type Args struct {
	Addr, Scenario, Proto string
	Conns, Streams, Size  int
	Seconds, Warm         float64
	Batch, Window         int
	ServerPid             int
}

func parseArgs(words []string) *Args {
	args := &Args{}
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	flags.StringVar(&args.Addr, "addr", "127.0.0.1:9000", "where the server listens")
	flags.StringVar(&args.Scenario, "scenario", "pingpong",
		"pingpong|bidi-pingpong|bidi-pipelined|server-stream|client-stream|open-close")
	flags.StringVar(&args.Proto, "proto", "grpc", "grpc|ttstream-mux|ttstream-long|ttheader|ttheader-mux|framed")
	flags.IntVar(&args.Conns, "conns", 1, "connections that the streams share")
	flags.IntVar(&args.Streams, "streams", 1, "streams, or callers, at a time")
	flags.IntVar(&args.Size, "size", 64, "bytes of the string in each message")
	flags.Float64Var(&args.Seconds, "seconds", 5, "how long is measured")
	flags.Float64Var(&args.Warm, "warm", 1, "how long runs before that")
	flags.IntVar(&args.Batch, "batch", 1000, "messages of one stream in server-stream and client-stream")
	flags.IntVar(&args.Window, "window", 0,
		"messages a pipelined sender may be ahead; 0: 256 KiB worth, between 16 and 1024")
	flags.IntVar(&args.ServerPid, "server-pid", 0, "the server's process, whose CPU time and memory are read")
	flags.Parse(words)
	if args.Window == 0 {
		args.Window = min(1024, max(16, (256<<10)/max(1, args.Size)))
	}
	return args
}

const (
	warm int32 = iota
	measure
	stop
)

var (
	phase atomic.Int32
	// told: only the first error of a run is printed.
	told atomic.Bool
)

// Worker has the counts of one stream.
type Worker struct {
	_         [64]byte // a cache line of its own: the streams run on several cores
	messages  atomic.Int64
	errors    atomic.Int64
	latencies histogram
	done      atomic.Bool
}

func (w *Worker) stopped() bool { return phase.Load() == stop }

func (w *Worker) count(messages int64) { w.messages.Add(messages) }

func (w *Worker) roundTrip(start time.Time) {
	if phase.Load() == measure {
		w.latencies.add(uint64(time.Since(start)))
	}
	w.count(1)
}

func (w *Worker) fail(err error) {
	if w.stopped() {
		return
	}
	w.errors.Add(1)
	if told.CompareAndSwap(false, true) {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	time.Sleep(10 * time.Millisecond)
}

// drive runs work on args.Streams goroutines and prints the JSON line of peer. work returns soon after stopped.
func drive(peer string, args *Args, work func(*Worker)) {
	workers := make([]*Worker, args.Streams)
	for i := range workers {
		workers[i] = &Worker{}
		go func() {
			work(workers[i])
			workers[i].done.Store(true)
		}()
	}
	time.Sleep(time.Duration(args.Warm * 1e9))
	begin := newSample(args, workers)
	phase.Store(measure)
	time.Sleep(time.Duration(args.Seconds * 1e9))
	end := newSample(args, workers)
	phase.Store(stop)
	stuck := wait(workers)

	seconds := end.at.Sub(begin.at).Seconds()
	messages := end.messages - begin.messages
	perSecond := float64(messages) / seconds
	latencies := newQuantiles(workers)
	errs := int64(0)
	for _, w := range workers {
		errs += w.errors.Load()
	}
	fmt.Printf(`{"peer":%q,"scenario":%q,"conns":%d,"streams":%d,"size":%d,`+
		`"seconds":%.3f,"messages":%d,"msgs_per_s":%.0f,"mb_per_s":%.2f,`+
		`"p50_us":%s,"p99_us":%s,"p999_us":%s,"client_cpu_s":%.2f,`+
		`"server_cpu_s":%.2f,"server_rss_mb":%.1f,"errors":%d,"stuck":%d}`+"\n",
		peer, args.Scenario, args.Conns, args.Streams, args.Size,
		seconds, messages, perSecond, perSecond*float64(args.Size)/1e6,
		latencies.micros(0.5), latencies.micros(0.99), latencies.micros(0.999), end.clientCPU-begin.clientCPU,
		end.serverCPU-begin.serverCPU, peakMegabytes(args.ServerPid), errs, stuck)
}

// wait gives the streams time to end and returns how many have not.
func wait(workers []*Worker) int {
	deadline := time.Now().Add(3 * time.Second)
	for {
		stuck := 0
		for _, w := range workers {
			if !w.done.Load() {
				stuck++
			}
		}
		if stuck == 0 || time.Now().After(deadline) {
			return stuck
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// sample is all counts at one instant.
type sample struct {
	at                   time.Time
	messages             int64
	clientCPU, serverCPU float64
}

func newSample(args *Args, workers []*Worker) sample {
	s := sample{at: time.Now()}
	for _, w := range workers {
		s.messages += w.messages.Load()
	}
	s.clientCPU = cpuSeconds(os.Getpid())
	s.serverCPU = cpuSeconds(args.ServerPid)
	return s
}

// cpuSeconds is 0 for a process that is gone.
func cpuSeconds(pid int) float64 {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// proc(5): the name, field 2, is in parentheses and may have spaces; utime and stime are fields 14 and 15.
	words := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(words) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(words[11], 64)
	system, _ := strconv.ParseFloat(words[12], 64)
	return (user + system) / 100
}

// peakMegabytes is the most memory a process has had resident.
func peakMegabytes(pid int) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if peak, found := strings.CutPrefix(line, "VmHWM:"); found {
			kilobytes, _ := strconv.ParseFloat(strings.Fields(peak)[0], 64)
			return kilobytes / 1024
		}
	}
	return 0
}
