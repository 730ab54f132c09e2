//go:build tools

// Package tools keeps h2spec and what it needs in go.mod. The h2spec.rs test builds its command.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
