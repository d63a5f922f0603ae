// Package process runs the parts of a benchmark that must be processes of their own: servers, whose memory is measured and which are killed, and the
// peers, whose dependencies stay out of this module.
//
//	child, err := process.Start(ctx, exec.CommandContext(ctx, program, "serve", dir))   // returns when the child says that it is ready
//	answer, err := child.Ask("free")
//	rss, err := child.RSS()
//	child.Kill()
//
//	err := process.Serve(os.Stdin, os.Stdout, url, map[string]process.Command{"free": process.Free})   // the other side
//
// Questions are lines on the child's standard input, answers are lines on its standard output, one for each. A child ends when its input ends, and so
// never outlives its parent.
package process
