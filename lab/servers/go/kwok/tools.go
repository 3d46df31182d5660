//go:build tools

// Package tools names the program that the live tests build.
package tools

import _ "sigs.k8s.io/kwok/cmd/kwok"
