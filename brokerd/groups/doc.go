// Package groups coordinates consumer groups. TODO
package groups
