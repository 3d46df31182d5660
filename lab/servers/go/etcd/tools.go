//go:build tools

// Package tools names the program that the live tests build.
package tools

import _ "go.etcd.io/etcd/server/v3"
