//go:build tools

// Package tools pins the programs that .ci/run needs.
package tools

import _ "honnef.co/go/tools/cmd/staticcheck"
