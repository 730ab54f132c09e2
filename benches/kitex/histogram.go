package main

import (
	"fmt"
	"math/bits"
)

const buckets = 64 * 60

// histogram counts nanoseconds in buckets that are at most 1.6% wide.
type histogram [buckets]uint32

func (h *histogram) add(nanos uint64) { h[bucket(nanos)]++ }

// bucket: there are 64 for each power of two.
func bucket(nanos uint64) int {
	if nanos < 64 {
		return int(nanos)
	}
	exponent := 63 - bits.LeadingZeros64(nanos)
	return min(buckets-1, (exponent-5)*64+int((nanos>>(exponent-6))&63))
}

func middle(bucket int) float64 {
	if bucket < 64 {
		return float64(bucket)
	}
	exponent := bucket/64 + 5
	width := float64(uint64(1) << (exponent - 6))
	return float64(64+bucket%64)*width + width/2
}

// quantiles is the sum of all histograms.
type quantiles struct {
	buckets [buckets]uint64
	total   uint64
}

func newQuantiles(workers []*Worker) *quantiles {
	q := &quantiles{}
	for _, w := range workers {
		for i, count := range w.latencies {
			q.buckets[i] += uint64(count)
			q.total += uint64(count)
		}
	}
	return q
}

// micros is what the given share of all latencies does not exceed, as JSON: null when there are none.
func (q *quantiles) micros(share float64) string {
	var below uint64
	for i, count := range q.buckets {
		below += count
		if q.total > 0 && float64(below) >= share*float64(q.total) {
			return fmt.Sprintf("%.1f", middle(i)/1e3)
		}
	}
	return "null"
}
