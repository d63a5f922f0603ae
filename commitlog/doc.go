// Package commitlog is the log as its clients see it: topics of partitions, conditional append, and reading from an offset.
package commitlog
