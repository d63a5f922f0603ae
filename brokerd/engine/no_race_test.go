//go:build !race

package engine_test

const countsForSeconds = 26
