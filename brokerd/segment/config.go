package segment

import "cmp"

// Config says where a log lies and how large its files are.
type Config struct {
	Dir          string
	BytesMax     int64 // a batch that would make a file larger begins the next one (default 128 MiB)
	FilesOpenMax int   // file descriptors kept for reading; files not yet synced come on top (default 64)
}

func (c Config) withDefaults() Config {
	c.BytesMax = cmp.Or(max(c.BytesMax, 0), 128<<20)
	c.FilesOpenMax = cmp.Or(max(c.FilesOpenMax, 0), 64)
	return c
}
