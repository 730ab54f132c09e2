// Encode and decode of the values of ../../idl/codec.thrift by Kitex FastCodec and frugal. One goroutine, the output
// buffer is reused. The values are those of ../../load/src/codec.rs.
package main

import (
	"flag"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/cloudwego/frugal"

	"kitex-perf/gen/codec"
)

var seconds = flag.Float64("seconds", 0.5, "for each operation")

const rounds = 5

func main() {
	flag.Parse()
	bench[codec.Small]("small", &codec.Small{Id: 1234567890123, Name: "hello-thrift-42", Flag: true, Code: 404})
	bench[codec.Medium]("medium", medium())
	bench[codec.Large]("large-list-i64", &codec.Large{Numbers: times(10000, func(i int) int64 { return int64(i) })})
	dict := map[string]string{}
	for i := range 1000 {
		dict[fmt.Sprintf("key-%06d", i)] = fmt.Sprintf("value-%06d", i)
	}
	bench[codec.Large]("large-map", &codec.Large{Dict: dict})
	text := func(i int) string { return fmt.Sprintf("a string of some length %08d", i) }
	bench[codec.Large]("large-strings", &codec.Large{Strings: times(1000, text)})
	bench[codec.Large]("large-structs", &codec.Large{Inners: times(1000, inner)})
	bench[codec.Large]("large-text-64k", &codec.Large{Text: strings.Repeat("x", 65536)})
}

func medium() *codec.Medium {
	note, counts := "note", map[string]int64{}
	for i := range 10 {
		counts[fmt.Sprintf("key-%d", i)] = int64(i)
	}
	return &codec.Medium{
		Flag:    true,
		Tiny:    7,
		Small:   300,
		Medium:  70000,
		Big:     1 << 40,
		Ratio:   3.25,
		Text:    strings.Repeat("x", 100),
		Blob:    []byte(strings.Repeat("b", 256)),
		Numbers: times(50, func(i int) int32 { return int32(i) }),
		Tags:    times(10, func(i int) string { return fmt.Sprintf("tag-%d", i) }),
		Counts:  counts,
		Inners:  times(10, inner),
		Inner:   inner(4),
		Note:    &note,
	}
}

func inner(i int) *codec.Inner {
	value := &codec.Inner{Id: int32(i), Label: fmt.Sprintf("label-%d", i)}
	if i%2 == 0 {
		score := float64(i) * 0.5
		value.Score = &score
	}
	return value
}

func times[T any](n int, value func(i int) T) []T {
	values := make([]T, n)
	for i := range values {
		values[i] = value(i)
	}
	return values
}

type fastCodec interface {
	BLength() int
	FastWrite([]byte) int
	FastRead([]byte) (int, error)
}

func bench[T any, P interface {
	*T
	fastCodec
}](name string, value P) {
	wire := make([]byte, value.BLength())
	check := func(ok bool) {
		if !ok {
			panic(name)
		}
	}
	check(value.FastWrite(wire) == len(wire))
	measure("kitex-fastcodec", name, "encode", len(wire), func() { check(value.BLength() == value.FastWrite(wire)) })
	measure("kitex-fastcodec", name, "decode", len(wire), func() {
		n, err := P(new(T)).FastRead(wire)
		check(err == nil && n == len(wire))
	})
	check(frugal.EncodedSize(value) == len(wire))
	measure("frugal", name, "encode", len(wire), func() {
		n, err := frugal.EncodeObject(wire[:frugal.EncodedSize(value)], nil, value)
		check(err == nil && n == len(wire))
	})
	measure("frugal", name, "decode", len(wire), func() {
		n, err := frugal.DecodeObject(wire, P(new(T)))
		check(err == nil && n == len(wire))
	})
}

// measure times operation and prints the JSON line.
func measure(peer, name, op string, bytes int, operation func()) {
	round := func(times int) float64 {
		start := time.Now()
		for range times {
			operation()
		}
		return float64(time.Since(start).Nanoseconds()) / float64(times)
	}
	n := 1
	for {
		if nanos := round(n); nanos*float64(n) > 20e6 {
			n = max(1, int(*seconds/rounds*1e9/nanos))
			break
		}
		n *= 4
	}
	var nanos []float64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		nanos = append(nanos, round(n))
	}
	runtime.ReadMemStats(&after)
	sort.Float64s(nanos)
	median := nanos[rounds/2]
	allocs := float64(after.Mallocs-before.Mallocs) / float64(rounds*n)
	fmt.Printf(`{"codec":%q,"value":%q,"op":%q,"bytes":%d,"ns_per_op":%.1f,`+
		`"min_ns":%.1f,"mb_per_s":%.0f,"allocs_per_op":%.1f}`+"\n",
		peer, name, op, bytes, median, nanos[0], float64(bytes)/median*1e3, allocs)
}
